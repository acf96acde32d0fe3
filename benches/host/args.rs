//! What is asked for on the command line.

use crate::size::Size;

pub(crate) const HELP: &str = "\
Times programs on windrow's heaps and on other ways to have a heap in Rust.

Usage: cargo bench -p windrow-bench-host -- [OPTIONS] [FILTER]...

FILTER         what has none of these in `program/contestant` is left out
--rounds N     how often each runs (5)
--quick        small sizes and one round, to see that everything works; without `cargo bench` the default
--help         this text
";

/// What to do.
pub(crate) enum Command {
    Help,
    /// Run one program as one contestant, in this process.
    Child {
        program: String,
        contestant: String,
        size: Size,
    },
    Contest(Options),
}

/// How to run the contest.
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) is_quick: bool,
    pub(crate) filters: Vec<String>,
}

impl Options {
    /// Whether a program of a contestant is asked for.
    pub(crate) fn wants(&self, program: &str, contestant: &str) -> bool {
        let name = format!("{program}/{contestant}");
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

pub(crate) fn parse() -> Result<Command, String> {
    let mut arguments = std::env::args().skip(1);
    let mut rounds = None;
    // `cargo bench` says so; `cargo test` does not.
    let mut is_bench = false;
    let mut is_quick = false;
    let mut filters = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next();
            value.ok_or_else(|| format!("{argument} needs a value; see --help"))
        };
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--bench" => is_bench = true,
            "--quick" => is_quick = true,
            "--rounds" => {
                let value = value()?;
                let number = value.parse().ok().filter(|number| *number > 0);
                rounds = Some(number.ok_or_else(|| format!("{value} is no number of rounds"))?);
            }
            "--child" => {
                let (program, contestant) = (value()?, value()?);
                let size = if value()? == "quick" {
                    Size::QUICK
                } else {
                    Size::FULL
                };
                return Ok(Command::Child {
                    program,
                    contestant,
                    size,
                });
            }
            option if option.starts_with('-') => {
                return Err(format!("unknown option {option}; see --help"));
            }
            _ => filters.push(argument),
        }
    }
    let is_quick = is_quick || (!is_bench && rounds.is_none() && filters.is_empty());
    Ok(Command::Contest(Options {
        rounds: rounds.unwrap_or(if is_quick { 1 } else { 5 }),
        is_quick,
        filters,
    }))
}
