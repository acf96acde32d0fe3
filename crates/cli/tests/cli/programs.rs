//! Every program in `crates/wasm/programs` gives the results of `expected.json` on every collector
//! and both memories, with and without zeal.
//!
//! A debug build runs the small rows; a release build runs all, the large ones on guarded memory.

use crate::process::{program, programs, run};
use serde::Deserialize;
use std::fs;
use windrow::CollectorKind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    program: String,
    n: i32,
    result: String,
    size: Size,
    stack_max: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

impl Row {
    #[track_caller]
    fn check(&self, options: &str) {
        let stack = self
            .stack_max
            .as_ref()
            .map(|size| format!("--stack-max {size}"))
            .unwrap_or_default();
        let run = run(
            &program(&self.program),
            &format!("--invoke run {} {stack} {options}", self.n),
        );
        let expected = format!("{}\n", self.result);
        assert_eq!(
            run.returned(),
            expected,
            "{} {} {options}",
            self.program,
            self.n
        );
    }
}

fn expected() -> Vec<Row> {
    serde_json::from_str(&fs::read_to_string(programs().join("expected.json")).unwrap()).unwrap()
}

/// Checks a program's rows everywhere, and the row for `zeal_n` with a collection at each allocation.
#[track_caller]
fn check(name: &str, zeal_n: i32) {
    let rows: Vec<Row> = expected()
        .into_iter()
        .filter(|row| row.program == name)
        .collect();
    assert!(
        rows.iter().any(|row| row.size == Size::Large),
        "no large row for {name}"
    );
    let zealous = rows.iter().find(|row| row.n == zeal_n).unwrap();
    for kind in CollectorKind::ALL {
        for memory in ["guarded", "checked"] {
            let options = format!("--collector {kind} --memory {memory}");
            for row in &rows {
                let runs =
                    row.size == Size::Small || memory == "guarded" && cfg!(not(debug_assertions));
                if runs {
                    row.check(&options);
                }
            }
            zealous.check(&format!("{options} --zeal 1"));
        }
    }
}

// The sizes under zeal make no more than 5,000 allocations each.

#[test]
fn alloc() {
    check("alloc", 1000);
}

#[test]
fn arrays() {
    check("arrays", 200);
}

#[test]
fn binary_trees() {
    check("binary-trees", 6);
}

#[test]
fn churn() {
    check("churn", 200);
}

#[test]
fn cycles() {
    check("cycles", 200);
}

#[test]
fn deep() {
    check("deep", 100);
}

#[test]
fn floats() {
    check("floats", 100);
}

#[test]
fn gcbench() {
    check("gcbench", 4);
}

#[test]
fn lists() {
    check("lists", 50);
}

#[test]
fn matrix() {
    check("matrix", 40);
}

#[test]
fn nqueens() {
    check("nqueens", 6);
}

#[test]
fn polymorphic() {
    check("polymorphic", 1000);
}

#[test]
fn quads() {
    check("quads", 3);
}

#[test]
fn queue() {
    check("queue", 50);
}

#[test]
fn splay() {
    check("splay", 30);
}

#[test]
fn strings() {
    check("strings", 500);
}

#[test]
fn every_program_is_expected_and_tested() {
    let mut files: Vec<String> = fs::read_dir(programs())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut listed: Vec<String> = expected().into_iter().map(|row| row.program).collect();
    listed.dedup();
    assert_eq!(files, listed);
    assert_eq!(files.len(), 16);
}
