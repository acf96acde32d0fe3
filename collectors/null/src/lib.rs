//! The null collector: allocates by bumping a cursor and never collects.
//!
//! The zero line of every measurement (what does this program cost with no collection at all?),
//! and the right choice for programs that end before their memory does. Allocation is the bump
//! every moving collector has, with no barrier; when the hard limit is reached the heap is full.
//! It is what HotSpot calls Epsilon (JEP 318).

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod heap;
#[cfg(test)]
mod tests;

use heap::NullHeap;
use windrow_core::{
    AllocSpec, Collector, GcHeap, HeapContext, HeapError, HeapLimits, MutatorAbi, Properties,
    WriteBarrier,
};

/// The largest object compiled code allocates in line, in bytes.
const MAX_INLINE_BYTES: u32 = 32 << 10;

/// Allocates and never collects.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullCollector;

impl Collector for NullCollector {
    fn name(&self) -> &'static str {
        "null"
    }

    fn properties(&self) -> Properties {
        Properties {
            summary: "bump allocation, no collection: for measuring, and for programs that end first",
            collects: false,
            reclaims_cycles: false,
            pauses: "none",
        }
    }

    fn abi(&self) -> MutatorAbi {
        MutatorAbi {
            alloc: AllocSpec::bump(MAX_INLINE_BYTES),
            header_template: 0,
            write_barrier: WriteBarrier::None,
            moves_objects: false,
        }
    }

    fn new_heap(
        &self,
        cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        Ok(Box::new(NullHeap::new(cx, limits)))
    }
}
