//! Host values that objects of the heap stand for.
//!
//! Host pointers never enter the heap. An `externref` object holds an id; the entry behind the id
//! records the one object that owns it, so an id copied into another object is refused. The weak
//! phase of a collection updates owners and takes out the values of dead ones, which are dropped
//! after the collection.
//!
//! A value may come with the bytes it takes outside the heap. They have a budget of their own, twice
//! what survived the last collection they caused, so that small objects which stand for large values
//! do not let the process's memory grow between collections.
//!
//! The ids of traced values are kept in a set of bits besides, so that a collection finds them without
//! a look at the others.

use crate::{HostValue, ObjectRef};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

#[derive(Debug)]
enum Entry {
    Used {
        owner: ObjectRef,
        bytes: u32,
        value: HostValue,
    },
    Free {
        next: Option<u32>,
    },
}

/// The host values of one isolate by id. Ids are reused.
#[derive(Debug)]
pub struct HostData {
    entries: Vec<Entry>,
    free: Option<u32>,
    len: usize,
    bytes: u64,
    budget_bytes: u64,
    /// A bit for each id whose value may be traced.
    traced: Vec<u64>,
}

/// Host values whose objects died. Each is dropped, whatever the drop of another does.
#[derive(Default)]
pub(crate) struct DeadValues(pub(crate) Vec<HostValue>);

impl DeadValues {
    /// Drops them in order, then passes on the first panic there was.
    pub(crate) fn drop_all(mut self) {
        if let Some(panic) = self.drop_each() {
            resume_unwind(panic);
        }
    }

    fn drop_each(&mut self) -> Option<Box<dyn Any + Send>> {
        let mut first = None;
        for value in self.0.drain(..) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                first.get_or_insert(panic);
            }
        }
        first
    }
}

impl Drop for DeadValues {
    fn drop(&mut self) {
        if let Some(panic) = self.drop_each()
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

impl Drop for HostData {
    fn drop(&mut self) {
        let values = self.entries.drain(..).filter_map(|entry| match entry {
            Entry::Used { value, .. } => Some(value),
            Entry::Free { .. } => None,
        });
        drop(DeadValues(values.collect()));
    }
}

impl Default for HostData {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: None,
            len: 0,
            bytes: 0,
            budget_bytes: Self::MIN_BUDGET_BYTES,
            traced: Vec::new(),
        }
    }
}

impl HostData {
    /// The most entries there can be.
    pub const MAX: u32 = u32::MAX - 1;

    /// What values may take before they cause a collection, at least.
    const MIN_BUDGET_BYTES: u64 = 64 << 20;

    /// Whether one more entry fits.
    pub(crate) fn has_room(&self) -> bool {
        self.free.is_some() || self.entries.len() < Self::MAX as usize
    }

    /// Adds a value owned by `owner`. To be called only while [`Self::has_room`].
    pub(crate) fn insert(&mut self, owner: ObjectRef, value: HostValue, bytes: u32) -> u32 {
        self.len += 1;
        self.bytes += u64::from(bytes);
        let is_traced = value.is_traced();
        let entry = Entry::Used {
            owner,
            bytes,
            value,
        };
        if let Some(id) = self.free
            && let Some(slot) = self.entries.get_mut(id as usize)
        {
            if let Entry::Free { next } = slot {
                self.free = *next;
            }
            *slot = entry;
            if is_traced {
                self.note_traced(id);
            }
            return id;
        }
        self.entries.push(entry);
        let id = u32::try_from(self.entries.len() - 1).expect("the caller checked for room");
        if is_traced {
            self.note_traced(id);
        }
        id
    }

    /// Takes note that the value with this id may be traced.
    fn note_traced(&mut self, id: u32) {
        let word = (id / 64) as usize;
        if word >= self.traced.len() {
            self.traced.resize(word + 1, 0);
        }
        if let Some(bits) = self.traced.get_mut(word) {
            *bits |= 1 << (id % 64);
        }
    }

    /// Calls `visit` with the id, the owner and the value of every traced value. Linear in these, with a
    /// word for each 64 entries.
    pub(crate) fn for_each_traced(&mut self, mut visit: impl FnMut(u32, ObjectRef, &HostValue)) {
        for (word, bits) in (0_u32..).zip(&mut self.traced) {
            let mut left = *bits;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                let id = word * 64 + bit;
                match self.entries.get(id as usize) {
                    Some(Entry::Used { owner, value, .. }) if value.is_traced() => {
                        visit(id, *owner, value);
                    }
                    _ => *bits &= !(1 << bit),
                }
            }
        }
    }

    /// The value with this id, whoever owns it.
    pub(crate) fn value_of(&self, id: u32) -> Option<&HostValue> {
        match self.entries.get(id as usize)? {
            Entry::Used { value, .. } => Some(value),
            Entry::Free { .. } => None,
        }
    }

    /// Every object that stands for a value.
    pub(crate) fn owners(&self) -> impl Iterator<Item = ObjectRef> + '_ {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Used { owner, .. } => Some(*owner),
            Entry::Free { .. } => None,
        })
    }

    /// The value with this id, if `owner` owns it.
    #[must_use]
    pub fn value(&self, id: u32, owner: ObjectRef) -> Option<&HostValue> {
        match self.entries.get(id as usize)? {
            Entry::Used {
                owner: of, value, ..
            } if *of == owner => Some(value),
            _ => None,
        }
    }

    /// The value with this id, if `owner` owns it.
    pub fn value_mut(&mut self, id: u32, owner: ObjectRef) -> Option<&mut HostValue> {
        self.value(id, owner)?;
        // Whoever has it may put another value there.
        self.note_traced(id);
        match self.entries.get_mut(id as usize)? {
            Entry::Used {
                owner: of, value, ..
            } if *of == owner => Some(value),
            _ => None,
        }
    }

    /// The weak phase: moves owners along and takes out the values of those that died.
    ///
    /// Linear in the number of entries. Nothing is dropped here.
    pub(crate) fn process(
        &mut self,
        survivor: &mut dyn FnMut(ObjectRef) -> Option<ObjectRef>,
        dead: &mut Vec<HostValue>,
    ) {
        for (id, entry) in (0..).zip(self.entries.iter_mut()) {
            let Entry::Used { owner, .. } = entry else {
                continue;
            };
            if let Some(now) = survivor(*owner) {
                *owner = now;
                continue;
            }
            self.len -= 1;
            if let Entry::Used { value, bytes, .. } =
                std::mem::replace(entry, Entry::Free { next: self.free })
            {
                self.bytes -= u64::from(bytes);
                dead.push(value);
            }
            self.free = Some(id);
        }
    }

    /// Whether the values, with one of `bytes` more, exceed their budget.
    pub(crate) const fn is_over_budget(&self, bytes: u32) -> bool {
        self.bytes + bytes as u64 > self.budget_bytes
    }

    /// Sets the budget by what the values take now.
    pub(crate) fn set_budget(&mut self) {
        self.budget_bytes = Self::MIN_BUDGET_BYTES.max(self.bytes.saturating_mul(2));
    }

    /// What the values take outside the heap, as those who made them said.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
