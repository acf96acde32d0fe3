//! Tests on sections made by hand. A section that LLVM made is in `crates/stack-llvm`.

use super::*;
use crate::location::Location;
use crate::registers::Register;

const WIDE: Encoding = Encoding::BasePlusOffset64;
/// The numbers in DWARF of the stack pointer, of a register that calls preserve, and of one that
/// they do not.
#[cfg(not(target_arch = "aarch64"))]
const NUMBERS: (u16, u16, u16) = (7, 3, 0);
#[cfg(target_arch = "aarch64")]
const NUMBERS: (u16, u16, u16) = (31, 19, 0);
const SP: u16 = NUMBERS.0;
const PRESERVED: u16 = NUMBERS.1;
const CLOBBERED: u16 = NUMBERS.2;

/// Kind, size, register, offset.
type Bytes = (u8, u16, u16, i32);

const fn constant(value: i32) -> Bytes {
    (4, 8, 0, value)
}

const fn spilled(offset: i32) -> Bytes {
    (3, 8, SP, offset)
}

const NONE: [Bytes; 3] = [constant(0); 3];

#[derive(Clone, Debug)]
struct Record {
    id: u64,
    at: u32,
    locations: Vec<Bytes>,
    live_outs: Vec<(u16, u8)>,
}

fn statepoint(at: u32, references: &[Bytes]) -> Record {
    Record {
        id: STATEPOINT_ID,
        at,
        locations: [&NONE, references].concat(),
        live_outs: vec![],
    }
}

/// One module's table.
fn table(functions: &[(u64, u64, Vec<Record>)], constants: &[i64]) -> Vec<u8> {
    let mut bytes = vec![3, 0, 0, 0];
    let records: usize = functions.iter().map(|function| function.2.len()).sum();
    for count in [functions.len(), constants.len(), records] {
        bytes.extend(u32::try_from(count).unwrap().to_le_bytes());
    }
    for (address, stack, records) in functions {
        for word in [*address, *stack, records.len() as u64] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes.extend(constants.iter().flat_map(|constant| constant.to_le_bytes()));
    for record in functions.iter().flat_map(|function| &function.2) {
        put_record(&mut bytes, record);
    }
    bytes
}

fn put_record(bytes: &mut Vec<u8>, record: &Record) {
    bytes.extend(record.id.to_le_bytes());
    bytes.extend(record.at.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(u16::try_from(record.locations.len()).unwrap().to_le_bytes());
    for (kind, size, register, offset) in &record.locations {
        bytes.extend([*kind, 0]);
        bytes.extend(size.to_le_bytes());
        bytes.extend(register.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(offset.to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend([0, 0]);
    bytes.extend(u16::try_from(record.live_outs.len()).unwrap().to_le_bytes());
    for (register, size) in &record.live_outs {
        bytes.extend(register.to_le_bytes());
        bytes.extend([0, *size]);
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

fn slot(offset: i32) -> Location {
    Location::memory(Register::STACK_POINTER, offset, WIDE)
}

#[test]
fn every_kind_of_location_is_read() {
    let record = Record {
        id: 99,
        at: 7,
        locations: vec![
            (1, 8, 5, 0),
            (2, 8, 6, -16),
            (3, 4, SP, 24),
            (4, 8, 0, -1),
            (5, 8, 0, 1),
        ],
        live_outs: vec![(3, 8), (17, 16)],
    };
    let empty = Record {
        locations: vec![],
        live_outs: vec![],
        ..record.clone()
    };
    let functions = [
        (0x1000, u64::MAX, vec![record, empty]),
        (0x2000, 56, vec![]),
    ];
    let maps = StackMaps::parse(&table(&functions, &[5, i64::MIN])).unwrap();
    let functions: Vec<_> = maps.functions().collect();
    assert_eq!(
        (functions[0].address(), functions[1].address()),
        (0x1000, 0x2000)
    );
    assert_eq!(
        (functions[0].stack_bytes(), functions[1].stack_bytes()),
        (None, Some(56))
    );
    assert_eq!(functions[1].records().len(), 0);
    let records: Vec<_> = functions[0].records().collect();
    assert_eq!((records[0].id, records[0].instruction_offset), (99, 7));
    let (register, bytes) = (5, 8);
    let expected = [
        RawLocation::Register {
            register,
            bytes,
            bit_offset: 0,
        },
        RawLocation::Direct {
            register: 6,
            bytes,
            offset: -16,
        },
        RawLocation::Indirect {
            register: SP,
            bytes: 4,
            offset: 24,
        },
        RawLocation::Constant(-1),
        RawLocation::Constant(i64::MIN),
    ];
    assert_eq!(records[0].locations, expected);
    let live = [(3, 8), (17, 16)].map(|(register, bytes)| LiveOut { register, bytes });
    assert_eq!(records[0].live_outs, live);
    assert!(records[1].locations.is_empty() && records[1].live_outs.is_empty());
}

#[test]
fn tables_of_several_modules_follow_one_another() {
    let one = table(&[(0x1000, 8, vec![statepoint(5, &[])])], &[1]);
    let other = table(&[(0x3000, 8, vec![statepoint(6, &[spilled(0); 2])])], &[]);
    for padding in [0, 8, 40] {
        let zeros = vec![0; padding];
        let section = [&*one, &zeros, &other, &zeros, &[0; 3]].concat();
        let maps = StackMaps::parse(&section).unwrap();
        assert_eq!(maps.functions().len(), 2);
        let safepoints = maps.safepoints(0x1000, 0x4000, WIDE, |_| true).unwrap();
        let offsets: Vec<u32> = safepoints.iter().map(|point| point.return_offset).collect();
        assert_eq!(offsets, [5, 0x2006]);
        assert_eq!(safepoints[1].locations.as_slice(), [slot(0)]);
        let elsewhere = maps.safepoints(0x1001, 0x1fff, WIDE, |_| true).unwrap();
        assert_eq!(elsewhere, []);
    }
    assert_eq!(StackMaps::parse(&[]).unwrap(), StackMaps::default());
    assert_eq!(StackMaps::parse(&[0; 27]).unwrap(), StackMaps::default());
}

#[test]
fn a_wrong_section_is_refused_with_the_place() {
    let good = table(
        &[(0x1000, 8, vec![statepoint(4, &[(5, 8, 0, 0); 2])])],
        &[0],
    );
    assert!(StackMaps::parse(&good).is_ok());
    let broken = |at: usize, byte: u8| {
        let mut section = good.clone();
        section[at] = byte;
        StackMaps::parse(&section).unwrap_err()
    };
    let header = |version, reserved| StackMapError::Header {
        offset: 0,
        version,
        reserved,
    };
    assert_eq!(broken(0, 2), header(2, [0; 3]));
    assert_eq!(broken(0, 0), header(0, [0; 3]));
    assert_eq!(broken(2, 9), header(3, [0, 9, 0]));
    let cut = |offset, what| StackMapError::Truncated {
        offset,
        what,
        len: good.len(),
    };
    assert_eq!(broken(7, 255), cut(16, "the functions"));
    assert_eq!(broken(11, 255), cut(40, "the constants"));
    assert_eq!(broken(15, 255), cut(48, "the records"));
    assert_eq!(broken(63, 255), cut(64, "a record's locations"));
    let count = StackMapError::RecordCount {
        offset: 0,
        records: 1,
    };
    assert_eq!(broken(32, 2), count);
    assert_eq!(broken(39, 255), count);
    assert_eq!(
        broken(100, 6),
        StackMapError::LocationKind {
            offset: 100,
            kind: 6
        }
    );
    let index = StackMapError::ConstantIndex {
        offset: 100,
        index: 1,
        constants: 1,
    };
    assert_eq!(broken(108, 1), index);
    for len in 1..good.len() {
        let error = StackMaps::parse(&good[..len]).unwrap_err();
        assert!(
            matches!(error, StackMapError::Truncated { .. }),
            "{len}: {error}"
        );
    }
    let mut behind = good.clone();
    behind.extend([0, 0, 0, 3]);
    let error = StackMaps::parse(&behind).unwrap_err();
    assert!(
        matches!(error, StackMapError::Header { version: 0, .. }),
        "{error}"
    );
}

mod damage;
mod statepoints;
