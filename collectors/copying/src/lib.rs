//! Cheney's copying collector over semispaces that are sets of chunks.
//!
//! Objects are allocated by bumping a cursor through chunks. A collection copies what is reachable
//! into other chunks, scanning the copies in the order they were made, and frees the chunks it
//! left: it never looks at a dead object. Objects larger than an eighth of a chunk lie in a space
//! of their own and never move. No barriers; references move, so compiled code reloads them.
//!
//! **Cost.** Time follows live bytes and roots. Room: live data, what is allocated between
//! collections, and a reserve for copying the worst case (see `heap.rs` for the formula).
//!
//! # References
//! Cheney, *A nonrecursive list compacting algorithm*, CACM 13(11), 1970.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod chunks;
mod heap;
mod collect;
#[cfg(test)]
mod tests;

use heap::CopyingHeap;
use windrow_core::{
    AllocSpec, Collector, GcHeap, HeapContext, HeapError, HeapLimits, MutatorAbi, Properties,
    WriteBarrier,
};

/// The largest object compiled code allocates in line, in bytes: an eighth of the smallest chunk.
const MAX_INLINE_BYTES: u32 = chunks::MIN_CHUNK_BYTES / chunks::SMALL_FRACTION;

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
        Ok(Box::new(CopyingHeap::new(limits)))
    }
}
