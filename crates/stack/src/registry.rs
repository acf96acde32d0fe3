//! The code registry: what is known of every range of compiled code, by address.
//!
//! Return addresses are found in one hash table over all ranges (a few nanoseconds, whatever their
//! number), ranges in an ordered map, traps and functions by binary search within their range.
//! One lock guards it all: a walk takes it once for a whole collection, and registering waits.
//!
//! The trap handler asks the registry from within a signal. That is sound because it first makes
//! sure that its own thread holds no registry's lock (a fault in a thread that does is not one of
//! compiled code), and looking up allocates nothing.

use crate::StackError;
use crate::code::{CodeRange, FunctionRange, TrapCode, TrapSite};
use crate::slot_pool::{SlotListId, SlotPool};
use hashbrown::HashMap;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// What is known of a call that returns to some address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallSite<'a> {
    /// Distance from the frame pointer down to the stack pointer during the call, in bytes; zero
    /// where the call has no stack map.
    pub frame_bytes: u32,
    /// Where the references are, in bytes up from that stack pointer, ascending.
    pub slots: &'a [u32],
}

impl CallSite<'_> {
    /// A call without a stack map.
    pub(crate) const PLAIN: Self = Self {
        frame_bytes: 0,
        slots: &[],
    };
}

/// A place in a function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FunctionPlace {
    /// What the client calls the function.
    pub id: u64,
    /// Bytes from the function's first instruction.
    pub offset: u32,
}

/// How much a registry holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegistrySize {
    /// Ranges registered.
    pub ranges: usize,
    /// Safepoints in them.
    pub safepoints: usize,
    /// Different lists of slots those safepoints have.
    pub slot_lists: usize,
    /// Safepoints there is room for without growing.
    pub safepoint_capacity: usize,
}

#[derive(Clone, Copy, Debug)]
struct SafepointEntry {
    frame_bytes: u32,
    slots: SlotListId,
}

#[derive(Debug)]
struct Range {
    len: usize,
    return_offsets: Box<[u32]>,
    /// Return offsets of the calls with handlers.
    handled_offsets: Box<[u32]>,
    traps: Box<[TrapSite]>,
    functions: Box<[FunctionRange]>,
}

#[derive(Debug, Default)]
struct Tables {
    ranges: BTreeMap<usize, Range>,
    safepoints: HashMap<usize, SafepointEntry, BuildHasherDefault<AddressHasher>>,
    /// From a call's return address to its exception handler's.
    handlers: HashMap<usize, usize, BuildHasherDefault<AddressHasher>>,
    slots: SlotPool,
}

/// Everything known of compiled code, by address. Shared by all who run or walk that code.
#[derive(Debug, Default)]
pub struct CodeRegistry {
    tables: RwLock<Tables>,
}

impl CodeRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Makes a range of code known until the handle is dropped.
    ///
    /// Costs O(n log n) for n records, O(n) of it with every walk held up.
    ///
    /// # Errors
    /// [`StackError::Overlap`] if part of the range is registered, and the `Bad` variants for data
    /// that cannot be true. The registry is then unchanged.
    pub fn register(self: &Arc<Self>, mut code: CodeRange) -> Result<CodeHandle, StackError> {
        code.normalise()?;
        let (start, len) = (code.start, code.len);
        let range = Range {
            len,
            return_offsets: code
                .safepoints
                .iter()
                .map(|point| point.return_offset)
                .collect(),
            handled_offsets: code
                .handlers
                .iter()
                .map(|handler| handler.return_offset)
                .collect(),
            traps: code.traps.into(),
            functions: code.functions.into(),
        };
        let _held = Held::new();
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let Tables {
            ranges,
            safepoints,
            handlers,
            slots,
        } = &mut *tables;
        if let Some((&other_start, other)) = ranges.range(..start + len).next_back()
            && other_start + other.len > start
        {
            return Err(StackError::Overlap {
                start,
                len,
                other_start,
                other_len: other.len,
            });
        }
        safepoints.reserve(code.safepoints.len());
        for point in &code.safepoints {
            let entry = SafepointEntry {
                frame_bytes: point.frame_bytes,
                slots: slots.add(&point.slots),
            };
            safepoints.insert(start + point.return_offset as usize, entry);
        }
        for handler in &code.handlers {
            handlers.insert(
                start + handler.return_offset as usize,
                start + handler.handler_offset as usize,
            );
        }
        ranges.insert(start, range);
        Ok(CodeHandle {
            registry: Arc::clone(self),
            start,
            len,
        })
    }

    fn unregister(&self, start: usize) {
        let _held = Held::new();
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let Tables {
            ranges,
            safepoints,
            handlers,
            slots,
        } = &mut *tables;
        let Some(range) = ranges.remove(&start) else {
            return;
        };
        for &offset in &range.return_offsets {
            if let Some(entry) = safepoints.remove(&(start + offset as usize)) {
                slots.remove(entry.slots);
            }
        }
        for &offset in &range.handled_offsets {
            handlers.remove(&(start + offset as usize));
        }
        // Shrinking only at a quarter keeps a steady churn from rehashing each time.
        if safepoints.len() * 4 <= safepoints.capacity() {
            safepoints.shrink_to(safepoints.len() * 2);
        }
        if handlers.len() * 4 <= handlers.capacity() {
            handlers.shrink_to(handlers.len() * 2);
        }
    }

    /// Locks the registry for looking up. Registering and dropping handles wait until the reader
    /// is dropped, so the thread that holds one must do neither.
    #[must_use]
    pub fn read(&self) -> CodeReader<'_> {
        let held = Held::new();
        CodeReader {
            tables: self.tables.read().unwrap_or_else(PoisonError::into_inner),
            _held: held,
        }
    }

    /// How much the registry holds.
    #[must_use]
    pub fn size(&self) -> RegistrySize {
        let reader = self.read();
        RegistrySize {
            ranges: reader.tables.ranges.len(),
            safepoints: reader.tables.safepoints.len(),
            slot_lists: reader.tables.slots.len(),
            safepoint_capacity: reader.tables.safepoints.capacity(),
        }
    }
}

/// Keeps a range registered; dropping it makes the range unknown, which costs O(its safepoints).
///
/// Drop it before the code is unmapped, and not while the code has frames: a walk that meets one
/// fails, and a trap in it is not caught.
#[derive(Debug)]
#[must_use = "dropping the handle unregisters the code"]
pub struct CodeHandle {
    registry: Arc<CodeRegistry>,
    start: usize,
    len: usize,
}

impl CodeHandle {
    /// Address of the range's first byte.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Size of the range in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.len
    }
}

impl Drop for CodeHandle {
    fn drop(&mut self) {
        self.registry.unregister(self.start);
    }
}

/// A locked registry, for looking up.
#[derive(Debug)]
pub struct CodeReader<'a> {
    // Declared before `_held`, so the lock is let go before the thread stops saying it holds it.
    tables: RwLockReadGuard<'a, Tables>,
    _held: Held,
}

impl CodeReader<'_> {
    /// The call that returns to `address`, or `None` where no registered code can have made one.
    ///
    /// Costs one probe of a hash table; O(log ranges) more for a call without a stack map.
    #[must_use]
    #[inline]
    pub fn call_site(&self, address: usize) -> Option<CallSite<'_>> {
        match self.safepoint(address) {
            Some(site) => Some(site),
            None => self.range_of_call(address).map(|_| CallSite {
                frame_bytes: 0,
                slots: &[],
            }),
        }
    }

    /// The stack map for a call that returns to `address`.
    #[must_use]
    #[inline]
    pub fn safepoint(&self, address: usize) -> Option<CallSite<'_>> {
        let entry = self.tables.safepoints.get(&address)?;
        let slots = self.tables.slots.offsets(entry.slots);
        Some(CallSite {
            frame_bytes: entry.frame_bytes,
            slots,
        })
    }

    /// Where the call that returns to `address` goes on after an exception, or `None` if it lets
    /// exceptions pass. Costs one probe of a hash table.
    #[must_use]
    pub fn handler(&self, address: usize) -> Option<usize> {
        self.tables.handlers.get(&address).copied()
    }

    /// The bounds of the range with the call that returns to `address`: its first byte and the one
    /// past its last. The call itself lies before the return address, which may be the range's end.
    pub(crate) fn range_of_call(&self, address: usize) -> Option<(usize, usize)> {
        let (start, range) = self.range(address.checked_sub(1)?)?;
        Some((start, start + range.len))
    }

    /// What a trap of the instruction at exactly `pc` means, or `None` if it cannot trap.
    #[must_use]
    pub fn trap(&self, pc: usize) -> Option<TrapCode> {
        let (start, range) = self.range(pc)?;
        let offset = u32::try_from(pc - start).ok()?;
        let index = range
            .traps
            .binary_search_by_key(&offset, |trap| trap.offset)
            .ok()?;
        Some(range.traps[index].code)
    }

    /// The function whose instruction is at `pc`. For a return address ask for the byte before.
    #[must_use]
    pub fn function(&self, pc: usize) -> Option<FunctionPlace> {
        let (start, range) = self.range(pc)?;
        let offset = u32::try_from(pc - start).ok()?;
        let after = range
            .functions
            .partition_point(|function| function.start <= offset);
        let function = range.functions.get(after.checked_sub(1)?)?;
        let offset = offset - function.start;
        (offset < function.len).then_some(FunctionPlace {
            id: function.id,
            offset,
        })
    }

    fn range(&self, pc: usize) -> Option<(usize, &Range)> {
        let (&start, range) = self.tables.ranges.range(..=pc).next_back()?;
        (pc - start < range.len).then_some((start, range))
    }
}

thread_local! {
    static LOCKS_HELD: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread holds or awaits the lock of a registry, so that a signal handler on it must
/// not ask for one.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn thread_holds_a_lock() -> bool {
    LOCKS_HELD.get() > 0
}

/// Says for its lifetime that this thread holds the lock of a registry.
#[derive(Debug)]
struct Held {
    /// A lock belongs to the thread that took it.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Held {
    fn new() -> Self {
        LOCKS_HELD.set(LOCKS_HELD.get() + 1);
        Self {
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        LOCKS_HELD.set(LOCKS_HELD.get() - 1);
    }
}

/// Hashes one address by a multiplication: return addresses are no attacker's choice worth a
/// slower hash, and the product's two halves are folded because the table uses both ends.
#[derive(Clone, Copy, Default, Debug)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(usize::from(byte));
        }
    }

    fn write_usize(&mut self, value: usize) {
        let product = u128::from(self.0 ^ value as u64) * 0x9e37_79b9_7f4a_7c15;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "folding is meant to drop bits"
        )]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded;
    }
}

#[cfg(test)]
mod tests;
