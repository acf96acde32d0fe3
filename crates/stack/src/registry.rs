//! The code registry: what is known of every range of compiled code, by address.
//!
//! Ranges are found in an ordered map, what lies in them by binary search: safepoints take twelve
//! bytes and share their lists of locations. A walk asks once for each return address and keeps the
//! answer (see [`Walker`](crate::Walker)), which is good until code is unregistered: the
//! [generation](CodeReader::generation) tells. One lock guards it all: a walk takes it once for a whole
//! collection, and registering waits.
//!
//! The trap handler asks the registry from within a signal. That is sound because it first makes
//! sure that its own thread holds no registry's lock (a fault in a thread that does is not one of
//! compiled code), and looking up allocates nothing.

use crate::StackError;
use crate::address_hash::AddressHasher;
use crate::code::{CodeRange, FunctionRange, TrapCode, TrapSite};
use crate::frame_table::FrameTable;
use crate::location::Location;
use crate::location_pool::{LocationListId, LocationPool};
use hashbrown::HashMap;
use held::Held;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// What is known of a call that returns to some address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallSite<'a> {
    /// Distance from the frame pointer down to the stack pointer during the call, in bytes; `None`
    /// where the call has no stack map, or one that does not say.
    pub frame_bytes: Option<u32>,
    /// Where the references are.
    pub locations: &'a [Location],
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
    /// Different lists of locations those safepoints have.
    pub location_lists: usize,
}

/// A safepoint as the registry keeps it.
#[derive(Clone, Copy, Debug)]
struct SafepointEntry {
    return_offset: u32,
    frame_bytes: FrameBytes,
    locations: LocationListId,
}

/// An optional frame size in four bytes.
#[derive(Clone, Copy, Debug)]
struct FrameBytes(u32);

impl FrameBytes {
    const NONE: Self = Self(u32::MAX);

    fn new(frame_bytes: Option<u32>) -> Self {
        frame_bytes.map_or(Self::NONE, Self)
    }

    #[inline(always)]
    fn get(self) -> Option<u32> {
        (self.0 != u32::MAX).then_some(self.0)
    }
}

/// What is known of a call, in numbers that stay true until the [generation](CodeReader::generation)
/// changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SiteKey {
    frame_bytes: FrameBytes,
    locations: LocationListId,
}

impl Default for SiteKey {
    fn default() -> Self {
        Self::PLAIN
    }
}

impl SiteKey {
    /// Of a call without a stack map.
    pub(crate) const PLAIN: Self = Self {
        frame_bytes: FrameBytes::NONE,
        locations: LocationListId::EMPTY,
    };
}

#[derive(Debug)]
struct Range {
    len: usize,
    safepoints: Box<[SafepointEntry]>,
    /// Return offsets of the calls with handlers.
    handled_offsets: Box<[u32]>,
    traps: Box<[TrapSite]>,
    functions: Box<[FunctionRange]>,
    unwind_table: Option<FrameTable>,
}

#[derive(Debug)]
struct Tables {
    ranges: BTreeMap<usize, Range>,
    /// From a call's return address to its exception handler's.
    handlers: HashMap<usize, usize, AddressHasher>,
    locations: LocationPool,
    safepoints: usize,
    generation: u64,
    /// How many ranges were ever registered.
    additions: u64,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            ranges: BTreeMap::new(),
            handlers: HashMap::default(),
            locations: LocationPool::default(),
            safepoints: 0,
            generation: next_generation(),
            additions: 0,
        }
    }
}

/// A number that no registry has had.
fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
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
        let unwind_table = match code.eh_frame {
            bytes if bytes.is_empty() => None,
            bytes => Some(FrameTable::new(bytes, 0)?),
        };
        let _held = Held::new();
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let Tables {
            ranges,
            handlers,
            locations,
            safepoints,
            additions,
            ..
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
        let range = Range {
            len,
            safepoints: code
                .safepoints
                .iter()
                .map(|point| SafepointEntry {
                    return_offset: point.return_offset,
                    frame_bytes: FrameBytes::new(point.frame_bytes),
                    locations: locations.add(&point.locations),
                })
                .collect(),
            handled_offsets: code
                .handlers
                .iter()
                .map(|handler| handler.return_offset)
                .collect(),
            traps: code.traps.into(),
            functions: code.functions.into(),
            unwind_table,
        };
        *additions += 1;
        *safepoints += range.safepoints.len();
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
        tables.generation = next_generation();
        let Tables {
            ranges,
            handlers,
            locations,
            safepoints,
            ..
        } = &mut *tables;
        let Some(range) = ranges.remove(&start) else {
            return;
        };
        *safepoints -= range.safepoints.len();
        for safepoint in &range.safepoints {
            locations.remove(safepoint.locations);
        }
        for &offset in &range.handled_offsets {
            handlers.remove(&(start + offset as usize));
        }
        // Shrinking only at a quarter keeps a steady churn from rehashing each time.
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
            safepoints: reader.tables.safepoints,
            location_lists: reader.tables.locations.len(),
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
    /// Changes when code is unregistered, and is never another registry's: what was learnt of
    /// registered code in one generation holds as long as it lasts.
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u64 {
        self.tables.generation
    }

    /// Changes when code is registered: what was learnt of code that was not, in one generation, may
    /// hold no longer.
    pub(crate) fn additions(&self) -> u64 {
        self.tables.additions
    }

    /// The call that returns to `address`, or `None` where no registered code can have made one.
    ///
    /// Costs O(log ranges + log safepoints of the range).
    #[must_use]
    pub fn call_site(&self, address: usize) -> Option<CallSite<'_>> {
        self.site_key(address).map(|key| self.site(key))
    }

    /// As [`Self::call_site`], to be kept.
    pub(crate) fn site_key(&self, address: usize) -> Option<SiteKey> {
        // The call lies before the return address, which may be the range's end.
        let (start, range) = self.range(address.checked_sub(1)?)?;
        let found = range
            .safepoints
            .binary_search_by_key(&(address - start), |point| point.return_offset as usize);
        let Ok(index) = found else {
            return Some(SiteKey::PLAIN);
        };
        let SafepointEntry {
            frame_bytes,
            locations,
            ..
        } = range.safepoints[index];
        Some(SiteKey {
            frame_bytes,
            locations,
        })
    }

    /// What a key of this generation means.
    #[inline(always)]
    pub(crate) fn site(&self, key: SiteKey) -> CallSite<'_> {
        CallSite {
            frame_bytes: key.frame_bytes.get(),
            locations: self.tables.locations.locations(key.locations),
        }
    }

    /// Where the call that returns to `address` goes on after an exception, or `None` if it lets
    /// exceptions pass. Costs one probe of a hash table.
    #[must_use]
    pub fn handler(&self, address: usize) -> Option<usize> {
        self.tables.handlers.get(&address).copied()
    }

    /// The unwind table for code at `pc`.
    pub(crate) fn unwind_table(&self, pc: usize) -> Option<&FrameTable> {
        self.range(pc)?.1.unwind_table.as_ref()
    }

    /// Whether code at `pc` is registered.
    pub(crate) fn contains(&self, pc: usize) -> bool {
        self.range(pc).is_some()
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

mod held;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) use held::thread_holds_a_lock;

#[cfg(test)]
mod tests;
