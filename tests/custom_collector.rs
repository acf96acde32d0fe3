//! `examples/custom_collector.rs` runs, and its collector is proved by the kit.

#[path = "../examples/custom_collector.rs"]
mod custom_collector;

use custom_collector::GapCollector;

#[test]
fn the_example_runs() {
    custom_collector::main().unwrap();
}

windrow_testkit::conformance!(std::sync::Arc::new(GapCollector));

#[test]
fn it_withstands_corruption() {
    let collector: std::sync::Arc<dyn windrow_core::Collector> = std::sync::Arc::new(GapCollector);
    let effort = windrow_testkit::Effort::from_environment(100);
    if let Err(counterexample) = windrow_testkit::prove_untrusted(&collector, effort) {
        panic!("{counterexample}");
    }
}
