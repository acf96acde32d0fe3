//! The command line.

use clap::{Parser, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Times the same WebAssembly programs on windrow, wasmtime, Node and Bun.
///
/// Node and Bun are those of `npm ci` in benches/peers, else those on the PATH; whatever is missing is
/// said and left out. Foreign programs lie in the directory that WINDROW_PROGRAMS names, else in
/// ../shared/wasm beside the checkout.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Run the programs whose names contain one of these; all of them unless given.
    pub(crate) programs: Vec<String>,

    /// How many rounds; each contestant runs each program once in each.
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) runs: NonZeroUsize,

    /// Write everything that was measured to a file, as JSON; it is whole after each program.
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Only contestants whose names contain one of these, separated by commas; windrow's copying
    /// collector, which the others are compared with, always runs.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) contestants: Vec<String>,

    /// Small sizes, to see that everything works.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Which time to compare: as it passes, or of the processor, all threads of a process together.
    #[arg(long, value_name = "CLOCK", value_enum, default_value_t)]
    pub(crate) clock: Clock,

    /// How many seconds a run may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) timeout: u64,

    /// List the programs and contestants, and run nothing.
    #[arg(long)]
    pub(crate) list: bool,

    /// Run one job as one contestant: what the processes of a contest are started with.
    #[arg(long, hide = true, num_args = 2, value_names = ["CONTESTANT", "JOB"])]
    pub(crate) child: Option<Vec<String>>,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Clock {
    /// Time as it passes.
    #[default]
    Wall,
    /// Processor time.
    Processor,
}

impl Clock {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Processor => "processor",
        }
    }
}
