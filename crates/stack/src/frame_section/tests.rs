//! Every row of the unwind tables of this process's files, against what `readelf` makes of them.

use super::*;
use crate::FrameTable;
use crate::registers::{RETURN_ADDRESS, Register};
use gimli::{CfaRule, CieOrFde, RegisterRule, UnwindTableRow};
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A row as `readelf` writes it: the frame's end, and rules by column. `u` stands for registers
/// that are lost and for those without a rule, and is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Written {
    start: u64,
    end: String,
    rules: BTreeMap<u16, String>,
}

/// The rows by offset of the entry, and the code an entry covers.
#[derive(Default)]
struct Listing {
    shared: BTreeMap<usize, Written>,
    entries: BTreeMap<usize, (usize, Vec<Written>)>,
}

#[derive(Default)]
struct Counts {
    entries: usize,
    rows: usize,
    compact: usize,
}

/// Whether walks look at a column.
fn is_followed(column: u16) -> bool {
    column == RETURN_ADDRESS || Register::from_dwarf(column).is_some()
}

/// The number of a register by the name that `readelf` has for it.
fn number(name: &str) -> Option<u16> {
    const X86: [&str; 8] = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"];
    if name == "ra" {
        return Some(RETURN_ADDRESS);
    }
    if cfg!(target_arch = "aarch64") {
        return match name {
            "sp" => Some(31),
            _ => name.strip_prefix('x')?.parse().ok(),
        };
    }
    let position = X86.iter().position(|other| *other == name);
    match position {
        Some(position) => u16::try_from(position).ok(),
        None => name.strip_prefix('r')?.parse().ok(),
    }
}

fn hex(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16).unwrap()
}

fn offset(digits: &str) -> usize {
    usize::from_str_radix(digits, 16).unwrap()
}

impl Listing {
    fn read(text: &str) -> Self {
        let mut listing = Self::default();
        let mut entry = None;
        let mut names = Vec::new();
        for line in text.lines() {
            let mut words: Vec<&str> = Vec::new();
            for word in line.split_whitespace() {
                // A register that is kept in another: `r5 (rdi)`.
                if !word.starts_with('(') {
                    words.push(word);
                }
            }
            match words[..] {
                [at, _, _, "CIE", ..] => entry = Some((offset(at), false)),
                [at, _, _, "FDE", cie, ..] => {
                    let at = offset(at);
                    let cie = offset(cie.strip_prefix("cie=").unwrap());
                    listing.entries.insert(at, (cie, Vec::new()));
                    entry = Some((at, true));
                }
                ["LOC", "CFA", ref columns @ ..] => {
                    names = columns.iter().map(|name| number(name)).collect();
                }
                [start, end, ref rules @ ..] if start.len() == 16 && line.starts_with(start) => {
                    assert_eq!(rules.len(), names.len(), "{line}");
                    let rules = names.iter().zip(rules);
                    let row = Written {
                        start: hex(start),
                        end: end.to_owned(),
                        rules: rules
                            .filter_map(|(name, rule)| Some(((*name)?, (*rule).to_owned())))
                            .filter(|(name, rule)| is_followed(*name) && rule != "u")
                            .collect(),
                    };
                    match entry.unwrap() {
                        (at, true) => listing.entries.get_mut(&at).unwrap().1.push(row),
                        (at, false) => drop(listing.shared.insert(at, row)),
                    }
                }
                _ => {}
            }
        }
        listing
    }
}

fn write_end(register: u16, offset: i64) -> String {
    let name = (0..32)
        .flat_map(|number| [format!("x{number}"), format!("r{number}")])
        .chain(["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "sp"].map(str::to_owned))
        // From the end: numbers 0 to 7 have names of their own on x86-64.
        .rfind(|name| number(name) == Some(register))
        .unwrap();
    format!("{name}{offset:+}")
}

/// A row of gimli's as `readelf` writes it.
fn written(row: &UnwindTableRow<usize>) -> Written {
    let end = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => write_end(register.0, *offset),
        CfaRule::Expression(_) => "exp".to_owned(),
    };
    let mut rules = BTreeMap::new();
    for (register, rule) in row.registers() {
        let rule = match rule {
            RegisterRule::Undefined => continue,
            RegisterRule::SameValue => "s".to_owned(),
            RegisterRule::Offset(offset) => format!("c{offset:+}"),
            RegisterRule::ValOffset(offset) => format!("v{offset:+}"),
            RegisterRule::Register(other) => format!("r{}", other.0),
            RegisterRule::Expression(_) => "exp".to_owned(),
            RegisterRule::ValExpression(_) => "vexp".to_owned(),
            rule => panic!("{rule:?}"),
        };
        if is_followed(register.0) {
            rules.insert(register.0, rule);
        }
    }
    Written {
        start: row.start_address(),
        end,
        rules,
    }
}

/// A compact row as `readelf` writes it, but for registers that stay where they are.
fn written_compact(row: &Row, start: u64) -> Written {
    let (base, offset, saved) = row.described();
    let mut rules = BTreeMap::new();
    for (column, offset) in saved {
        rules.insert(column, format!("c{offset:+}"));
    }
    Written {
        start,
        end: write_end(base.dwarf(), offset.into()),
        rules,
    }
}

fn compare(path: &Path, listing: &Listing) -> Counts {
    let file = std::fs::read(path).unwrap();
    let file = object::File::parse(&*file).unwrap();
    let section = file.section_by_name(".eh_frame").unwrap();
    let bytes = section.uncompressed_data().unwrap();
    let address = usize::try_from(section.address()).unwrap();
    let view = FrameSection::new(&bytes, address);
    let (section, bases) = view.parts();
    let table = FrameTable::new(bytes.to_vec(), address).unwrap();
    let scratch = &mut UnwindScratch::default();
    let mut context = UnwindContext::new();
    let mut counts = Counts::default();
    let mut entries = section.entries(bases);
    while let Some(entry) = entries.next().unwrap() {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let entry = partial.parse(EhFrame::cie_from_offset).unwrap();
        let (cie, expected) = &listing.entries[&entry.offset()];
        let mut expected = expected.clone();
        if expected.is_empty() {
            // It adds nothing to what it shares, and `readelf` writes no row.
            let shared = &listing.shared[cie];
            expected.push(Written {
                start: entry.initial_address(),
                ..shared.clone()
            });
        }
        let mut expected = expected.into_iter();
        let mut rows = entry.rows(section, bases, &mut context).unwrap();
        while let Some(row) = rows.next_row().unwrap() {
            let found = written(row);
            assert_eq!(Some(&found), expected.next().as_ref(), "{path:?}");
            counts.rows += 1;
            if row.start_address() == row.end_address() {
                counts.compact += 1;
                continue;
            }
            let start = usize::try_from(found.start).unwrap();
            assert_eq!(table.entry(start), Some(entry.offset()));
            match view.unwinding(entry.offset(), start, scratch) {
                Unwinding::Compact(row) => {
                    counts.compact += 1;
                    if found.rules.contains_key(&RETURN_ADDRESS) {
                        assert_eq!(written_compact(&row, found.start), found);
                    }
                }
                Unwinding::Interpreted(_) => {}
                Unwinding::NoInfo => panic!("{path:?}: nothing at {start:#x}"),
            }
        }
        assert_eq!(expected.next(), None, "{path:?} at {:#x}", entry.offset());
        counts.entries += 1;
    }
    assert_eq!(counts.entries, listing.entries.len());
    counts
}

/// The files that are mapped into this process and have code.
fn files() -> BTreeSet<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines()
        .filter(|line| line.contains(" r-xp "))
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[test]
fn rows_are_those_that_readelf_finds_in_every_file_of_the_process() {
    let files = files();
    assert!(files.len() > 1, "{files:?}");
    for path in files {
        let output = Command::new("readelf")
            .args(["--wide", "--debug-dump=frames-interp"])
            .arg(&path)
            .output();
        // It fails where a file names another one with more about it that is not there.
        let output = match output {
            Ok(output) if !output.stdout.is_empty() => output,
            failed => {
                println!("left out: readelf is missing or fails: {failed:?}");
                return;
            }
        };
        let listing = Listing::read(&String::from_utf8_lossy(&output.stdout));
        let Counts {
            entries,
            rows,
            compact,
        } = compare(&path, &listing);
        let interpreted = rows - compact;
        println!(
            "{}: {entries} entries, {rows} rows, {interpreted} of them interpreted",
            path.display()
        );
        assert!(entries > 0);
    }
}
