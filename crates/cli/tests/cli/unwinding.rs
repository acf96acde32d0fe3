//! `--unwinder` and `--perf-map`.

use crate::process::{TempFile, program, run, windrow};
use serde_json::Value;
use std::fs;
use std::process::Command;

#[test]
fn a_program_does_the_same_whichever_way_its_stack_is_walked() {
    for unwinder in ["fp", "dwarf"] {
        let json = TempFile::new("stats.json", "");
        let path = json.path().to_str().unwrap();
        let line = format!(
            "--invoke run 100 --collector copying --zeal 1 --unwinder {unwinder} --stats-json {path}"
        );
        assert_eq!(
            run(&program("deep"), &line).returned(),
            "-5163534617118830689\n"
        );
        let stats: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(stats["unwinder"], unwinder);
        assert!(stats["frames_visited"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_trap_has_the_same_backtrace_whichever_way_the_stack_is_walked() {
    let text = r#"(module $m
        (func $inner (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
        (func $outer (export "f") (result i32) (i32.add (call $inner (i32.const 0)) (i32.const 1))))"#;
    let file = TempFile::new("divide.wat", text);
    let [fp, dwarf] = ["fp", "dwarf"]
        .map(|unwinder| run(file.path(), &format!("--invoke f --unwinder {unwinder}")));
    let (message, backtrace) = fp.trapped();
    assert_eq!(backtrace.len(), 2, "{fp:?}");
    assert_eq!(dwarf.trapped(), (message, backtrace));
}

#[test]
fn scripts_run_whichever_way_stacks_are_walked() {
    let script = TempFile::new(
        "unwinding.wast",
        r#"(module (func (export "f") (result i32) (i32.const 1)))
           (assert_return (invoke "f") (i32.const 1))"#,
    );
    let script = script.path().to_str().unwrap();
    for unwinder in ["fp", "dwarf"] {
        let run = windrow(["wast", "--unwinder", unwinder, script]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    windrow(["wast", "--unwinder", "seh", script]).refused("[possible values: fp, dwarf]");
}

#[cfg(target_os = "linux")]
#[test]
fn a_perf_map_names_every_function() {
    let text = r#"(module $shop
        (func $till (result i32) (i32.const 7))
        (func (export "f") (result i32) (i32.add (call $till) (call 0)))
        (func (@name "two\nlines and spaces")))"#;
    let file = TempFile::new("shop.wat", text);
    let child = Command::new(env!("CARGO_BIN_EXE_windrow"))
        .arg("run")
        .arg(file.path())
        .args(["--invoke", "f", "--perf-map"])
        .spawn()
        .unwrap();
    let path = format!("/tmp/perf-{}.map", child.id());
    assert!(child.wait_with_output().unwrap().status.success());
    let map = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut names = Vec::new();
    let mut ranges = Vec::new();
    for line in map.lines() {
        let mut words = line.splitn(3, ' ');
        let mut number = || usize::from_str_radix(words.next().unwrap(), 16).unwrap();
        let (start, len) = (number(), number());
        names.push(words.next().unwrap());
        ranges.push(start..start + len);
    }
    assert!(names.contains(&"[entry]"), "{map}");
    for name in ["shop!till", "shop!function 1", "shop!two?lines and spaces"] {
        let count = names.iter().filter(|other| **other == name).count();
        assert_eq!(count, 1, "{name} in {map}");
    }
    ranges.sort_by_key(|range| range.start);
    for pair in ranges.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:x?} in {map}");
        assert!(!pair[0].is_empty(), "{pair:x?} in {map}");
    }
}
