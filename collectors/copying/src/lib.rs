//! Cheney's copying collector over semispaces that are sets of chunks.
//!
//! Objects are allocated by bumping a cursor through chunks. A collection copies what is reachable
//! into other chunks, in depth as far as a small stack reaches and else scanning the copies in the order
//! they were made, and frees the chunks it left: it never looks at a dead object. Objects larger than an eighth of a chunk lie in a space
//! of their own and never move. No barriers; references move, so compiled code reloads them.
//!
//! **Cost.** Time follows live bytes and roots. Room: live data, what is allocated between
//! collections, and a reserve for copying the worst case (see `heap.rs` for the formula).
//!
//! # References
//! Cheney, *A nonrecursive list compacting algorithm*, CACM 13(11), 1970. Cher, Hosking and Vitek,
//! *Software prefetching for mark-sweep garbage collection*, ASPLOS 2004.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod heap;
mod collect;
#[cfg(test)]
mod tests;

use heap::CopyingHeap;
use std::ops::RangeInclusive;
use windrow_core::{
    AllocSpec, Collector, GcHeap, HeapContext, HeapError, HeapLimits, MutatorAbi, Properties,
    WriteBarrier,
};

/// Sizes of the chunks of semispaces, in bytes.
const CHUNK_BYTES: RangeInclusive<u32> = 16 << 10..=256 << 10;

/// Objects larger than a chunk divided by this never move.
const SMALL_FRACTION: u32 = 8;

/// The largest object compiled code allocates in line, in bytes: the largest that is small in the
/// smallest chunk.
const MAX_INLINE_BYTES: u32 = *CHUNK_BYTES.start() / SMALL_FRACTION;

/// Cheney's collector.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyingCollector;

impl Collector for CopyingCollector {
    fn name(&self) -> &'static str {
        "copying"
    }

    fn properties(&self) -> Properties {
        Properties {
            summary: "bump allocation, survivors are copied: fast where much dies young and memory is plenty",
            collects: true,
            reclaims_cycles: true,
            pauses: "follow live data",
        }
    }

    fn abi(&self) -> MutatorAbi {
        MutatorAbi {
            alloc: AllocSpec::bump(MAX_INLINE_BYTES),
            header_template: 0,
            write_barrier: WriteBarrier::None,
            moves_objects: true,
        }
    }

    fn new_heap(
        &self,
        _cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        Ok(Box::new(CopyingHeap::new(limits)?))
    }
}
