//! Writes the seed corpora: cases to start from, the same ones each time, but that those of unwind
//! tables are entries of this program and of the system's C library.

use object::{Object, ObjectSection};
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
    for number in 0..CASES {
        write(fuzz, "stacks", &number.to_string(), &stack(number))?;
    }
    unwind_tables(fuzz)?;
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

/// Code of one kind or of all kinds by turns, and a stack of it, whole in every second case.
fn stack(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut bytes = random.bytes(400);
    let [choice, ..] = number.to_le_bytes();
    // Registers as they were left, the kind of functions; functions; damage; frames.
    bytes[0] = choice & 6;
    if choice & 1 == 0 {
        bytes[2] = 0;
    }
    bytes
}

/// Unwind tables of a few entries, each from one of two real files.
fn unwind_tables(fuzz: &Path) -> io::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let libc = maps.lines().find(|line| line.contains("/libc.so"));
    let libc = libc.and_then(|line| line.split_whitespace().nth(5));
    let files = ["/proc/self/exe"].into_iter().chain(libc);
    for (file, name) in files.zip(["rust", "libc"]) {
        let bytes = fs::read(file)?;
        let parsed = object::File::parse(&*bytes).map_err(io::Error::other)?;
        let section = parsed.section_by_name(".eh_frame");
        let section = section.ok_or_else(|| io::Error::other("no unwind table"))?;
        let section = section.uncompressed_data().map_err(io::Error::other)?;
        for number in 0..CASES {
            let table = pick(&section, &mut Random::new(number));
            let [choice, ..] = number.to_le_bytes();
            let seed = [&[choice & 1, 0, 100, 3], &*table].concat();
            write(fuzz, "eh_frame", &format!("{name}-{number}"), &seed)?;
        }
    }
    Ok(())
}

/// A table of at most four entries of another, and of what they share. Code stays where it was if
/// entries tell their distance from it in four bytes.
fn pick(section: &[u8], random: &mut Random) -> Vec<u8> {
    let mut shared = Vec::new();
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some(len @ 1..) = word(section, at) {
        let size = len as usize + 4;
        match word(section, at + 4) {
            Some(0) => shared.push(at..at + size),
            Some(back) => entries.push((at..at + size, at + 4 - back as usize)),
            None => break,
        }
        at += size;
    }
    let mut table = Vec::new();
    let first = shared[random.below(shared.len())].clone();
    table.extend(&section[first.clone()]);
    entries.retain(|(_, of)| *of == first.start);
    for _ in 0..entries.len().min(4) {
        let (entry, _) = entries.swap_remove(random.below(entries.len()));
        let place = table.len();
        table.extend(&section[entry.clone()]);
        let mut set = |at: usize, word: usize| {
            let word = u32::try_from(word & 0xffff_ffff).unwrap_or(0);
            table[place + at..place + at + 4].copy_from_slice(&word.to_le_bytes());
        };
        set(4, place + 4);
        let distance = word(section, entry.start + 8).unwrap_or(0) as usize;
        set(8, distance.wrapping_add(entry.start).wrapping_sub(place));
    }
    table
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
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
