//! Compares the engine with wasmtime on modules at random: the same ones each time for a seed.
//!
//! Prints what was compared when done. The module of a difference is written to a file, and the
//! command ends with 1.

use std::io::{IsTerminal, Write, stderr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use windrow_fuzz::differential::{Case, Compared, Figures};
use windrow_fuzz::random::Random;
use windrow_fuzz::setting::Setting;

const USAGE: &str = "\
compare [--modules N | --seconds N] [--seed N] [--only CASE] [--keep-going]
compare FILE [--setting BYTE] [--seed N]
  --modules N     how many modules (1000)
  --seconds N     as many modules as there is time for
  --seed N        which modules (0); for a file, which arguments
  --only CASE     only this module of the seed, and where it was written
  --keep-going    do not stop at the first difference
  --setting BYTE  which engine for a file (0)
A file that is no module is a case of the target `differential`, whose module is written out.";

/// Random bytes a module is made from.
const BYTES: std::ops::Range<usize> = 500..6000;

#[derive(Debug)]
struct Options {
    modules: u64,
    seconds: Option<u64>,
    seed: u64,
    only: Option<u64>,
    keep_going: bool,
    setting: u8,
    file: Option<PathBuf>,
}

/// What came of all modules.
#[derive(Debug, Default)]
struct Tally {
    compared: u64,
    left: u64,
    reasons: std::collections::BTreeMap<String, u64>,
    differences: u64,
    figures: Figures,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        modules: 1000,
        seconds: None,
        seed: 0,
        only: None,
        keep_going: false,
        setting: 0,
        file: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{arg} needs a number\n{USAGE}"))
        };
        match arg.as_str() {
            "--modules" => options.modules = number()?,
            "--seconds" => options.seconds = Some(number()?),
            "--seed" => options.seed = number()?,
            "--only" => options.only = Some(number()?),
            "--keep-going" => options.keep_going = true,
            "--setting" => options.setting = u8::try_from(number()?).map_err(|e| e.to_string())?,
            file if !file.starts_with('-') => options.file = Some(file.into()),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let outcome = options().and_then(|options| match &options.file {
        Some(file) => compare_file(&options, file),
        None => Ok(compare_all(&options)),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn compare_file(options: &Options, file: &PathBuf) -> Result<bool, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let case = if bytes.starts_with(b"\0asm") {
        Case {
            setting: Setting::of_byte(options.setting),
            seed: options.seed,
            wasm: bytes,
        }
    } else {
        let case = Case::of_bytes(&bytes).ok_or("too few bytes for a case")?;
        let path = std::env::temp_dir().join("windrow-case.wasm");
        std::fs::write(&path, &case.wasm).map_err(|error| error.to_string())?;
        println!("{} with --seed {}", path.display(), case.seed);
        case
    };
    println!("{:?}", case.setting);
    match case.compare() {
        Ok(compared) => println!("{compared:?}"),
        Err(difference) => {
            println!("{difference}");
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether no difference was found.
fn compare_all(options: &Options) -> bool {
    let start = Instant::now();
    let mut tally = Tally::default();
    let cases = match (options.only, options.seconds) {
        (Some(only), _) => only..only + 1,
        (None, Some(_)) => 0..u64::MAX,
        (None, None) => 0..options.modules,
    };
    let time = options.seconds.map(Duration::from_secs);
    for number in cases {
        compare_one(options, number, &mut tally);
        let over = time.is_some_and(|time| start.elapsed() >= time);
        if over || tally.differences > 0 && !options.keep_going {
            break;
        }
        if stderr().is_terminal() && number % 16 == 0 {
            eprint!("\r{}", progress(options, number, start));
            let _ = stderr().flush();
        }
    }
    if stderr().is_terminal() {
        eprint!("\r");
    }
    report(&tally, start);
    tally.differences == 0
}

/// How far the command is, as a line.
fn progress(options: &Options, number: u64, start: Instant) -> String {
    match options.seconds {
        Some(seconds) => format!("{number} in {} of {seconds} s", start.elapsed().as_secs()),
        None => format!("{number} of {}", options.modules),
    }
}

fn compare_one(options: &Options, number: u64, tally: &mut Tally) {
    let seed = options.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number;
    let mut random = Random::new(seed);
    let count = BYTES.start + random.below(BYTES.len());
    let bytes = random.bytes(count);
    let Some(case) = Case::of_bytes(&bytes) else {
        return;
    };
    let path = std::env::temp_dir().join(format!("windrow-{}-{number}.wasm", options.seed));
    if options.only.is_some() {
        let _ = std::fs::write(&path, &case.wasm);
        println!("{}: {:?}, seed {}", path.display(), case.setting, case.seed);
    }
    let difference = match catch_unwind(AssertUnwindSafe(|| case.compare())) {
        Ok(Ok(compared)) => return tally.add(compared),
        Ok(Err(difference)) => difference.to_string(),
        Err(_) => "it panicked".to_owned(),
    };
    tally.differences += 1;
    let _ = std::fs::write(&path, &case.wasm);
    println!("case {number}, {:?}: {difference}", case.setting);
    println!("  {} with --seed {}", path.display(), case.seed);
}

impl Tally {
    fn add(&mut self, compared: Compared) {
        match compared {
            Compared::Left(reason) => {
                self.left += 1;
                let reason: String = reason.chars().take(60).collect();
                *self.reasons.entry(reason).or_default() += 1;
            }
            Compared::Same(figures) => {
                self.compared += 1;
                self.figures.add(figures);
            }
        }
    }
}

fn report(tally: &Tally, start: Instant) {
    let Tally {
        compared,
        left,
        reasons,
        differences,
        figures,
    } = tally;
    println!(
        "modules compared: {compared}, left out: {left}, differences: {differences}, in {} s",
        start.elapsed().as_secs()
    );
    println!(
        "calls: {} ({} returned, {} trapped, {} threw), objects: {}, collections: {}, instances at a limit: {}",
        figures.calls,
        figures.returned,
        figures.trapped,
        figures.threw,
        figures.objects,
        figures.collections,
        figures.limits
    );
    for (reason, count) in reasons {
        println!("  left out {count}: {reason}");
    }
}
