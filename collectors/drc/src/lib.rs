//! Deferred reference counting over blocks and lines.
//!
//! References from counted objects are counted, those from roots (frames, handles, globals, tables)
//! are not: at a collection, an *epoch*, the roots are looked at, and what neither a counted object
//! nor a root refers to is dead. Nothing is written for an object until it survives its first epoch,
//! and nothing is read of one that does not: the young are counted in as roots, logged slots and
//! other survivors lead to them, and the lines where no counted object lies are free. Stores are
//! logged once per slot and epoch, so counts follow how slots changed from epoch to epoch and not how
//! often. Objects never move.
//!
//! Cycles, and objects with so many references that they were not counted any more, die in a *backup
//! trace*: every object is taken for young again, and the same counting starts from the roots. It runs
//! when a full collection is asked for, and when the heap has doubled since the last one.
//!
//! **Cost.** An epoch follows roots, logged slots, young survivors, and the dead among the old, of which
//! it looks at a bounded number; the others die a few at each allocation slow path. A backup trace
//! follows live data. Besides, a few words for each block in use, and a table lookup for each large
//! object that is young or dies. Side tables: an eighth of the heap for counts, which is copied where
//! the heap outgrows it (twice as large each time), and a 32nd for log bits.
//!
//! # References
//! Deutsch and Bobrow, *An efficient, incremental, automatic garbage collector*, CACM 19(9), 1976.
//! Levanoni and Petrank, *An on-the-fly reference counting garbage collector for Java*, OOPSLA 2001.
//! Shahriyar, Blackburn and Frampton, *Down for the Count?*, ISMM 2012: the young, counted late, and
//! few bits for a count. Shahriyar et al., *Taking Off the Gloves with Reference Counting Immix*,
//! OOPSLA 2013: lines that count their objects.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod counts;
mod blocks;
mod heap;
mod collect;
mod verify;
#[cfg(test)]
mod tests;

use blocks::MAX_INLINE_BYTES;
use heap::DrcHeap;
use windrow_core::{
    AllocSpec, Collector, GcHeap, HeapContext, HeapError, HeapLimits, MutatorAbi, Properties,
    WriteBarrier,
};

/// The deferred reference counting collector.
#[derive(Clone, Copy, Debug, Default)]
pub struct DrcCollector;

impl Collector for DrcCollector {
    fn name(&self) -> &'static str {
        "drc"
    }

    fn properties(&self) -> Properties {
        Properties {
            summary: "deferred reference counting in place: short pauses where little survives, no reserve to copy into",
            collects: true,
            reclaims_cycles: true,
            pauses: "follow what was allocated and survived, and what was stored; live data when cycles are due",
        }
    }

    fn abi(&self) -> MutatorAbi {
        MutatorAbi {
            alloc: AllocSpec::bump(MAX_INLINE_BYTES),
            header_template: 0,
            write_barrier: WriteBarrier::LOG,
            moves_objects: false,
        }
    }

    fn new_heap(
        &self,
        cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        // Whoever turns the barriers into calls wants them as rarely.
        cx.log_bits.enable()?;
        Ok(Box::new(DrcHeap::new(limits)))
    }
}
