//! Heaps that are harmed while a mutator uses them: the host must stay safe.

use arbitrary::{Arbitrary, Unstructured};
use windrow::CollectorKind;
use windrow_testkit::{CorruptCase, withstand};

/// Runs the case that `bytes` stand for on the collector that they choose.
///
/// # Panics
/// If the host did anything but answer or refuse, with the case.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(choice) = u8::arbitrary(&mut bytes) else {
        return;
    };
    let Ok(case) = CorruptCase::arbitrary_take_rest(bytes) else {
        return;
    };
    let collectors = CollectorKind::ALL;
    let collector = collectors[usize::from(choice) % collectors.len()];
    if let Err(failure) = withstand(collector.instance(), &case) {
        panic!("{collector}: {failure}\nin the case {case:#?}");
    }
}
