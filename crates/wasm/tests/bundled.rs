//! The programs in `crates/wasm/programs`, with the sizes that a debug build bears.
//!
//! `WINDROW_UNWINDER` chooses how stacks are walked, `support/unwinders.rs`.

#[path = "support/run.rs"]
mod run;

use run::{Outcome, name, run, unwinders};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use windrow::{CollectorKind, Config, MemoryKind, Val, Zeal};
use windrow_wasm::Unwinder;

/// Sizes for runs that collect at every allocation: some thousand collections each at most.
const UNDER_ZEAL: [(&str, i32); 16] = [
    ("alloc", 1000),
    ("arrays", 200),
    ("binary-trees", 6),
    ("churn", 200),
    ("cycles", 200),
    ("deep", 1000),
    ("floats", 100),
    ("gcbench", 4),
    ("lists", 150),
    ("matrix", 40),
    ("nqueens", 6),
    ("polymorphic", 1000),
    ("quads", 3),
    ("queue", 50),
    ("splay", 30),
    ("strings", 500),
];

/// A call of `run(n)` and what it returns.
#[derive(Deserialize)]
struct Row {
    program: String,
    n: i32,
    /// The decimal digits of an `i64`.
    result: String,
    size: String,
}

impl Row {
    fn check(&self, config: &Config, unwinder: Unwinder) -> Outcome {
        let Self {
            program, n, result, ..
        } = self;
        let mut outcome = run(
            config,
            unwinders::options_with(unwinder),
            &programs().join(format!("{program}.wat")),
            "run",
            &[Val::I32(*n)],
        );
        match outcome.results.as_deref() {
            Ok([Val::I64(found)]) => assert_eq!(
                found.to_string(),
                *result,
                "{program} {n} on {}, {unwinder:?}",
                name(config)
            ),
            other => panic!("{program} {n} on {}, {unwinder:?}: {other:?}", name(config)),
        }
        outcome.store.verify().expect("the heap is whole");
        outcome
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn small_rows() -> Vec<Row> {
    let text = std::fs::read_to_string(programs().join("expected.json")).expect("readable");
    let mut rows: Vec<Row> = serde_json::from_str(&text).expect("rows");
    rows.retain(|row| row.size == "small");
    rows
}

fn small(memory: MemoryKind) {
    for collector in CollectorKind::ALL {
        let config = Config::new().collector(*collector).memory(memory);
        for row in small_rows() {
            row.check(&config, unwinders::each()[0]);
        }
    }
}

/// Collects at every allocation, with stacks walked this way. Where nothing is collected the heap that
/// is verified only grows.
fn zeal(memory: MemoryKind, unwinder: Unwinder) {
    let collect = |kind: &&CollectorKind| kind.instance().properties().collects;
    for collector in CollectorKind::ALL.iter().filter(collect) {
        let config = Config::new().collector(*collector).memory(memory);
        zeal_on(&config.zeal(Zeal::every(1)), unwinder);
    }
}

fn zeal_on(config: &Config, unwinder: Unwinder) {
    let rows = small_rows();
    for (program, n) in UNDER_ZEAL {
        let row = rows
            .iter()
            .find(|row| row.program == program && row.n == n)
            .expect("a listed size has a row");
        let collections = row.check(config, unwinder).stats.collections();
        assert!(
            (100..10_000).contains(&collections),
            "{program} {n}: {collections} collections"
        );
    }
}

#[test]
fn every_program_has_small_rows_and_a_size_for_zeal() {
    let rows = small_rows();
    let mut programs: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(self::programs()).expect("readable") {
        let name = entry
            .expect("readable")
            .file_name()
            .into_string()
            .expect("plain names");
        programs.extend(name.strip_suffix(".wat").map(str::to_owned));
    }
    programs.sort();
    assert_eq!(programs, UNDER_ZEAL.map(|(program, _)| program));
    for program in programs {
        assert!(
            rows.iter().any(|row| row.program == program),
            "no row for {program}"
        );
    }
}

#[test]
fn small_guarded() {
    small(MemoryKind::Guarded);
}

#[test]
fn small_checked() {
    small(MemoryKind::Checked);
}

#[test]
fn zeal_guarded() {
    zeal(MemoryKind::Guarded, unwinders::each()[0]);
}

#[test]
fn zeal_checked() {
    let unwinders = unwinders::each();
    zeal(MemoryKind::Checked, unwinders[unwinders.len() - 1]);
}
