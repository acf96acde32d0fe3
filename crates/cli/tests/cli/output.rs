//! Arguments by type, results by line, help and the list of collectors.

use crate::process::{Run, TempFile, program, run, windrow};
use windrow::{CollectorKind, Config};

/// Functions that return what they are given, or something of every kind.
const ECHO: &str = r#"
(module
  (type $pair (struct (field i32)))
  (type $bytes (array i8))
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "any") (param anyref) (result anyref) (local.get 0))
  (func (export "func") (param funcref) (result funcref) (local.get 0))
  (func $add (export "add") (param i32 i64 f64) (result i32 i64 f64)
    (i32.add (local.get 0) (i32.const 1))
    (i64.add (local.get 1) (i64.const 1))
    (f64.add (local.get 2) (f64.const 1)))
  (func (export "references") (result anyref anyref anyref anyref funcref)
    (ref.null any)
    (ref.i31 (i32.const -5))
    (struct.new $pair (i32.const 1))
    (array.new_default $bytes (i32.const 3))
    (ref.func $add))
  (func (export "nothing")))
"#;

fn echo(line: &str) -> Run {
    let file = TempFile::new("echo.wat", ECHO);
    run(file.path(), line)
}

#[test]
fn arguments_are_read_by_type_and_results_printed_shortest() {
    let cases = [
        ("i32", "-1", "-1"),
        ("i32", "4294967295", "-1"),
        ("i32", "0x7fffffff", "2147483647"),
        ("i32", "-0x80000000", "-2147483648"),
        ("i64", "-9223372036854775808", "-9223372036854775808"),
        ("i64", "18446744073709551615", "-1"),
        ("f32", "0.1", "0.1"),
        ("f32", "-inf", "-inf"),
        ("f64", "0.1", "0.1"),
        ("f64", "-1.5e-9", "-1.5e-9"),
        ("f64", "-.5", "-0.5"),
        ("f64", "1e300", "1e300"),
        ("f64", "nan", "nan"),
        ("f64", "-0", "-0"),
        ("any", "null", "null"),
        ("any", "-7", "i31 -7"),
        ("func", "null", "null"),
    ];
    for (export, arg, printed) in cases {
        let run = echo(&format!("--invoke {export} {arg}"));
        assert_eq!(run.returned(), format!("{printed}\n"), "{export} {arg}");
    }
}

#[test]
fn each_result_is_on_its_own_line() {
    assert_eq!(echo("--invoke add -3 -4 -5.5").returned(), "-2\n-3\n-4.5\n");
    assert_eq!(echo("--invoke nothing").returned(), "");
    assert_eq!(
        echo("--invoke references").returned(),
        "null\ni31 -5\nstruct\narray\nfunc\n"
    );
}

#[test]
fn options_stand_anywhere_among_the_arguments() {
    let expected = "-2\n-3\n-4.5\n";
    let lines = [
        "--zeal 1 --invoke add -3 -4 -5.5",
        "--invoke add -3 -4 -5.5 --memory checked --zeal=1",
        "-3 --invoke add -4 --memory guarded -5.5",
        "--invoke=add -- -3 -4 -5.5",
    ];
    for line in lines {
        assert_eq!(echo(line).returned(), expected, "{line}");
    }
    let file = TempFile::new("echo.wat", ECHO);
    let path = file.path().to_str().unwrap();
    let run = windrow([
        "run", "--invoke", "add", "--memory", "checked", path, "-3", "-4", "-5.5",
    ]);
    assert_eq!(run.returned(), expected);
}

#[test]
fn the_command_of_the_readme_for_a_small_tree() {
    for kind in CollectorKind::ALL {
        let run = run(
            &program("binary-trees"),
            &format!("--invoke run 7 --collector {kind} --stats"),
        );
        assert_eq!(run.returned(), "8798\n");
        assert!(run.stderr.contains(&kind.to_string()), "{run:?}");
    }
}

#[test]
fn binaries_run_like_their_text() {
    let binary = wat::parse_str(ECHO).unwrap();
    let file = TempFile::new("echo.wasm", binary);
    assert_eq!(run(file.path(), "--invoke i32 -12").returned(), "-12\n");
}

#[test]
fn without_an_export_start_functions_run() {
    let file = TempFile::new(
        "start.wat",
        r#"(module (func (export "_start") unreachable))"#,
    );
    assert_eq!(run(file.path(), "").trapped().0, "unreachable");
    let file = TempFile::new("empty.wat", "(module)");
    assert_eq!(run(file.path(), "").returned(), "");
}

#[test]
fn exit_codes_of_help_and_version() {
    for args in [
        &["--help"][..],
        &["run", "--help"],
        &["help", "run"],
        &["--version"],
    ] {
        let run = windrow(args);
        assert!(run.returned().contains("windrow"), "{run:?}");
        assert_eq!(run.stderr, "");
    }
    let help = windrow(["run", "--help"]);
    for option in [
        "--invoke",
        "--heap-initial",
        "--stack-max",
        "--stats-json",
        "[default: 8MiB]",
        "Examples:",
    ] {
        assert!(help.stdout.contains(option), "{option}");
    }
}

#[test]
fn collectors_are_listed_with_what_decides_a_choice() {
    let run = windrow(["collectors"]);
    let lines: Vec<_> = run.returned().lines().collect();
    for heading in ["moving", "cycles", "barriers", "pauses", "what it does"] {
        assert!(lines[0].contains(heading), "{run:?}");
    }
    assert_eq!(lines.len(), 1 + CollectorKind::ALL.len());
    for (kind, line) in CollectorKind::ALL.iter().zip(&lines[1..]) {
        let collector = kind.instance();
        assert!(line.starts_with(collector.name()), "{line}");
        assert!(line.contains(collector.properties().summary), "{line}");
        let is_default = collector.name() == Config::new().chosen_collector().name();
        assert_eq!(line.contains("(default)"), is_default, "{line}");
    }
}
