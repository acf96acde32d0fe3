//! Heaps whose bytes are corrupted while they are used: the host stays safe.

use std::sync::Arc;
use windrow_copying::CopyingCollector;
use windrow_core::Collector;
use windrow_drc::DrcCollector;
use windrow_null::NullCollector;
use windrow_testkit::{Effort, MemoryChoice, prove_untrusted};

/// Cases for each collector and memory where the environment asks for no other number. Miri takes
/// minutes for each.
const CASES: u32 = if cfg!(miri) { 1 } else { 1000 };

fn withstands(collector: Arc<dyn Collector>, memory: MemoryChoice) {
    let effort = Effort::from_environment(CASES).on(memory);
    let endured = match prove_untrusted(&collector, effort) {
        Ok(endured) => endured,
        Err(counterexample) => panic!("{}: {counterexample}", collector.name()),
    };
    eprintln!("{}, {memory:?}: {endured:?}", collector.name());
    if effort.cases >= 1000 {
        let refused = endured.refusals.len();
        assert!(
            endured.harms.len() == 10 && endured.harms_done() > 1000 && refused >= 5,
            "the cases try little: {endured:?}"
        );
    }
}

#[test]
fn copying_in_checked_memory() {
    withstands(Arc::new(CopyingCollector), MemoryChoice::Checked);
}

#[test]
#[cfg_attr(miri, ignore = "maps 4 GiB")]
fn copying_in_guarded_memory() {
    withstands(Arc::new(CopyingCollector), MemoryChoice::Guarded);
}

#[test]
fn drc_in_checked_memory() {
    withstands(Arc::new(DrcCollector), MemoryChoice::Checked);
}

#[test]
#[cfg_attr(miri, ignore = "maps 4 GiB")]
fn drc_in_guarded_memory() {
    withstands(Arc::new(DrcCollector), MemoryChoice::Guarded);
}

#[test]
fn null_in_checked_memory() {
    withstands(Arc::new(NullCollector), MemoryChoice::Checked);
}

#[test]
#[cfg_attr(miri, ignore = "maps 4 GiB")]
fn null_in_guarded_memory() {
    withstands(Arc::new(NullCollector), MemoryChoice::Guarded);
}
