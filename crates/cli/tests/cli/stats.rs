//! `--stats` and `--stats-json`.

use crate::process::{TempFile, program, run};
use serde_json::Value;
use std::fs;

#[test]
fn the_table_goes_to_standard_error_and_the_result_to_standard_output() {
    let run = run(&program("lists"), "--invoke run 150 --stats");
    assert_eq!(run.returned(), "3085706953775\n");
    for name in [
        "collector",
        "time",
        "collections",
        "allocated",
        "copied",
        "committed",
        "roots",
    ] {
        assert!(
            run.stderr.lines().any(|line| line.starts_with(name)),
            "{name} in {run:?}"
        );
    }
}

#[test]
fn the_json_agrees_with_what_the_program_is_known_to_do() {
    let json = TempFile::new("stats.json", "");
    let path = json.path().to_str().unwrap();
    let line = format!(
        "--invoke run 1000 --collector copying --heap-max 16MiB --zeal 10 --stats-json {path}"
    );
    assert_eq!(
        run(&program("alloc"), &line).returned(),
        "8719913600157473671\n"
    );
    let stats: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(stats["invoke"], "run");
    assert_eq!(stats["args"][0], "1000");
    assert_eq!(stats["collector"], "copying");
    assert_eq!(stats["memory"], "guarded");
    assert_eq!(stats["heap_max_bytes"], 16 << 20);
    assert_eq!(stats["zeal"], 10);
    assert_eq!(stats["outcome"], "returned");
    // 1,001 pairs of 16 bytes each, a collection at every tenth, of two pairs in one frame.
    assert_eq!(stats["allocated_bytes"], 1001 * 16);
    let collections = stats["automatic_collections"].as_u64().unwrap();
    assert!((99..=101).contains(&collections), "{collections}");
    assert_eq!(stats["pauses"]["count"], collections);
    assert!(stats["live_bytes"].as_u64().unwrap() <= 32);
    assert!(stats["roots_visited_by_kind"]["frame"].as_u64().unwrap() >= collections);
    assert!(stats["frames_visited"].as_u64().unwrap() >= collections);
}

#[test]
fn a_trap_leaves_its_statistics_too() {
    let json = TempFile::new("stats.json", "");
    let path = json.path().to_str().unwrap();
    let run = run(
        &program("deep"),
        &format!("--invoke run 1000000 --stack-max 1MiB --stats --stats-json {path}"),
    );
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("call stack exhausted"), "{run:?}");
    assert!(
        run.stderr.lines().any(|line| line.starts_with("allocated")),
        "{run:?}"
    );
    let stats: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(stats["outcome"], "trap");
    assert!(stats["allocated_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn the_part_a_program_marks_has_a_time_of_its_own() {
    let text = r#"(module
        (import "bench" "start" (func $start))
        (import "bench" "end" (func $end))
        (type $box (struct (field i32)))
        (func (export "marked") (call $start) (drop (struct.new $box (i32.const 1))) (call $end))
        (func (export "begun") (call $start)))"#;
    let file = TempFile::new("marks.wat", text);
    let json = TempFile::new("stats.json", "");
    let path = json.path().to_str().unwrap();
    let stats = |export: &str| -> Value {
        let line = format!("--invoke {export} --zeal 1 --collector copying --stats-json {path}");
        assert_eq!(run(file.path(), &line).returned(), "");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let marked = stats("marked");
    let seconds = |key: &str| marked[key].as_f64().unwrap();
    assert!(seconds("marked_seconds") < seconds("run_seconds"));
    assert!(seconds("marked_gc_seconds") > 0.0);
    assert!(seconds("marked_gc_seconds") < seconds("marked_seconds"));
    let begun = stats("begun");
    assert!(begun["marked_seconds"].is_null() && begun["marked_gc_seconds"].is_null());
}
