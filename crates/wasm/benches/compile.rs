//! How fast modules compile, in megabytes of WebAssembly a second.
//!
//! ```sh
//! cargo bench --package windrow-wasm --bench compile -- [--runs N] [FILES...]
//! ```
//!
//! Without files: the programs of `crates/wasm/programs` and, where they are, those outside the
//! repository that the tests use (the directory `WINDROW_PROGRAMS` names, or `shared/wasm` beside
//! the checkout). A run parses, validates, compiles, links and registers a module on as many
//! threads as the machine has, in an engine of its own; the text format is translated beforehand.
//! The median run counts.

#![expect(clippy::print_stdout, reason = "figures")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use windrow::Config;
use windrow_wasm::{Engine, Error, Module};

/// Runs of each module, unless chosen otherwise.
const DEFAULT_RUNS: usize = 15;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut runs = DEFAULT_RUNS;
    let mut files = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // What cargo passes.
            "--bench" => {}
            "--runs" => runs = words.next().unwrap_or_default().parse()?,
            _ => files.push(PathBuf::from(word)),
        }
    }
    if files.is_empty() {
        files = programs();
    }
    println!(
        "{:<24} {:>10} {:>10} {:>10} {:>10}",
        "module", "bytes", "median ms", "min ms", "MB/s"
    );
    let (mut bytes, mut time) = (0, Duration::ZERO);
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let module = wat::parse_file(&file)?;
        match measure(&module, runs.max(1)) {
            Ok(times) => {
                let median = times[times.len() / 2];
                print_row(&name, module.len(), median, times[0]);
                bytes += module.len();
                time += median;
            }
            Err(error) => println!("{name:<24} {error}"),
        }
    }
    print_row("all", bytes, time, time);
    Ok(())
}

/// The times of a module's runs, the shortest first.
fn measure(module: &[u8], runs: usize) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let engine = Engine::new(&Config::new())?;
        let started = Instant::now();
        let compiled = Module::new(&engine, module)?;
        times.push(started.elapsed());
        drop(compiled);
    }
    times.sort_unstable();
    Ok(times)
}

fn print_row(name: &str, bytes: usize, median: Duration, min: Duration) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let rate = bytes as f64 / 1e6 / median.as_secs_f64().max(1e-9);
    println!(
        "{name:<24} {bytes:>10} {:>10.3} {:>10.3} {rate:>10.2}",
        ms(median),
        ms(min)
    );
}

fn programs() -> Vec<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let outside = std::env::var_os("WINDROW_PROGRAMS")
        .map_or_else(|| manifest.join("../../../shared/wasm"), PathBuf::from);
    let mut found = Vec::new();
    for directory in [manifest.join("programs"), outside.join("moonbit"), outside] {
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|kind| kind == "wat" || kind == "wasm")
        });
        paths.sort();
        found.extend(paths);
    }
    found
}
