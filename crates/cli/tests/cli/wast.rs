//! `windrow wast`: figures for scripts, and the exit code that goes with them.

use crate::process::{Run, TempFile, windrow};
use std::ffi::OsStr;
use std::path::Path;
use windrow::CollectorKind;

const PASSING: &str = r#"
(module
  (type $pair (struct (field i32) (field (ref null $pair))))
  (func (export "sum") (param i32) (result i32)
    (struct.get $pair 0 (struct.new $pair (i32.add (local.get 0) (i32.const 1)) (ref.null $pair)))))
(assert_return (invoke "sum" (i32.const 2)) (i32.const 3))
(assert_return (invoke "sum" (i32.const 3)) (i32.const 4))
(assert_invalid (module (func (result i32))) "type mismatch")
"#;

fn wast(line: &str, scripts: &[&Path]) -> Run {
    let options = line.split_whitespace().map(OsStr::new);
    let scripts = scripts.iter().map(|script| script.as_os_str());
    windrow(
        [OsStr::new("wast")]
            .into_iter()
            .chain(options)
            .chain(scripts),
    )
}

/// The cells of the row of a script and collector.
fn cells<'a>(run: &'a Run, script: &str, collector: &str) -> Vec<&'a str> {
    let row = run.stdout.lines().find(|line| {
        let mut cells = line.split_whitespace();
        cells.next().is_some_and(|name| name.ends_with(script)) && cells.next() == Some(collector)
    });
    row.unwrap_or_else(|| panic!("no row of {script}, {collector} in {run:?}"))
        .split_whitespace()
        .skip(2)
        .collect()
}

#[test]
fn every_collector_has_its_figures() {
    let script = TempFile::new("passing.wast", PASSING);
    for memory in ["guarded", "checked"] {
        let line = format!("--collector all --zeal 1 --memory {memory}");
        let run = wast(&line, &[script.path()]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(run.stderr, "", "no progress without a terminal");
        for kind in CollectorKind::ALL {
            let cells = cells(&run, "passing.wast", &kind.to_string());
            assert_eq!(cells[..3], ["4", "0", "0"], "{run:?}");
        }
        let copying = cells(&run, "passing.wast", "copying");
        assert_ne!(copying[3], "0", "it collects under zeal: {run:?}");
        let last = run.stdout.lines().last().unwrap();
        let runs = CollectorKind::ALL.len();
        assert!(last.starts_with(&format!("{runs} runs")), "{last}");
    }
}

#[test]
fn failures_are_listed_by_line_and_make_the_exit_code() {
    let wrong = "(assert_return (invoke \"sum\" (i32.const 2)) (i32.const 9))\n";
    let failing = TempFile::new("failing.wast", format!("{PASSING}{}", wrong.repeat(8)));
    let passing = TempFile::new("passing.wast", PASSING);
    let run = wast("--collector null", &[failing.path(), passing.path()]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(cells(&run, "failing.wast", "null")[..3], ["4", "8", "0"]);
    assert_eq!(cells(&run, "passing.wast", "null")[..3], ["4", "0", "0"]);
    let first = PASSING.lines().count() + 1;
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].contains(&format!("failing.wast:{first}: null: assert_return: ")));
    assert_eq!(
        lines.len(),
        7,
        "five, the others counted, and the sum: {run:?}"
    );
    assert!(lines[5].ends_with("null: 3 more"), "{run:?}");
    assert_eq!(lines[6], "failed: 8 directives");
}

#[test]
fn what_the_engine_has_not_is_skipped() {
    let text = "(module (memory i64 1) (func (export \"f\")))\n(assert_return (invoke \"f\"))";
    let script = TempFile::new("memory64.wast", text);
    let run = wast("", &[script.path()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        cells(&run, "memory64.wast", "copying")[..3],
        ["0", "0", "2"]
    );
}

#[test]
fn scripts_that_cannot_be_read_are_refused() {
    let passing = TempFile::new("passing.wast", PASSING);
    let missing = Path::new("no/such/script.wast");
    wast("", &[passing.path(), missing]).refused("no/such/script.wast");
    wast("", &[passing.path().parent().unwrap()]).refused("cannot read");
    let binary = TempFile::new("binary.wast", [0xff, 0xfe, 0x00]);
    wast("", &[binary.path()]).refused("cannot read");
    let garbage = TempFile::new("garbage.wast", "(module");
    wast("", &[garbage.path()]).refused("garbage.wast");
    wast("--collector marksweep", &[passing.path()]).refused("unknown collector `marksweep`");
    wast("", &[]).refused("FILES");
}
