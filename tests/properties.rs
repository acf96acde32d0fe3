//! Every built-in collector against the model heap, on both memories, with random programs.
//!
//! The cases are the same each time unless `WINDROW_PROPTEST_CASES` asks for another number.

use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use std::sync::Arc;
use windrow::{Collector, CollectorKind};
use windrow_testkit::{Effort, Figures, MemoryChoice, check_together, prove, strategy};

/// Cases for each collector and memory where the environment asks for no other number.
const CASES: u32 = 400;

fn proved(kind: CollectorKind, memory: MemoryChoice) -> Figures {
    let collector: Arc<dyn Collector> = kind.instance();
    let effort = Effort::from_environment(CASES).on(memory);
    let figures = match prove(&collector, effort) {
        Ok(figures) => figures,
        Err(counterexample) => panic!("{kind}: {counterexample}"),
    };
    assert_eq!(figures.cases, u64::from(effort.cases));
    if effort == Effort::cases(CASES).on(memory) {
        assert!(
            figures.collections > 1000 && figures.refusals > 50,
            "the cases try little: {figures:?}"
        );
    }
    eprintln!("{kind}, {memory:?}: {figures:?}");
    figures
}

fn every_collector(memory: MemoryChoice) {
    for kind in CollectorKind::ALL {
        let figures = proved(*kind, memory);
        let collects = kind.instance().properties().collects;
        assert_eq!(figures.host_values_dropped > 0, collects, "{kind}");
        assert_eq!(figures.found_dead > 0, collects, "{kind}");
        assert_eq!(figures.finalized > 0, collects, "{kind}");
    }
}

#[test]
fn every_collector_in_guarded_memory() {
    every_collector(MemoryChoice::Guarded);
}

#[test]
fn every_collector_in_checked_memory() {
    every_collector(MemoryChoice::Checked);
}

/// Stores of one family at work in turns, each on another collector than its neighbour.
#[test]
fn several_stores_at_once() {
    let config = Config {
        cases: Effort::from_environment(40).cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(Effort::from_environment(40).seed),
        ..Config::default()
    };
    let families = proptest::collection::vec(strategy::cases(), 2..5);
    let result = TestRunner::new(config).run(&families, |cases| {
        let kinds = CollectorKind::ALL.iter().cycle();
        let parties: Vec<(Arc<dyn Collector>, _)> =
            kinds.map(|kind| kind.instance()).zip(cases).collect();
        check_together(&parties)
            .map_err(|failure| proptest::test_runner::TestCaseError::fail(failure.to_string()))
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, cases)) => panic!("{reason}\n{cases:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
