//! The tracer bullet, as a test: `examples/jit.rs` asserts its own sums on every collector and
//! memory, with and without zeal.

#[path = "../examples/jit.rs"]
mod jit;

#[test]
fn hand_made_code_runs_on_every_collector_and_memory() {
    jit::main().unwrap();
}
