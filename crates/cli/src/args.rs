//! The command line.
//!
//! clap parses it, with one thing put right first: an argument such as `-1` or `-inf` is a number
//! for the program and no option, wherever it stands, and options may follow such arguments. clap
//! offers one or the other; so `run`'s options are moved before its other arguments, in order and
//! set off by `--`, by what clap itself says of which options take a value.

use crate::bench::{BENCH_NOTES, BenchArgs};
use crate::host::Host;
use crate::size::Size;
use crate::unwinder::UnwinderKind;
use crate::wasi::{Directory, Variable};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;
use windrow::{CollectorKind, MemoryKind};

const EXAMPLES: &str = "\
Examples:
  windrow run crates/wasm/programs/binary-trees.wat --invoke run 16 --stats
  windrow run crates/wasm/programs/alloc.wat --invoke run 10000000 --collector copying --heap-max 8MiB
  windrow wast --collector all --zeal 1 tests/*.wast
  windrow bench --html report.html
  windrow collectors";

const RUN_NOTES: &str = "\
Arguments are read by the export's parameter types: integers in decimal or hexadecimal (0x), signed
or unsigned; floats with inf and nan; `null` for a reference. Negative numbers need no quoting.
Results are printed one to a line.

A program that exports `_start` is a WASI command (preview 1) unless --invoke names another export.
It gets the arguments as they are; those that look like options follow `--`. Of the environment it
sees what --env gives it, and of the file system the directories that --dir gives it, to read and to
write. What passes between calls of `start` and `end` of the module `bench` is in --stats-json, as
marked_seconds.

Sizes are whole numbers of bytes, or carry a unit: 64KiB, 8MiB, 1GiB.

Exit codes: 0 when the program returned, 1 when it trapped, 2 for input that cannot be used; when
the program exits with a code, that one, or 255 for a larger one.

Examples:
  windrow run crates/wasm/programs/binary-trees.wat --invoke run 16 --collector copying --stats
  windrow run crates/wasm/programs/deep.wat --invoke run 1000000 --stack-max 1GiB
  windrow run crates/wasm/programs/lists.wat --invoke run 150 --zeal 1 --memory checked
  windrow run main.wasm --preload env=library.wasm --timeout 10
  windrow run command.wasm --dir data::/ --env LANG=C input.txt -- --verbose";

const WAST_NOTES: &str = "\
Each script runs in an engine and a store of its own, once for each collector. A directive passes,
fails, or is skipped for want of a feature, as is all that depends on a skipped module.

Exit codes: 0 when nothing failed, 1 when something did, 2 for a file that cannot be read.";

/// Runs WebAssembly programs on a garbage-collected heap of your choice.
#[derive(Debug, Parser)]
#[command(name = "windrow", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a program, or one of its exported functions.
    #[command(after_help = RUN_NOTES)]
    Run(Box<RunArgs>),
    /// Compares collectors on programs: time, pauses and memory, over sizes of the heap.
    #[command(after_help = BENCH_NOTES)]
    Bench(BenchArgs),
    /// Runs scripts of WebAssembly's test suite and reports what passed.
    #[command(after_help = WAST_NOTES)]
    Wast(WastArgs),
    /// Lists the collectors and what each is like.
    Collectors,
}

/// The arguments of `windrow run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The program: a WebAssembly binary (.wasm) or its text (.wat).
    pub(crate) file: PathBuf,

    /// Arguments for the export, or for the program itself.
    #[arg(value_name = "ARGS")]
    pub(crate) args: Vec<String>,

    /// The exported function to call; `_start` unless given, where the program exports that.
    #[arg(long, value_name = "EXPORT")]
    pub(crate) invoke: Option<String>,

    /// The host the program was compiled for, whose functions it imports.
    #[arg(long, value_name = "HOST", value_enum, default_value_t)]
    pub(crate) host: Host,

    /// A directory that the program may use, under the same name or another; may be repeated.
    #[arg(long, value_name = "HOST::GUEST")]
    pub(crate) dir: Vec<Directory>,

    /// A variable in the program's environment; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<Variable>,

    /// The collector, by name; `windrow collectors` lists them and marks the default.
    #[arg(long, value_name = "NAME")]
    pub(crate) collector: Option<CollectorKind>,

    /// What may be allocated before the first collection.
    #[arg(long, value_name = "SIZE")]
    pub(crate) heap_initial: Option<Size>,

    /// The hard limit on the heap, a copying collector's reserve included [default: 4GiB].
    #[arg(long, value_name = "SIZE")]
    pub(crate) heap_max: Option<Size>,

    /// Collect only when the heap has grown to its limit, and not by how much is alive.
    #[arg(long, conflicts_with = "heap_initial")]
    pub(crate) heap_fixed: bool,

    /// How much stack the program may use.
    #[arg(long, value_name = "SIZE", default_value_t = Size { bytes: 8 << 20 })]
    pub(crate) stack_max: Size,

    /// Where the heap lives: guarded (needs no checks) or checked (every access is).
    #[arg(long, value_name = "KIND", default_value_t)]
    pub(crate) memory: MemoryKind,

    /// Test hard: collect at every N-th allocation, poison the dead, verify the heap; 0 is off.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) zeal: u32,

    /// How stacks are walked: by frame pointers or by unwind tables.
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    pub(crate) unwinder: UnwinderKind,

    /// Stop the program when it has run for so long; fractions are fine. A read of standard input is
    /// waited for.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,

    /// Stop the program after so many function calls and loop iterations.
    #[arg(long, value_name = "N")]
    pub(crate) fuel: Option<u64>,

    /// Instantiate a module first and let the program import its exports under this name. May be
    /// repeated; a module may import from those before it.
    #[arg(long, value_name = "NAME=FILE", value_parser = Preload::parse)]
    pub(crate) preload: Vec<Preload>,

    /// Tell profilers where functions are: write their names to /tmp/perf-PID.map, for `perf report`.
    #[arg(long)]
    pub(crate) perf_map: bool,

    /// Let debuggers see functions and frames of compiled code: in `gdb --args windrow run …`,
    /// backtraces go through it, and `break 'module!function'` stops in it.
    #[arg(long)]
    pub(crate) debugger: bool,

    /// Write the objects that are alive when the program has returned or trapped to a file that Chrome's
    /// DevTools load, under Memory; its name should end in .heapsnapshot.
    #[arg(long, value_name = "PATH")]
    pub(crate) snapshot: Option<PathBuf>,

    /// Write when the heap collected, why, and how full it was, to a file for <https://ui.perfetto.dev> or
    /// Chrome's chrome://tracing.
    #[arg(long, value_name = "PATH")]
    pub(crate) trace: Option<PathBuf>,

    /// Print what the heap did, on standard error.
    #[arg(long)]
    pub(crate) stats: bool,

    /// Write what the heap did to a file, as JSON.
    #[arg(long, value_name = "PATH")]
    pub(crate) stats_json: Option<PathBuf>,
}

/// A module to instantiate before the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Preload {
    /// The module name of its exports.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) file: PathBuf,
}

impl Preload {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok(Self {
                name: name.to_owned(),
                file: file.into(),
            }),
            _ => Err("write NAME=FILE, such as env=library.wasm".to_owned()),
        }
    }
}

/// The arguments of `windrow wast`.
#[derive(Debug, clap::Args)]
pub(crate) struct WastArgs {
    /// The scripts (.wast).
    #[arg(value_name = "FILES", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// The collector by name, or `all` for one after the other.
    #[arg(long, value_name = "NAME|all", value_parser = Collectors::parse)]
    pub(crate) collector: Option<Collectors>,

    /// Where heaps live: guarded (needs no checks) or checked (every access is).
    #[arg(long, value_name = "KIND", default_value_t)]
    pub(crate) memory: MemoryKind,

    /// Test hard: collect at every N-th allocation, poison the dead, verify the heap; 0 is off.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) zeal: u32,

    /// How stacks are walked: by frame pointers or by unwind tables.
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    pub(crate) unwinder: UnwinderKind,
}

/// One collector or every one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Collectors {
    /// This one.
    One(CollectorKind),
    /// All that are built in.
    All,
}

impl Collectors {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            name => name
                .parse()
                .map(Self::One)
                .map_err(|error| format!("{error}, all")),
        }
    }
}

/// A time in seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds, such as 10 or 0.5".to_owned())
}

/// Parses a command line, the program's own name first.
///
/// # Errors
/// What clap says of it; also for `--help` and `--version`, which are for standard output.
pub(crate) fn parse(command_line: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut words = command_line.into_iter();
    let mut reordered: Vec<OsString> = words.by_ref().take(2).collect();
    if reordered.get(1).is_some_and(|word| word == "run") {
        reordered.extend(options_first(words));
    } else {
        reordered.extend(words);
    }
    Cli::try_parse_from(reordered)
}

/// The arguments of `run`: options, each with its value attached, then `--`, then the others.
fn options_first(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let (mut options, mut others) = (Vec::new(), Vec::new());
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            others.extend(words);
            break;
        }
        if !is_option(&word) {
            others.push(word);
        } else if takes_value(&word)
            && let Some(value) = words.next_if(|next| !starts_with(next, b"--"))
        {
            let mut attached = word;
            attached.push("=");
            attached.push(value);
            options.push(attached);
        } else {
            options.push(word);
        }
    }
    if !others.is_empty() {
        options.push("--".into());
        options.extend(others);
    }
    options
}

fn starts_with(word: &OsStr, prefix: &[u8]) -> bool {
    word.as_encoded_bytes().starts_with(prefix)
}

/// Whether a word is an option: it begins with a hyphen and is no negative number.
fn is_option(word: &OsStr) -> bool {
    let Some(rest) = word.as_encoded_bytes().strip_prefix(b"-") else {
        return false;
    };
    let is_word = |name: &[u8]| {
        rest.get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    !(rest.is_empty()
        || rest[0].is_ascii_digit()
        || rest[0] == b'.'
        || is_word(b"inf")
        || is_word(b"nan"))
}

/// Whether an option of `run` takes the next word as its value.
fn takes_value(word: &OsStr) -> bool {
    let command = Cli::command();
    let run = command
        .find_subcommand("run")
        .expect("it is declared above");
    let Some(name) = word.to_str().and_then(|word| word.strip_prefix("--")) else {
        return false;
    };
    run.get_arguments()
        .any(|arg| arg.get_long() == Some(name) && arg.get_action().takes_values())
}

/// One line that says what is wrong with a command line, without the usage clap adds.
pub(crate) fn one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "no subcommand given: `windrow run FILE`, `windrow bench`, `windrow wast FILES` or `windrow collectors`; see `windrow --help`".to_owned();
    }
    let rendered = error.render().to_string();
    let mut paragraphs = rendered.split("\n\n");
    let joined = |paragraph: &str| {
        paragraph
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let first = paragraphs.next().unwrap_or_default();
    let mut line = joined(first.strip_prefix("error: ").unwrap_or(first));
    for tip in paragraphs.filter_map(|paragraph| paragraph.trim_start().strip_prefix("tip: ")) {
        line.push_str("; ");
        line.push_str(&joined(tip));
    }
    line.push_str("; see `windrow --help`");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<RunArgs, String> {
        let words = line.split_whitespace().map(OsString::from);
        match parse(words).map_err(|error| one_line(&error))?.command {
            Command::Run(args) => Ok(*args),
            other => panic!("not a `run`: {other:?}"),
        }
    }

    #[test]
    fn clap_accepts_its_own_declarations() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_may_stand_anywhere_and_negative_numbers_are_arguments() {
        let args =
            run("windrow run --zeal 3 p.wat --invoke f -1 --collector copying 2 -0x10 --stats -inf -.5 -1e-5").unwrap();
        assert_eq!(args.file, PathBuf::from("p.wat"));
        assert_eq!(args.args, ["-1", "2", "-0x10", "-inf", "-.5", "-1e-5"]);
        assert_eq!(args.invoke.as_deref(), Some("f"));
        assert_eq!((args.zeal, args.stats), (3, true));
        assert_eq!(
            args.collector.map(|kind| kind.to_string()).as_deref(),
            Some("copying")
        );
    }

    #[test]
    fn everything_after_two_hyphens_is_an_argument() {
        let args = run("windrow run p.wat --invoke=f -- --stats -x -- 1").unwrap();
        assert_eq!(args.args, ["--stats", "-x", "--", "1"]);
        assert!(!args.stats);
    }

    #[test]
    fn modules_may_be_preloaded_in_order() {
        let args =
            run("windrow run p.wat --preload a=x=y.wat --timeout 0.25 --preload b=z").unwrap();
        let names: Vec<_> = args.preload.iter().map(|item| &*item.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(args.preload[0].file, PathBuf::from("x=y.wat"));
        assert_eq!(args.timeout, Some(Duration::from_millis(250)));
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let args = run("windrow run p.wat").unwrap();
        assert_eq!(args.stack_max.to_string(), "8MiB");
        assert_eq!(args.memory, MemoryKind::Guarded);
        assert_eq!(
            (args.zeal, args.stats, args.heap_max, args.collector),
            (0, false, None, None)
        );
        assert_eq!(args.host, Host::None);
        assert_eq!((args.unwinder, args.perf_map), (UnwinderKind::Fp, false));
    }

    #[test]
    fn errors_are_one_line_that_helps() {
        let cases = [
            (
                "windrow run p.wat --collector marksweep",
                "unknown collector `marksweep`; known: ",
            ),
            (
                "windrow run p.wat --memory mapped",
                "known: guarded, checked",
            ),
            (
                "windrow run p.wat --host browser",
                "[possible values: none, js]",
            ),
            ("windrow run p.wat --heap-max 64k", "write 64KiB"),
            (
                "windrow run p.wat --unwinder sframe",
                "[possible values: fp, dwarf]",
            ),
            (
                "windrow run p.wat --zeal -1",
                "invalid value '-1' for '--zeal <N>'",
            ),
            (
                "windrow run p.wat --invoke --stats",
                "a value is required for '--invoke <EXPORT>'",
            ),
            (
                "windrow run p.wat --stat",
                "a similar argument exists: '--stats'",
            ),
            (
                "windrow run p.wat --timeout -1",
                "write a number of seconds",
            ),
            (
                "windrow run p.wat --timeout soon",
                "write a number of seconds",
            ),
            ("windrow run p.wat --fuel lots", "--fuel <N>"),
            ("windrow run p.wat --preload lib.wat", "write NAME=FILE"),
            ("windrow run p.wat --dir a::", "write PATH or HOST::GUEST"),
            ("windrow run p.wat --env =b", "write NAME=VALUE"),
            ("windrow wast", "<FILES>"),
            (
                "windrow wast a.wast --collector marksweep",
                "unknown collector `marksweep`; known: ",
            ),
            ("windrow run p.wat -x", "unexpected argument '-x'"),
            ("windrow run", "<FILE>"),
        ];
        for (line, part) in cases {
            let error = run(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
            assert!(!error.contains('\n'), "{line}: {error}");
        }
    }
}
