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
use crate::code::{CodeRange, FunctionRange, TrapSite};
use crate::frame_table::FrameTable;
use crate::location_pool::{LocationListId, LocationPool};
use hashbrown::HashMap;
use held::Held;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

mod held;
mod reader;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) use held::thread_holds_a_lock;
pub(crate) use reader::SiteKey;
pub use reader::{CallSite, CodeReader, FunctionPlace};

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
        CodeReader::of(&self.tables)
    }

    /// How much the registry holds.
    #[must_use]
    pub fn size(&self) -> RegistrySize {
        self.read().size()
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

#[cfg(test)]
mod tests;
