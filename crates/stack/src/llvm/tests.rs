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

/// The locations of one statepoint with these references.
fn locations(references: &[Bytes]) -> Result<Vec<Location>, StackMapError> {
    let section = table(
        &[(0x1000, 8, vec![statepoint(16, references)])],
        &[UNDEFINED],
    );
    let maps = StackMaps::parse(&section).unwrap();
    let safepoints = maps.safepoints(0x1000, 64, WIDE, |id| id == STATEPOINT_ID)?;
    assert_eq!(safepoints[0].return_offset, 16);
    Ok(safepoints[0].locations.to_vec())
}

fn reason(references: &[Bytes]) -> &'static str {
    match locations(references).unwrap_err() {
        StackMapError::Statepoint { reason, offset, .. } => {
            assert_eq!(offset, 48);
            reason
        }
        other => panic!("{other}"),
    }
}

const UNDEFINED: i64 = 0xfefe_fefe;

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
fn pairs_become_references_and_what_is_derived_from_them() {
    let register = (1, 8, PRESERVED, 0);
    let held = Location::register(Register::from_dwarf(PRESERVED).unwrap(), WIDE);
    assert_eq!(locations(&[spilled(8); 2]).unwrap(), [slot(8)]);
    assert_eq!(locations(&[register; 2]).unwrap(), [held]);
    let narrow = (3, 4, SP, 12);
    assert_eq!(locations(&[narrow; 2]).unwrap(), [Location::slot(12)]);
    let derived = slot(16).derived_from(1).unwrap();
    assert_eq!(
        locations(&[register, register, spilled(8), spilled(16)]).unwrap(),
        [held, slot(8), derived]
    );
    // The pair of the base itself follows, and the pair once more.
    let again = [
        register,
        register,
        spilled(8),
        spilled(16),
        spilled(8),
        spilled(8),
        spilled(8),
        spilled(16),
    ];
    assert_eq!(locations(&again).unwrap(), [held, slot(8), derived]);
}

#[test]
fn a_place_that_is_a_base_is_derived_from_nothing() {
    let both = [slot(0), slot(8)];
    assert_eq!(
        locations(&[spilled(0), spilled(8), spilled(8), spilled(8)]).unwrap(),
        both
    );
    assert_eq!(
        locations(&[spilled(8), spilled(8), spilled(0), spilled(8)]).unwrap(),
        [slot(8), slot(0)]
    );
}

#[test]
fn constants_are_no_references_of_objects() {
    let undefined = (5, 8, 0, 0);
    assert_eq!(locations(&[constant(0); 2]).unwrap(), []);
    assert_eq!(locations(&[undefined; 2]).unwrap(), []);
    assert_eq!(locations(&[constant(0), spilled(0)]).unwrap(), []);
    assert_eq!(locations(&[spilled(8), constant(0)]).unwrap(), [slot(8)]);
    assert_eq!(
        reason(&[constant(8); 2]),
        "a reference is a constant other than null"
    );
}

#[test]
fn variables_on_the_stack_come_after_the_pairs() {
    let variable = (2, 8, SP, 24);
    let found = locations(&[spilled(0), spilled(0), variable, (2, 8, SP, 32)]).unwrap();
    assert_eq!(found, [slot(0), slot(24), slot(32)]);
    assert_eq!(locations(&[variable]).unwrap(), [slot(24)]);
    let wrong = "an address on the stack is not a reference";
    assert_eq!(reason(&[variable, variable, spilled(0), spilled(0)]), wrong);
    let wrong = "a reference has a base and no derived pointer";
    assert_eq!(reason(&[spilled(0), variable]), wrong);
}

#[test]
fn values_for_deoptimisation_are_no_roots() {
    let mut record = statepoint(
        16,
        &[(1, 8, CLOBBERED, 0), (2, 8, SP, 8), spilled(0), spilled(0)],
    );
    record.locations[2] = constant(2);
    let section = table(&[(0x1000, 8, vec![record.clone()])], &[]);
    let maps = StackMaps::parse(&section).unwrap();
    let function = maps.functions().next().unwrap();
    let found = function.records().next().unwrap().statepoint().unwrap();
    assert_eq!((found.calling_convention, found.flags), (0, 0));
    assert_eq!((found.deoptimisation.len(), found.pairs.len()), (2, 2));
    assert_eq!(found.locations(WIDE).unwrap().as_slice(), [slot(0)]);
    for wrong in [5, -1] {
        record.locations[2] = constant(wrong);
        let section = table(&[(0x1000, 8, vec![record.clone()])], &[]);
        let maps = StackMaps::parse(&section).unwrap();
        let error = maps.safepoints(0, usize::MAX, WIDE, |_| true).unwrap_err();
        assert!(error.to_string().contains("fewer values"), "{error}");
    }
}

#[test]
fn references_that_cannot_be_reached_are_refused() {
    let register = Err(StackMapError::Register {
        offset: 48,
        register: CLOBBERED,
    });
    assert_eq!(locations(&[(1, 8, CLOBBERED, 0); 2]), register);
    assert_eq!(locations(&[(3, 8, CLOBBERED, 0); 2]), register);
    let size = Err(StackMapError::ReferenceSize {
        offset: 48,
        bytes: 16,
    });
    assert_eq!(locations(&[(3, 16, SP, 0); 2]), size);
    assert_eq!(locations(&[(1, 16, PRESERVED, 0); 2]), size);
    let part = "a reference is in a part of a register or the stack pointer";
    assert_eq!(reason(&[(1, 4, PRESERVED, 8); 2]), part);
    assert_eq!(reason(&[(1, 8, SP, 0); 2]), part);
    let sizes = "a place, or a pair, has references of two sizes";
    assert_eq!(reason(&[(3, 4, SP, 0), spilled(8)]), sizes);
    assert_eq!(
        reason(&[spilled(0), spilled(0), (3, 4, SP, 0), (3, 4, SP, 0)]),
        sizes
    );
}

#[test]
fn a_derived_pointer_names_one_of_255_references() {
    let mut references: Vec<Bytes> = (0..254).flat_map(|slot| [spilled(8 * slot); 2]).collect();
    references.extend([spilled(8 * 254), spilled(4000)]);
    let found = locations(&references).unwrap();
    assert_eq!(found[255].base(), Some(254));
    references.splice(0..0, [spilled(5000); 2]);
    assert_eq!(
        reason(&references),
        "a derived pointer has its base behind 255 other references"
    );
}

#[test]
fn other_records_are_no_safepoints() {
    let other = Record {
        id: 99,
        ..statepoint(4, &[spilled(0)])
    };
    let section = table(&[(0x1000, 8, vec![other, statepoint(8, &[])])], &[]);
    let maps = StackMaps::parse(&section).unwrap();
    let points = maps
        .safepoints(0x1000, 16, WIDE, |id| id == STATEPOINT_ID)
        .unwrap();
    assert_eq!((points.len(), points[0].return_offset), (1, 8));
    assert!(maps.safepoints(0x1000, 16, WIDE, |_| true).is_err());
    let of_function = maps.functions().next().unwrap();
    assert_eq!(
        of_function
            .safepoints(WIDE, |id| id == STATEPOINT_ID)
            .unwrap(),
        points
    );
}

#[test]
fn a_repeated_record_is_one_safepoint() {
    let twice = vec![statepoint(8, &[spilled(0); 2]); 2];
    let maps = StackMaps::parse(&table(&[(0x1000, 8, twice)], &[])).unwrap();
    assert_eq!(maps.safepoints(0, 0x2000, WIDE, |_| true).unwrap().len(), 1);
}

#[test]
fn a_call_too_far_from_the_start_is_refused() {
    let section = table(
        &[(u64::from(u32::MAX) + 0x1000, 8, vec![statepoint(8, &[])])],
        &[],
    );
    let maps = StackMaps::parse(&section).unwrap();
    let far = StackMapError::FarCall {
        offset: 40,
        start: 0x1000,
    };
    assert_eq!(
        maps.safepoints(0x1000, usize::MAX, WIDE, |_| true),
        Err(far)
    );
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
