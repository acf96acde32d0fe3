//! Writes the seed corpora: cases to start from, the same ones each time.

use std::fs;
use std::io;
use std::path::Path;
use windrow_fuzz::differential::Case;
use windrow_fuzz::random::Random;

/// Cases of each target.
const CASES: u64 = 16;

fn main() -> io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, bytes) in [("mutator", 600..1600), ("corrupted", 600..1600)] {
        for number in 0..CASES {
            let mut random = Random::new(number);
            let count = bytes.start + random.below(bytes.len());
            write(fuzz, target, &number.to_string(), &random.bytes(count))?;
        }
    }
    for number in 0..CASES {
        let bytes = case(number);
        write(fuzz, "differential", &number.to_string(), &bytes)?;
        if let Some(case) = Case::of_bytes(&bytes) {
            write(
                fuzz,
                "modules",
                &format!("random-{number}"),
                &choose(number, &case.wasm),
            )?;
        }
    }
    programs(fuzz)
}

/// Bytes that make a module which is not too large.
fn case(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    loop {
        let count = 500 + random.below(1500);
        let bytes = random.bytes(count);
        if Case::of_bytes(&bytes).is_some_and(|case| case.wasm.len() < 2500) {
            return bytes;
        }
    }
}

/// The programs that come with the engine, as binaries and one as text.
fn programs(fuzz: &Path) -> io::Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(fuzz.join("../crates/wasm/programs"))? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "wat"));
    paths.sort();
    for (path, number) in paths.iter().zip(0..) {
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.unwrap_or("program");
        let binary = wat::parse_file(path).map_err(io::Error::other)?;
        write(fuzz, "modules", name, &choose(number, &binary))?;
        if number == 0 {
            let text = choose(number, &fs::read(path)?);
            write(fuzz, "modules", &format!("{name}-text"), &text)?;
        }
    }
    Ok(())
}

/// A module after the byte that chooses an engine.
fn choose(number: u64, module: &[u8]) -> Vec<u8> {
    let [choice, ..] = number.to_le_bytes();
    [&[choice], module].concat()
}

fn write(fuzz: &Path, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let directory = fuzz.join("corpus").join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), bytes)
}
