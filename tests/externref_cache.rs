//! `examples/externref_cache.rs` asserts what was found, decoded and evicted on every collector.

#[path = "../examples/externref_cache.rs"]
mod externref_cache;

#[test]
fn a_cache_keeps_nothing_and_reports_what_died() {
    externref_cache::main().unwrap();
}
