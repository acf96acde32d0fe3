//! `windrow bench`: its table, its JSON and its page.

use crate::process::{Run, TempFile, program, windrow};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;

/// Runs `windrow bench` on programs of ours with their arguments, and a line of options.
fn bench(programs: &[(&str, &str)], line: &str) -> Run {
    let programs = programs.iter().map(|(name, args)| {
        let mut text = program(name).into_os_string();
        text.push(":");
        text.push(args);
        text
    });
    let options = line.split_whitespace().map(OsString::from);
    windrow(["bench".into()].into_iter().chain(programs).chain(options))
}

fn numbers(of: &Value, key: &str) -> f64 {
    of[key].as_f64().unwrap_or_else(|| panic!("{key} in {of}"))
}

/// The tags of a page are closed in the order they were opened.
fn check_tags(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (_, body) = page.split_once("<!DOCTYPE html>").unwrap();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if tag.starts_with("meta ") => {}
            None => open.push(tag.split([' ', '\n']).next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn two_programs_are_reported_as_table_json_and_page() {
    let (json, html) = (TempFile::new("r.json", ""), TempFile::new("r.html", ""));
    let [json_path, html_path] = [&json, &html].map(|file| file.path().to_str().unwrap());
    let line = format!("--heaps auto,2 --runs 2 --json {json_path} --html {html_path}");
    let run = bench(&[("lists", "10000"), ("cycles", "100000")], &line);
    let table = run.returned();
    assert_eq!(run.stderr, "", "no progress where nobody looks");
    for part in [
        "lists 10000: smallest heap ",
        "cycles 100000: ",
        "geometric mean",
        "medians of 2",
    ] {
        assert!(table.contains(part), "{part} in {table}");
    }

    let report: Value = serde_json::from_str(&fs::read_to_string(json.path()).unwrap()).unwrap();
    assert!(report["command"].as_str().unwrap().contains("--runs 2"));
    assert!(report["machine"]["system"].is_string());
    for of_program in report["programs"].as_array().unwrap() {
        let smallest = numbers(of_program, "smallest_heap_bytes");
        let configurations = of_program["configurations"].as_array().unwrap();
        let name = |of: &Value| format!("{} {}", of["collector"], of["heap"]).replace('"', "");
        let names: Vec<String> = configurations.iter().map(name).collect();
        let expected = [
            "null auto",
            "drc auto",
            "copying auto",
            "drc 2x",
            "copying 2x",
        ];
        assert_eq!(names, expected);
        for of in configurations {
            assert_eq!(of["stopped"], Value::Null);
            assert_eq!(of["samples"].as_array().unwrap().len(), 2);
            assert!(numbers(of, "lower_bound_overhead") >= 1.0, "{of}");
            assert!(numbers(of, "min_seconds") <= numbers(of, "median_seconds"));
            assert!(numbers(of, "median_seconds") <= numbers(of, "max_seconds"));
            let resident = numbers(of, "peak_resident_bytes");
            assert!(resident > 0.5 * numbers(of, "peak_committed_bytes"), "{of}");
            if of["heap"] == "2x" {
                assert_eq!(numbers(of, "heap_max_bytes"), 2.0 * smallest);
                assert!(numbers(of, "peak_committed_bytes") <= 2.0 * smallest);
            }
        }
    }
    assert_eq!(report["overall"].as_array().unwrap().len(), 5);

    let page = fs::read_to_string(html.path()).unwrap();
    assert!(!page.contains("http") && !page.contains("<script") && !page.contains("url("));
    check_tags(&page);
    // One for both, four for each; and the legends' marks.
    assert_eq!(page.matches("<svg viewBox=\"0 0 560").count(), 9);
    assert_eq!(page.matches("<figure>").count(), 9);
    for nonsense in ["NaN", "inf ", "\"-"] {
        assert!(!page.contains(nonsense), "{nonsense}");
    }
}

/// Needs room for `n` objects, and traps if `n` is 7.
const HOLDS: &str = r#"
(module
  (rec (type $Node (struct (field (ref null $Node)) (field i64 i64 i64))))
  (func (export "hold") (param $n i32) (result i32)
    (local $list (ref null $Node))
    (if (i32.eq (local.get $n) (i32.const 7)) (then unreachable))
    (loop $more
      (local.set $list
        (struct.new $Node (local.get $list) (i64.const 1) (i64.const 2) (i64.const 3)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n)))
    (ref.is_null (local.get $list))))
"#;

#[test]
fn what_does_not_finish_is_a_row_and_no_error() {
    let file = TempFile::new("hold.wat", HOLDS);
    let path = file.path().to_str().unwrap();
    let held = format!("{path}:20000");
    let arguments = [
        "bench",
        &held,
        "--invoke",
        "hold",
        "--collectors",
        "null,copying",
    ];
    let rest = ["--runs", "1", "--heaps", "auto", "--", "--heap-max", "1MiB"];
    let run = windrow(arguments.iter().chain(&rest));
    // Half of what a copying collector has is in reserve.
    let rows: Vec<&str> = run.returned().lines().collect();
    assert!(
        rows[2].starts_with("null") && !rows[2].contains("memory"),
        "{rows:?}"
    );
    assert!(
        rows[3].starts_with("copying") && rows[3].ends_with("out of memory"),
        "{rows:?}"
    );

    let trapping = format!("{path}:7");
    let run = windrow(["bench", &trapping, "--invoke", "hold", "--runs", "1"]);
    let rows = run.returned().lines();
    assert_eq!(
        rows.filter(|row| row.ends_with("trap: unreachable"))
            .count(),
        11
    );
}

#[test]
fn input_that_cannot_be_used_ends_it_before_anything_is_measured() {
    let churn = &[("churn", "5")];
    bench(churn, "--heaps 0.5").refused("a multiple of the smallest heap");
    bench(churn, "--collectors marksweep").refused("unknown collector `marksweep`");
    bench(churn, "--runs 0").refused("--runs");
    bench(churn, "--invoke nothing").refused("`nothing` is not exported");
    bench(churn, "--json /nowhere/report.json").refused("/nowhere/report.json");
    bench(churn, "-- --no-such-option").refused("--no-such-option");
    windrow(["bench", "no-such-file.wat:1"]).refused("no-such-file.wat");
    let twice = "--heaps 2 -- --heap-max 64MiB";
    bench(churn, twice).refused("'--heap-max <SIZE>' cannot be used multiple times");
    // Tests do not run at the top of the repository.
    windrow(["bench"]).refused("name programs");
}
