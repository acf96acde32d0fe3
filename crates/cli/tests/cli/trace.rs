//! `--trace`.

use crate::process::{TempFile, program, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// An event's time of this name, in nanoseconds.
fn nanos(event: &Value, name: &str) -> u64 {
    let nanos = event[name].as_f64().unwrap() * 1e3;
    assert!((nanos - nanos.round()).abs() < 1e-3, "{event}");
    format!("{}", nanos.round()).parse().unwrap()
}

fn bytes(event: &Value, name: &str) -> u64 {
    event["args"][name].as_u64().unwrap()
}

fn json(file: &TempFile) -> Value {
    serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap()
}

fn events(file: &TempFile) -> Vec<Value> {
    json(file)["traceEvents"].as_array().unwrap().clone()
}

fn of<'a>(events: &'a [Value], phase: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["ph"] == phase)
}

/// Runs a program with a trace and statistics.
fn traced(path: &Path, line: &str) -> (i32, Vec<Value>, Value) {
    let (trace, stats) = (TempFile::new("trace.json", ""), TempFile::new("s.json", ""));
    let [at, to] = [&trace, &stats].map(|file| file.path().to_str().unwrap());
    let run = run(path, &format!("{line} --trace {at} --stats-json {to}"));
    (run.code.unwrap(), events(&trace), json(&stats))
}

#[test]
fn collections_are_slices_with_their_phases_inside() {
    for (collector, zeal) in [("copying", 0), ("drc", 0), ("copying", 100), ("null", 0)] {
        let line = format!(
            "--invoke run 20000 --collector {collector} --heap-initial 64KiB --heap-max 16MiB --zeal {zeal}"
        );
        let (code, events, stats) = traced(&program("churn"), &line);
        assert_eq!(code, 0);
        let slices: Vec<&Value> = of(&events, "X").collect();
        let collections = slices.iter().filter(|slice| slice["name"] == "collection");
        let count = stats["automatic_collections"].as_u64().unwrap()
            + stats["full_collections"].as_u64().unwrap();
        assert_eq!(collections.count() as u64, count, "{collector}");
        assert_eq!(count > 0, collector != "null");
        let mut end = 0;
        for group in slices.chunk_by(|_, next| next["name"] != "collection") {
            let (start, length) = (nanos(group[0], "ts"), nanos(group[0], "dur"));
            assert!(start >= end, "collections follow one another");
            end = start + length;
            let mut at = start;
            for phase in &group[1..] {
                assert_eq!(nanos(phase, "ts"), at, "phases are end to end");
                at += nanos(phase, "dur");
            }
            assert_eq!(at, end, "phases fill their collection");
            assert_eq!(
                group.iter().any(|phase| phase["name"] == "verify"),
                zeal > 0
            );
            let why = if zeal > 0 {
                ["zeal", "allocation"]
            } else {
                ["allocation"; 2]
            };
            assert!(why.contains(&group[0]["args"]["reason"].as_str().unwrap()));
            assert_eq!(group[0]["args"]["kind"], "automatic");
        }
    }
}

#[test]
fn times_never_go_back_and_counters_agree_with_the_collections() {
    let line = "--invoke run 20000 --collector copying --heap-initial 64KiB";
    let (_, events, stats) = traced(&program("churn"), line);
    let timed = events.iter().filter(|event| event["ph"] != "M");
    let mut times = timed.map(|event| nanos(event, "ts"));
    assert!(times.clone().is_sorted(), "{:?}", times.find(|_| true));
    let counted = |name: &str| -> Vec<u64> {
        let counters = of(&events, "C").filter(|event| event["name"] == name);
        counters.map(|event| bytes(event, "bytes")).collect()
    };
    let collections = of(&events, "X").filter(|slice| slice["name"] == "collection");
    let mut reclaimed = 0;
    for collection in collections {
        let (before, after) = (
            bytes(collection, "used_bytes_before"),
            bytes(collection, "used_bytes_after"),
        );
        reclaimed += before - after;
        assert_eq!(bytes(collection, "reclaimed_bytes"), before - after);
        assert!(counted("heap used").contains(&before) && counted("heap used").contains(&after));
    }
    assert_eq!(stats["reclaimed_bytes"], reclaimed);
    let most = counted("heap committed").into_iter().max().unwrap();
    assert!(most <= stats["peak_committed_bytes"].as_u64().unwrap());
}

#[test]
fn the_parts_of_the_run_hold_the_collections_also_when_it_traps() {
    let line = "--invoke run 100000 --collector copying --heap-max 1MiB";
    let (code, events, stats) = traced(&program("lists"), line);
    assert_eq!((code, &stats["outcome"]), (1, &"out_of_memory".into()));
    let marks = |phase| -> Vec<(String, u64)> {
        let mark = |event: &Value| (event["name"].to_string(), nanos(event, "ts"));
        of(&events, phase).map(mark).collect()
    };
    let [load, run] = &marks("B")[..] else {
        panic!("{events:?}")
    };
    let [loaded, ran] = &marks("E")[..] else {
        panic!("{events:?}")
    };
    assert_eq!((&*load.0, &*run.0), (r#""load""#, r#""run""#));
    assert!(load.1 <= loaded.1 && loaded.1 <= run.1 && run.1 <= ran.1);
    for slice in of(&events, "X") {
        assert!(nanos(slice, "ts") >= run.1 && nanos(slice, "ts") + nanos(slice, "dur") <= ran.1);
    }
    let full = of(&events, "i").find(|event| event["name"] == "out of memory");
    assert_eq!(bytes(full.unwrap(), "limit_bytes"), 1 << 20);
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_program_runs() {
    run(&program("churn"), "--invoke run 5 --trace /nowhere/t.json").refused("/nowhere/t.json");
}
