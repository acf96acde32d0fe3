//! The same programs on windrow and its peers: wasmtime, V8 in Node, JavaScriptCore in Bun.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- [PROGRAMS] [--runs N] [--json PATH]
//! ```
//!
//! Every run is a process of its own: this program itself for windrow and wasmtime, `peer.mjs` for the
//! JavaScript engines. Contestants take turns, so that a round sees the machine in one mood, and ratios
//! are formed round by round. A contestant that traps, crashes, takes too long or computes something
//! else is a cell that says so.

mod args;
mod job;
mod child;
mod contestant;
mod programs;
mod process;
mod contest;
mod figures;
mod machine;
mod table;
mod record;
mod error;

use args::Args;
use clap::Parser;
use std::io::{Write, stderr};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.child {
        Some(child) => child::run(child),
        None => contest::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if this fails.
            let _ = writeln!(stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
