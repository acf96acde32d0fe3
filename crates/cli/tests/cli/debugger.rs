//! `--debugger`, in a real GDB.

use crate::process::program;
use std::process::Command;

/// What GDB prints when it runs a program in which these commands come first and `after` once it has
/// stopped. Nothing, with the reason on standard error, where there is no GDB or it may not trace.
fn gdb(name: &str, before: &[&str], args: &str, after: &[&str]) -> Option<String> {
    let mut command = Command::new("gdb");
    command.args(["-nx", "-batch"]);
    // Faults of compiled code are traps, and the program's business.
    let setup = [
        "set debuginfod enabled off",
        "set breakpoint pending on",
        "set print frame-arguments none",
        "handle SIGSEGV SIGILL SIGFPE nostop noprint pass",
    ];
    for line in setup.iter().chain(before).chain(&["run"]).chain(after) {
        command.args(["-ex", line]);
    }
    let command = command
        .args([
            "-ex",
            "kill",
            "--args",
            env!("CARGO_BIN_EXE_windrow"),
            "run",
        ])
        .arg(program(name))
        .args(args.split_whitespace());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: gdb cannot be run: {error}");
            return None;
        }
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let cannot_trace = ["ptrace: Operation not permitted", "Couldn't get registers"];
    if cannot_trace.iter().any(|reason| stderr.contains(reason)) {
        eprintln!("skipped: gdb may not trace: {stderr}");
        return None;
    }
    Some(format!("{stdout}\n{stderr}"))
}

/// The functions of the frames of a backtrace, innermost first.
fn functions(text: &str) -> Vec<&str> {
    let frames = text.lines().filter(|line| line.starts_with('#'));
    frames
        .map(|line| {
            let line = line.split_once(' ').unwrap().1.trim_start();
            let called = line.split_once(" in ").filter(|_| line.starts_with("0x"));
            called.map_or(line, |(_, called)| called)
        })
        .collect()
}

/// The position of the first of some frames whose function starts so.
#[track_caller]
fn find(frames: &[&str], from: usize, name: &str) -> usize {
    let found = frames[from..]
        .iter()
        .position(|frame| frame.starts_with(name));
    let found = found.unwrap_or_else(|| panic!("no {name} from frame {from} of {frames:#?}"));
    from + found
}

const PROGRAM: &str = "--invoke run 12 --heap-max 4MiB --debugger";

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "optimised host functions have no frames of their own"
)]
fn a_backtrace_from_the_host_goes_through_compiled_code_to_main() {
    let stop = ["break windrow_wasm::builtins::entries::alloc_struct"];
    let Some(text) = gdb("binary-trees", &stop, PROGRAM, &["bt"]) else {
        return;
    };
    let frames = functions(&text);
    assert!(!frames.is_empty(), "{text}");
    let host = find(&frames, 0, "windrow_wasm::builtins::entries::alloc_struct");
    let way_out = find(&frames, host, "[builtin AllocStruct]");
    let inner = find(&frames, way_out, "binary_trees!bottom_up ");
    let outer = find(&frames, inner, "binary_trees!run ");
    let way_in = find(&frames, outer, "[entry]");
    let gate = find(&frames, way_in, "windrow_stack::entry::");
    find(&frames, gate, "windrow::run::");
    let unknown = frames[..gate].iter().find(|frame| frame.starts_with("??"));
    assert_eq!(unknown, None, "{text}");
}

#[test]
fn a_breakpoint_stops_in_a_compiled_function() {
    let stop = ["break 'binary_trees!bottom_up'"];
    let Some(text) = gdb("binary-trees", &stop, PROGRAM, &["bt", "info symbol $pc"]) else {
        return;
    };
    let frames = functions(&text);
    assert!(!frames.is_empty(), "{text}");
    assert_eq!(find(&frames, 0, "binary_trees!bottom_up "), 0, "{text}");
    let outer = find(&frames, 0, "binary_trees!run ");
    find(&frames, outer, "[entry]");
}
