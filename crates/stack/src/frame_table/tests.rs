//! Tests of indexes on real sections, whole and damaged.

use super::*;
use crate::CodeAddress;
use crate::made_up::Words;
use crate::walk::WORD_BYTES;
use object::{Object, ObjectSection};
use proptest::prelude::*;
use std::sync::OnceLock;

/// The lowest address of the made-up stack.
const BASE: usize = 0x7000_0000;

/// More reads than one step can make: each of some twenty rules may be an expression of a thousand
/// operations.
const MOST_READS: usize = 100_000;

/// A section, where it lies, and the bytes of its entries by offset and length: those that others
/// share, and those of code with the shared one's position in the list.
struct Real {
    bytes: Vec<u8>,
    address: usize,
    shared: Vec<(usize, usize)>,
    entries: Vec<(usize, usize, usize)>,
}

/// The section of this executable, and the C library's.
fn real() -> &'static [Real] {
    static REAL: OnceLock<Vec<Real>> = OnceLock::new();
    REAL.get_or_init(|| {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let libc = maps.lines().find(|line| line.contains("/libc.so"));
        let libc = libc.and_then(|line| line.split_whitespace().nth(5));
        ["/proc/self/exe"]
            .into_iter()
            .chain(libc)
            .map(Real::read)
            .collect()
    })
}

impl Real {
    fn read(path: &str) -> Self {
        let file = std::fs::read(path).unwrap();
        let file = object::File::parse(&*file).unwrap();
        let section = file.section_by_name(".eh_frame").unwrap();
        let mut real = Self {
            bytes: section.uncompressed_data().unwrap().into_owned(),
            address: usize::try_from(section.address()).unwrap(),
            shared: Vec::new(),
            entries: Vec::new(),
        };
        let mut at = 0;
        while let Some(len @ 1..) = real.word(at) {
            let size = len as usize + 4;
            match real.word(at + 4).unwrap() {
                0 => real.shared.push((at, size)),
                back => {
                    let shared = at + 4 - back as usize;
                    let position = real.shared.iter().position(|entry| entry.0 == shared);
                    real.entries.push((at, size, position.unwrap()));
                }
            }
            at += size;
        }
        real
    }

    fn word(&self, at: usize) -> Option<u32> {
        let word = self.bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(word.try_into().unwrap()))
    }

    /// A section of these entries, in this order, that lies where the whole one does.
    fn pick(&self, picked: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let shared: Vec<_> = self
            .shared
            .iter()
            .map(|&(at, size)| {
                let moved = bytes.len();
                bytes.extend(&self.bytes[at..at + size]);
                moved
            })
            .collect();
        for entry in picked {
            let (from, size, cie) = self.entries[entry % self.entries.len()];
            let to = bytes.len();
            bytes.extend(&self.bytes[from..from + size]);
            let back = u32::try_from(to + 4 - shared[cie]).unwrap();
            bytes[to + 4..to + 8].copy_from_slice(&back.to_ne_bytes());
            // The code's place is told by its distance, in four bytes, from here.
            let distance = self.word(from + 8).unwrap();
            let moved = u32::try_from(from)
                .unwrap()
                .wrapping_sub(u32::try_from(to).unwrap());
            let distance = distance.wrapping_add(moved);
            bytes[to + 8..to + 12].copy_from_slice(&distance.to_ne_bytes());
        }
        bytes
    }
}

/// What is done to bytes.
#[derive(Clone, Debug)]
struct Damage {
    flips: Vec<(prop::sample::Index, u8)>,
    end: Option<prop::sample::Index>,
}

impl Damage {
    fn strategy() -> impl Strategy<Value = Self> {
        let flips = prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..6);
        let end = prop::option::weighted(0.2, any::<prop::sample::Index>());
        (flips, end).prop_map(|(flips, end)| Self { flips, end })
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        if let Some(end) = self.end {
            bytes.truncate(end.index(bytes.len()));
        }
        for (place, bit) in &self.flips {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] ^= 1 << bit;
            }
        }
    }
}

/// A stack, and the registers of a frame on it.
#[derive(Clone, Debug)]
struct State {
    words: Vec<usize>,
    registers: Vec<Option<usize>>,
    exact: bool,
}

impl State {
    fn strategy() -> impl Strategy<Value = Self> {
        let word = prop_oneof![
            8 => (0..128_usize).prop_map(|word| BASE + word * WORD_BYTES),
            1 => any::<usize>(),
            1 => 0..100_usize,
        ];
        let registers =
            prop::collection::vec(prop::option::weighted(0.9, word.clone()), Register::COUNT);
        (
            prop::collection::vec(word, 0..128),
            registers,
            any::<bool>(),
        )
            .prop_map(|(words, registers, exact)| Self {
                words,
                registers,
                exact,
            })
    }

    fn at(&self, address: usize) -> Registers {
        let mut registers = Registers::at(if self.exact {
            CodeAddress::Exact(address)
        } else {
            CodeAddress::Return(address.wrapping_add(1))
        });
        for (register, word) in Register::BY_POSITION.into_iter().zip(&self.registers) {
            if let Some(word) = word {
                registers.set(register, *word);
            }
        }
        registers
    }
}

/// Looks up the beginning, middle and end of all covered code, and steps from there. Whether the
/// bytes were a table.
fn check(bytes: Vec<u8>, address: usize, state: &State) -> bool {
    let Ok(table) = FrameTable::new(bytes, address) else {
        return false;
    };
    let memory = Words::new(BASE, state.words.clone());
    for (start, end) in table.covered() {
        assert!(start < end);
        for address in [start, start.midpoint(end), end - 1] {
            assert!(table.entry(address).is_some());
            let mut registers = state.at(address);
            let sp = registers.sp();
            memory.reads.set(0);
            let step = table.caller(&memory, &mut registers);
            assert!(memory.reads.get() < MOST_READS);
            if let Ok(Some(end)) = step {
                assert!(end >= sp && registers.sp() >= sp);
            }
        }
    }
    true
}

#[test]
fn every_entry_of_real_sections_is_found_and_none_between() {
    for real in real() {
        let table = FrameTable::new(real.bytes.clone(), real.address).unwrap();
        let covered: Vec<_> = table.covered().collect();
        assert!(covered.len() > 1000);
        assert!(covered.is_sorted());
        for two in covered.windows(2) {
            let [(start, end), (next, _)] = two else {
                unreachable!()
            };
            assert!(end <= next);
            assert!(table.entry(*start).is_some());
            assert!(table.entry(end - 1).is_some());
            assert_eq!(table.entry(*end).is_some(), end == next);
        }
    }
}

#[test]
fn a_picked_section_says_what_the_whole_one_says() {
    for real in real() {
        let whole = FrameTable::new(real.bytes.clone(), real.address).unwrap();
        let picked: Vec<_> = (0..real.entries.len()).step_by(7).rev().collect();
        let part = FrameTable::new(real.pick(&picked), real.address).unwrap();
        let scratch = &mut UnwindScratch::default();
        for (start, end) in part.covered() {
            for address in [start, end - 1] {
                match part.unwinding(address, scratch) {
                    Unwinding::Compact(row) => {
                        let same = whole.unwinding(address, scratch);
                        assert_eq!(same, Unwinding::Compact(row));
                    }
                    other => assert!(matches!(other, Unwinding::Interpreted(_))),
                }
            }
        }
    }
}

#[test]
fn code_covered_twice_is_refused() {
    let real = &real()[0];
    let error = FrameTable::new(real.pick(&[5, 5]), real.address).unwrap_err();
    assert!(
        matches!(error, StackError::BadUnwindTable { .. }),
        "{error}"
    );
}

#[test]
fn an_error_tells_the_place_of_the_entry() {
    let real = &real()[0];
    let whole = real.pick(&[5, 6]);
    let last = real.pick(&[5]).len();
    for cut in [2, 9] {
        let error = FrameTable::new(whole[..last + cut].to_vec(), real.address).unwrap_err();
        let StackError::BadUnwindTable { offset, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(offset, last);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_sections_are_refused_or_answer(
        picked in prop::collection::vec(any::<usize>(), 1..8),
        section in any::<prop::sample::Index>(),
        damage in Damage::strategy(),
        state in State::strategy(),
    ) {
        let real = &real()[section.index(real().len())];
        let mut bytes = real.pick(&picked);
        damage.apply(&mut bytes);
        check(bytes, real.address, &state);
    }

    #[test]
    fn random_bytes_are_refused_or_answer(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        plausible in any::<bool>(),
        address in any::<usize>(),
        state in State::strategy(),
    ) {
        if plausible {
            // A beginning shared by entries that follow: absolute addresses, anything else random.
            let mut start = vec![20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0x78, 16, 12, 7, 8, 0x90, 1];
            start.resize(24, 0);
            if bytes.len() > 16 {
                let len = u32::try_from(bytes.len() - 4).unwrap();
                bytes[..4].copy_from_slice(&len.to_ne_bytes());
                bytes[4..8].copy_from_slice(&28_u32.to_ne_bytes());
            }
            bytes = [start, bytes].concat();
        }
        check(bytes, address, &state);
    }
}
