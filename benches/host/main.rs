//! The embedder's API beside other ways to have a heap in Rust, on programs whose data are all in it.
//!
//! ```sh
//! cargo bench -p windrow-bench-host [-- [--rounds N] [--quick] [FILTER]...]
//! ```
//!
//! Each program runs once in a process of its own for each contestant and round, contestants by
//! turns, so that no allocator is warm or torn from another's work: memory comes fresh from the system,
//! and giving it back is part of the time. Checksums of all contestants must be equal. Tables show the
//! median processor time, its ratio to the checked API on the default collector, and how far the process's
//! resident memory rose at its peak. A second table has what single operations cost, in a loop.

mod arena;
mod args;
mod contest;
mod dumpster;
mod gc_arena;
mod heap;
mod micro;
mod rc;
mod size;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match args::parse() {
        Ok(args::Command::Help) => table::print(args::HELP),
        Ok(args::Command::Child {
            program,
            contestant,
            size,
        }) => contest::child(&program, &contestant, &size),
        Ok(args::Command::Contest(options)) => contest::run(&options),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::complain(&error);
            ExitCode::FAILURE
        }
    }
}
