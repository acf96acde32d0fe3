//! The `windrow` command: runs WebAssembly programs on a heap with the collector of one's choice.
//!
//! Exit codes: 0 when the program returned, 1 when it trapped or a script failed, 2 for input that
//! cannot be used, with one line on standard error that begins `error:` and says what to do. A
//! program that exits with a code of its own gives that one.

mod args;
mod bench;
mod call;
mod collectors;
mod error;
mod host;
mod machine;
mod preload;
mod progress;
mod run;
mod size;
mod stats;
mod table;
mod trace;
mod unwinder;
mod values;
mod wasi;
mod wast;

use args::Command;
use error::Failure;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args_os()) {
        Ok(cli) => match cli.command {
            Command::Run(args) => run::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Wast(args) => wast::run(&args),
            Command::Collectors => print(&collectors::table()),
        },
        Err(error) if !error.use_stderr() => print(&error.render().to_string()),
        Err(error) => Err(Failure::input(args::one_line(&error))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Exit(code)) => ExitCode::from(code),
        Err(failure) => {
            // Nothing is left to tell it to if standard error is closed.
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Writes to standard output, where a reader that has gone away is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::input(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}
