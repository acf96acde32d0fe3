//! Random mutators, checked step by step against the model heap of the kit.

use arbitrary::{Arbitrary, Unstructured};
use windrow::CollectorKind;
use windrow_testkit::{TestCase, check};

/// Runs the mutator that `bytes` stand for on the collector that they choose.
///
/// # Panics
/// If the heap and the model differ, with the case.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(choice) = u8::arbitrary(&mut bytes) else {
        return;
    };
    let Ok(case) = TestCase::arbitrary_take_rest(bytes) else {
        return;
    };
    let collectors = CollectorKind::ALL;
    let collector = collectors[usize::from(choice) % collectors.len()];
    if let Err(failure) = check(collector.instance(), &case) {
        panic!("{collector}: {failure}\nin the case {case:#?}");
    }
}
