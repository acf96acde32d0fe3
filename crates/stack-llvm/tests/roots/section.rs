//! The section that the linker left, against the functions it is of.

use crate::code::CODE;
use proptest::prelude::*;
use std::collections::BTreeMap;
use windrow_stack::{Encoding, Place, Register, STATEPOINT_ID, StackMaps};

const WIDE: Encoding = Encoding::BasePlusOffset64;

/// Functions and their records.
const RECORDS: [(&str, usize); 10] = [
    ("deoptimise", 1),
    ("interior", 2),
    ("make_list", 2),
    ("make_tree", 3),
    ("observed", 1),
    ("several", 4),
    ("sum_array", 1),
    ("sum_list", 1),
    ("sum_tree", 3),
    ("variable", 1),
];

#[test]
fn every_record_is_of_a_function_that_was_linked() {
    let code = &*CODE;
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for function in code.maps.functions() {
        let symbol = &code.image.functions[&function.address()];
        found.insert(symbol.name.clone(), function.records().len());
        for record in function.records() {
            assert!((1..=symbol.len).contains(&(record.instruction_offset as usize)));
            assert_eq!(
                record.id == STATEPOINT_ID,
                !symbol.name.ends_with("observed")
            );
        }
    }
    let expected = ["windrow_registers_", "windrow_spilled_"]
        .iter()
        .flat_map(|version| RECORDS.map(|(name, count)| (format!("{version}{name}"), count)));
    assert_eq!(found, expected.collect());
}

#[test]
fn stack_sizes_are_those_of_the_unwind_tables() {
    let code = &*CODE;
    for function in code.maps.functions() {
        let stack = i64::try_from(function.stack_bytes().unwrap()).unwrap();
        for point in function.safepoints(WIDE, |id| id == STATEPOINT_ID).unwrap() {
            let pc = function.address() + point.return_offset as usize;
            let (register, offset) = code.unwinding(pc).cfa;
            assert_eq!(register, Register::STACK_POINTER);
            assert_eq!(offset, stack + 8);
            for location in &point.locations {
                if let Place::Memory(register, offset) = location.place() {
                    assert_eq!(register, Register::STACK_POINTER);
                    assert!((0..stack).contains(&i64::from(offset)));
                }
            }
        }
    }
}

#[test]
fn one_version_spills_and_the_other_has_references_in_registers() {
    let code = &*CODE;
    let mut registers = 0;
    for (address, locations) in &code.safepoints {
        let (_, symbol) = code.image.functions.range(..address).next_back().unwrap();
        let spills = symbol.name.starts_with("windrow_spilled_");
        for location in locations {
            let held = matches!(location.place(), Place::Register(_));
            assert!(!(spills && held));
            registers += usize::from(held);
        }
    }
    assert!(registers > 20, "{registers}");
}

#[test]
fn the_safepoints_of_a_range_are_those_of_its_functions() {
    let code = &*CODE;
    let addresses = || code.maps.functions().map(|function| function.address());
    let start = addresses().min().unwrap();
    let len = addresses().max().unwrap() - start + 1;
    let found = code
        .maps
        .safepoints(start, len, WIDE, |id| id == STATEPOINT_ID);
    let found: BTreeMap<_, _> = (found.unwrap().into_iter())
        .map(|point| {
            (
                start + point.return_offset as usize,
                point.locations.to_vec(),
            )
        })
        .collect();
    assert_eq!(found, code.safepoints);
    assert_eq!(found.len(), 36);
}

#[test]
fn values_for_deoptimisation_are_apart_from_references() {
    let code = &*CODE;
    let named = |name: &str| {
        let mut functions = code.maps.functions();
        let function = functions
            .find(|function| code.image.functions[&function.address()].name == name)
            .unwrap();
        function.records().next().unwrap().statepoint().unwrap()
    };
    for version in ["spilled", "registers"] {
        let point = named(&format!("windrow_{version}_deoptimise"));
        assert_eq!((point.deoptimisation.len(), point.pairs.len()), (5, 2));
        let constant = windrow_stack::RawLocation::Constant(0x0123_4567_89ab_cdef);
        assert_eq!(point.deoptimisation[1], constant);
        let point = named(&format!("windrow_{version}_variable"));
        assert_eq!((point.pairs.len(), point.variables.len()), (0, 1));
    }
}

proptest! {
    #[test]
    fn a_damaged_section_is_an_error_or_a_map(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..8),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut section = CODE.image.stack_maps().unwrap().bytes.to_vec();
        for (place, bit) in flips {
            let place = place.index(section.len());
            section[place] ^= 1 << bit;
        }
        if cut {
            section.truncate(end.index(section.len()));
        }
        if let Ok(maps) = StackMaps::parse(&section) {
            let records = maps.functions().map(|function| function.records().len());
            prop_assert!(records.sum::<usize>() * 24 <= section.len());
            let safepoints = maps.safepoints(0, usize::MAX, WIDE, |_| true);
            let locations = safepoints.iter().flatten().map(|point| point.locations.len());
            prop_assert!(locations.sum::<usize>() * 12 <= section.len());
        }
    }
}
