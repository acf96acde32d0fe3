//! References in frames that LLVM compiled, without frame pointers: found by LLVM's own stack maps
//! while the code waits for the host, which moves every object before the code goes on.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "a failed unwrap fails the test; addresses have 64 bits"
    )
)]

#[cfg(windrow_llvm_fixture)]
mod code;
#[cfg(windrow_llvm_fixture)]
mod heap;
#[cfg(windrow_llvm_fixture)]
#[expect(
    unsafe_code,
    reason = "reads and writes suspended frames of the fixture"
)]
mod host;
#[cfg(windrow_llvm_fixture)]
mod moving;
#[cfg(windrow_llvm_fixture)]
mod section;

/// Says why there is nothing to test, past the capture of what tests print.
#[cfg(not(windrow_llvm_fixture))]
#[test]
fn skipped() {
    use std::io::Write;
    let reason = windrow_stack_llvm::skipped().expect("the build says why");
    let _ = writeln!(std::io::stderr(), "windrow-stack-llvm is skipped: {reason}");
}
