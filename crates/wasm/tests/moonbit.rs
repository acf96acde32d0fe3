//! Programs that the MoonBit compiler made, against results other engines agree on.
//!
//! They lie outside the repository: in the directory `WINDROW_PROGRAMS` names, or in `shared/wasm`
//! beside the checkout. Where they are missing the tests say so and pass.

#![expect(clippy::print_stdout, reason = "says that it skips")]

#[path = "support/run.rs"]
mod run;

use run::{Outcome, name, run, unwinders};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use windrow::{CollectorKind, Config, MemoryKind, Val, Zeal};
use windrow_wasm::Error;

/// A call and what comes of it.
#[derive(Deserialize)]
struct Row {
    module: String,
    export: String,
    args: Vec<i32>,
    /// The value, of the type `type`; without it the call traps.
    result: Option<serde_json::Number>,
    #[serde(rename = "type")]
    result_type: Option<String>,
    /// What the trap says.
    trap: Option<String>,
    size: String,
}

impl Row {
    fn expected(&self) -> Result<Val, &str> {
        let Some(result) = &self.result else {
            return Err(self.trap.as_deref().expect("a row has a result or a trap"));
        };
        Ok(match self.result_type.as_deref() {
            Some("i32") => Val::I32(
                result
                    .as_i64()
                    .and_then(|value| value.try_into().ok())
                    .expect("an i32"),
            ),
            Some("i64") => Val::I64(result.as_i64().expect("an i64")),
            Some("f64") => Val::F64(result.as_f64().expect("an f64").to_bits()),
            other => panic!("results of type {other:?} are not known"),
        })
    }

    fn run(&self, config: &Config, directory: &Path) -> Outcome {
        let args: Vec<Val> = self.args.iter().map(|arg| Val::I32(*arg)).collect();
        let module = directory.join(&self.module);
        run(config, unwinders::options(), &module, &self.export, &args)
    }

    fn check(&self, config: &Config, directory: &Path) -> Outcome {
        let place = format!("{} {:?} on {}", self.module, self.args, name(config));
        let outcome = self.run(config, directory);
        match (self.expected(), &outcome.results) {
            (Ok(expected), Ok(results)) => {
                assert_eq!(
                    format!("{results:?}"),
                    format!("{:?}", [expected]),
                    "{place}"
                );
            }
            (Err(expected), Err(Error::Trap(trap))) => {
                assert_eq!(trap.kind.to_string(), expected, "{place}");
                assert!(!trap.frames.is_empty(), "{place}: a trap has a backtrace");
            }
            (expected, found) => panic!("{place}: {found:?}, expected {expected:?}"),
        }
        outcome
    }
}

fn directory() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wasm");
    let programs = std::env::var_os("WINDROW_PROGRAMS")
        .map_or_else(beside, PathBuf::from)
        .join("moonbit");
    let found = programs.join("expected.json").is_file();
    if !found {
        println!(
            "skipped: there are no programs in {}; set WINDROW_PROGRAMS",
            programs.display()
        );
    }
    found.then_some(programs)
}

fn rows(directory: &Path, size: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(directory.join("expected.json")).expect("readable");
    let mut rows: Vec<Row> = serde_json::from_str(&text).expect("rows");
    rows.retain(|row| row.size == size);
    assert!(!rows.is_empty(), "there are {size} rows");
    rows
}

fn small(memory: MemoryKind) {
    let Some(directory) = directory() else { return };
    for collector in CollectorKind::ALL {
        let config = Config::new().collector(*collector).memory(memory);
        for row in rows(&directory, "small") {
            let mut outcome = row.check(&config, &directory);
            outcome
                .store
                .verify()
                .expect("the heap is whole, also after a trap");
        }
    }
}

/// Large programs' heaps are not verified: that takes longer than the programs.
fn large() {
    let Some(directory) = directory() else { return };
    for collector in CollectorKind::ALL {
        let config = Config::new().collector(*collector);
        for row in rows(&directory, "large") {
            row.check(&config, &directory);
        }
    }
}

/// The most collections of one program under zeal.
const MAX_COLLECTIONS: u64 = 400;

/// The smallest object, in bytes.
const MIN_OBJECT_BYTES: u64 = 16;

/// Runs every program twice: first to learn how much it allocates, which decides how often the
/// second run collects.
///
/// Where nothing is collected, the heap that is verified each time only grows.
fn zeal(memory: MemoryKind) {
    let Some(directory) = directory() else { return };
    let collects = |kind: &&CollectorKind| kind.instance().properties().collects;
    for collector in CollectorKind::ALL.iter().filter(collects) {
        let config = Config::new().collector(*collector).memory(memory);
        zeal_on(&config, &directory);
    }
}

fn zeal_on(config: &Config, directory: &Path) {
    let mut collections = 0;
    for row in rows(directory, "small") {
        let allocations = row.run(config, directory).stats.allocated_bytes / MIN_OBJECT_BYTES;
        // An odd number, so as not to collect in step with the program's own loops.
        let every = u32::try_from(allocations / MAX_COLLECTIONS).expect("small programs") | 1;
        collections += row
            .check(&config.clone().zeal(Zeal::every(every)), directory)
            .stats
            .collections();
    }
    assert!(
        (100..10_000).contains(&collections),
        "{collections} collections"
    );
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
fn small_under_zeal_guarded() {
    zeal(MemoryKind::Guarded);
}

#[test]
fn small_under_zeal_checked() {
    zeal(MemoryKind::Checked);
}

#[test]
fn large_guarded() {
    large();
}
