//! Every program in `cases/` is refused, with the message beside it.
//!
//! The messages are those of the toolchain that `rust-version` names. After a change that moves them, run
//! with `TRYBUILD=overwrite` and read what changed: the reason must still be the one that the case is about.

#[test]
fn what_the_types_stop_does_not_compile() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
