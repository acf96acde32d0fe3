//! The seeds of every target pass, on any toolchain: what a fuzzer would start with.

use std::path::Path;

/// Runs every seed of a target, of which there are some.
fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&directory).expect("the seeds are there") {
        let path = entry.expect("the seeds are there").path();
        println!("{}", path.display());
        run(&std::fs::read(path).expect("the seeds are there"));
        seeds += 1;
    }
    assert!(seeds >= 10, "{target}: {seeds} seeds");
}

#[test]
fn mutator() {
    replay("mutator", windrow_fuzz::mutator::run);
}

#[test]
fn corrupted() {
    replay("corrupted", windrow_fuzz::corrupted::run);
}

#[test]
fn modules() {
    replay("modules", windrow_fuzz::modules::run);
}

#[test]
fn stackmaps() {
    replay("stackmaps", windrow_fuzz::stackmaps::run);
}

#[test]
fn eh_frame() {
    replay("eh_frame", windrow_fuzz::eh_frame::run);
}

#[test]
fn stacks() {
    replay("stacks", windrow_fuzz::stacks::run);
}

#[cfg(feature = "oracle")]
#[test]
fn differential() {
    replay("differential", windrow_fuzz::differential::run);
}

/// The seeds of the comparison are cases that compare something.
#[cfg(feature = "oracle")]
#[test]
fn seeds_of_the_comparison_make_calls() {
    use windrow_fuzz::differential::{Case, Compared};
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/differential");
    let mut returned = 0;
    for entry in std::fs::read_dir(directory).expect("the seeds are there") {
        let bytes = std::fs::read(entry.expect("the seeds are there").path());
        let case = Case::of_bytes(&bytes.expect("the seeds are there"));
        let case = case.expect("every seed makes a module");
        if let Ok(Compared::Same(figures)) = case.compare() {
            returned += figures.returned;
        }
    }
    assert!(returned > 50, "{returned} calls returned");
}
