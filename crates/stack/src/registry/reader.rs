//! What is known of an address: a locked registry.

use super::held::Held;
use super::{FrameBytes, Range, RegistrySize, SafepointEntry, Tables};
use crate::code::TrapCode;
use crate::frame_table::FrameTable;
use crate::location::Location;
use crate::location_pool::LocationListId;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

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

/// A locked registry, for looking up.
#[derive(Debug)]
pub struct CodeReader<'a> {
    // Declared before `_held`, so the lock is let go before the thread stops saying it holds it.
    tables: RwLockReadGuard<'a, Tables>,
    _held: Held,
}

impl<'a> CodeReader<'a> {
    pub(super) fn of(tables: &'a RwLock<Tables>) -> Self {
        let held = Held::new();
        Self {
            tables: tables.read().unwrap_or_else(PoisonError::into_inner),
            _held: held,
        }
    }

    pub(super) fn size(&self) -> RegistrySize {
        RegistrySize {
            ranges: self.tables.ranges.len(),
            safepoints: self.tables.safepoints,
            location_lists: self.tables.locations.len(),
        }
    }

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
