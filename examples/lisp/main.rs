//! A small Lisp whose every value lives in a windrow heap.
//!
//! For the author of an interpreter. It reads Scheme's core: closures, proper tail calls, deep
//! recursion, mutable and circular data, strings, symbols, vectors, weak tables, errors with lines
//! that `try` catches, running out of memory among them. From the outside in:
//!
//! - `types.rs`: what values are in the heap, and the types and fields for it
//! - `heap.rs`: the value stack and what is made on it, the fast way; `symbols.rs`: a weak table
//! - `reader.rs` and `printer.rs`: text to values and back
//! - `compiler.rs`, `forms.rs`, `clauses.rs`: forms to the instructions of `code.rs`
//! - `machine.rs` and `calls.rs`: run them
//! - `builtins.rs` and `lists.rs`, `numbers.rs`, `text.rs`, `tables.rs`: procedures
//! - `prelude.lisp`: the rest of the library
//!
//! There is no unsafe code. What is missing for a Scheme: macros, continuations, characters, ports; a
//! variable of `letrec` that is read before its definition is `#f`; compiled code, that of `eval` too,
//! is kept until the end, since it is Rust's data and not the heap's.
//!
//! ```sh
//! cargo run --release --example lisp                                       # a prompt
//! cargo run --release --example lisp -- examples/lisp/queens.lisp --stats
//! cargo run --example lisp -- examples/lisp/weak.lisp --collector drc --zeal 1
//! ```
#![forbid(unsafe_code)]

mod types;
mod heap;
mod symbols;
mod reader;
mod printer;
mod code;
mod compiler;
mod forms;
mod clauses;
mod machine;
mod calls;
mod builtins;
mod lists;
mod numbers;
mod text;
mod tables;
mod fault;

use clap::Parser;
use heap::NOTHING;
pub(crate) use machine::Lisp;
use printer::Style;
use reader::Reader;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use windrow::{Bytes, CollectorKind, Config, MemoryKind, Zeal};

/// A small Lisp on a collected heap.
#[derive(Parser, Debug)]
#[command(name = "lisp")]
pub(crate) struct Args {
    /// The program; without one, a prompt, or what standard input has.
    file: Option<PathBuf>,
    /// The collector.
    #[arg(long, value_name = "NAME", default_value = "copying")]
    collector: CollectorKind,
    /// Where the heap lives: guarded or checked.
    #[arg(long, value_name = "KIND", default_value = "guarded")]
    memory: MemoryKind,
    /// The most the heap may take, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    heap_max: u64,
    /// Collect at every N-th allocation, and verify.
    #[arg(long, value_name = "N", default_value_t = 0)]
    zeal: u32,
    /// Say at the end what the heap did.
    #[arg(long)]
    stats: bool,
    /// Write what is alive at the end as a heap snapshot for Chrome's DevTools.
    #[arg(long, value_name = "PATH")]
    snapshot: Option<PathBuf>,
}

impl Args {
    pub(crate) fn config(&self) -> Config {
        Config::new()
            .collector(self.collector)
            .memory(self.memory)
            .heap_max_bytes(self.heap_max)
            .zeal(Zeal::every(self.zeal))
    }
}

fn main() -> ExitCode {
    match run(&Args::parse(), Box::new(io::stdout())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say; the program's output goes to `out`.
pub(crate) fn run(args: &Args, out: Box<dyn Write>) -> Result<(), Box<dyn std::error::Error>> {
    let mut lisp = Lisp::new(&args.config(), out)?;
    let result = match &args.file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            lisp.run(&path.to_string_lossy(), &text)
        }
        None if io::stdin().is_terminal() => {
            prompt(&mut lisp)?;
            Ok(())
        }
        None => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            lisp.run("stdin", &text)
        }
    };
    lisp.out.flush()?;
    if let Some(path) = &args.snapshot {
        write_snapshot(&mut lisp, path)?;
    }
    if args.stats {
        write_statistics(&mut lisp, args)?;
    }
    Ok(result?)
}

fn write_snapshot(lisp: &mut Lisp, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let file = BufWriter::new(File::create(path)?);
    let summary = lisp.heap.store.write_snapshot(file)?;
    let bytes = Bytes(summary.object_bytes);
    writeln!(
        lisp.out,
        "{}: {} objects, {bytes}",
        path.display(),
        summary.objects
    )?;
    Ok(())
}

fn write_statistics(lisp: &mut Lisp, args: &Args) -> io::Result<()> {
    let stats = lisp.heap.store.stats();
    writeln!(
        lisp.out,
        "{}: {} allocated, {} collections in {:.1?}, longest {:.1?}, {} at most",
        args.collector,
        Bytes(stats.allocated_bytes),
        stats.collections(),
        stats.gc_time,
        stats.pauses.max(),
        Bytes(stats.peak_committed_bytes)
    )
}

/// Reads forms from the terminal, over as many lines as they take, and prints their values.
fn prompt(lisp: &mut Lisp) -> io::Result<()> {
    let mut text = String::new();
    loop {
        write!(lisp.out, "{}", if text.is_empty() { "> " } else { "  " })?;
        lisp.out.flush()?;
        if io::stdin().read_line(&mut text)? == 0 {
            return writeln!(lisp.out);
        }
        let mut reader = Reader::new("prompt", &text);
        let mut left = reader.clone();
        text = loop {
            match lisp.run_next(&mut reader) {
                Ok(true) => show(lisp)?,
                Ok(false) => break String::new(),
                // What was run already is not run again.
                Err(fault) if fault.is_incomplete => break left.rest(),
                Err(fault) => {
                    writeln!(lisp.out, "{fault}")?;
                    break String::new();
                }
            }
            left = reader.clone();
        };
    }
}

/// Prints the value on the stack, and takes it off.
fn show(lisp: &mut Lisp) -> io::Result<()> {
    let value = lisp.heap.pop();
    if value == lisp.heap.constant(NOTHING) {
        return Ok(());
    }
    match lisp.heap.print(value, Style::Write) {
        Ok(text) => writeln!(lisp.out, "{text}"),
        Err(error) => writeln!(lisp.out, "{error}"),
    }
}
