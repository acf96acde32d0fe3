//! References that a host value holds: cells the collector sees through and keeps up to date.
//!
//! A host type that implements [`TraceHost`] and is boxed by
//! [`HostValue::new_traced`](crate::HostValue::new_traced) shows its cells to each collection that
//! finds the value's `externref` object alive. What the cells refer to lives as long as that object,
//! and no longer: a cycle through the host and the heap dies like any other. There is no barrier to
//! owe; each collection looks at all cells of live values, whatever changed.
//!
//! A value may be shared by several isolates, on several threads. A cell belongs to the first isolate
//! that stores into it; the others skip it. It holds, with the reference, the number of the last
//! collection that kept it up to date, so one that missed a collection (its object died and the host
//! had another box of the value) is known to be out of date, and reads as null.

use crate::{GcRef, HeapError, Isolate, IsolateId, RootKind, RootVisitor};
use std::any::Any;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// A host type with references into a heap.
///
/// ```
/// use windrow_core::{HeapCell, TraceHost};
///
/// struct Listener {
///     callback: HeapCell,
///     data: Vec<HeapCell>,
/// }
///
/// impl TraceHost for Listener {
///     fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
///         visitor(&self.callback);
///         self.data.iter().for_each(visitor);
///     }
/// }
/// ```
pub trait TraceHost: Any + Send + Sync {
    /// Calls `visitor` with every cell.
    ///
    /// Runs inside a collection, and may run in several isolates at once if they share the value. A
    /// cell that is not shown is not kept up to date, and reads as null afterwards; one shown twice
    /// is looked at once. A panic poisons the heap, as one in a root source does.
    fn trace(&self, visitor: &mut dyn FnMut(&HeapCell));
}

/// A place for a reference inside a host value. Null at first.
pub struct HeapCell {
    /// The id of the isolate it belongs to; zero before the first store. Never changes after.
    owner: AtomicU64,
    /// The reference's bits, and above them the owner's count of collections when they were valid.
    content: AtomicU64,
}

const fn pack(reference: GcRef, epoch: u32) -> u64 {
    (epoch as u64) << 32 | reference.bits() as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
const fn unpack(content: u64) -> (GcRef, u32) {
    (GcRef::from_bits(content as u32), (content >> 32) as u32)
}

impl HeapCell {
    /// A cell that holds null and belongs to no isolate.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            owner: AtomicU64::new(0),
            content: AtomicU64::new(0),
        }
    }

    /// The reference, valid until the next safepoint; null before the first store, and where the cell
    /// missed a collection.
    ///
    /// # Errors
    /// [`HeapError::Foreign`] where it belongs to another isolate.
    pub fn get(&self, isolate: &Isolate) -> Result<GcRef, HeapError> {
        match self.owner() {
            None => Ok(GcRef::NULL),
            Some(owner) if owner == isolate.id() => Ok(self.held(isolate.epoch())),
            Some(_) => Err(FOREIGN),
        }
    }

    /// Stores a reference of `isolate`'s heap. It is kept alive from the time the value is in the heap,
    /// and as long as the value's object is alive.
    ///
    /// # Errors
    /// [`HeapError::Foreign`] where the cell belongs to another isolate.
    pub fn set(&self, isolate: &Isolate, reference: GcRef) -> Result<(), HeapError> {
        let id = isolate.id().get().get();
        let order = Ordering::Relaxed;
        match self.owner.compare_exchange(0, id, order, order) {
            Ok(_) => {}
            Err(owner) if owner == id => {}
            Err(_) => return Err(FOREIGN),
        }
        let content = pack(reference, isolate.epoch());
        self.content.store(content, Ordering::Relaxed);
        Ok(())
    }

    /// The isolate it belongs to, if any yet.
    #[must_use]
    pub fn owner(&self) -> Option<IsolateId> {
        NonZeroU64::new(self.owner.load(Ordering::Relaxed)).map(IsolateId::from_number)
    }

    /// What it holds after so many collections of its owner.
    fn held(&self, epoch: u32) -> GcRef {
        let (reference, valid_in) = unpack(self.content.load(Ordering::Relaxed));
        if valid_in == epoch || reference.as_object().is_none() {
            reference
        } else {
            GcRef::NULL
        }
    }

    /// What it holds for the isolate `id` after so many of its collections.
    pub(crate) fn held_for(&self, id: IsolateId, epoch: u32) -> Option<GcRef> {
        (self.owner() == Some(id)).then(|| self.held(epoch))
    }

    /// Shows the reference in the isolate `id`'s collection number `epoch`, if it is a cell of that
    /// isolate's and was not shown before; what is out of date becomes null.
    pub(crate) fn visit(&self, id: IsolateId, epoch: u32, visitor: &mut dyn RootVisitor) {
        if self.owner() != Some(id) {
            return;
        }
        let (_, seen_in) = unpack(self.content.load(Ordering::Relaxed));
        if seen_in == epoch {
            return;
        }
        let mut reference = self.held(epoch.wrapping_sub(1));
        visitor.visit(RootKind::HostValue, &mut reference);
        self.content
            .store(pack(reference, epoch), Ordering::Relaxed);
    }
}

/// The error of a cell that belongs to another isolate.
const FOREIGN: HeapError = HeapError::Foreign { what: "heap cell" };

impl Default for HeapCell {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HeapCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reference, _) = unpack(self.content.load(Ordering::Relaxed));
        f.debug_struct("HeapCell")
            .field("owner", &self.owner())
            .field("reference", &reference)
            .finish()
    }
}
