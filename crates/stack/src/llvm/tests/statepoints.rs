//! What records of statepoints say, in terms of walks.

use super::*;

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
