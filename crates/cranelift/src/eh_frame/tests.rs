//! Sections read back: what they say of where each function is, and of its frames at calls.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::{
    IsaOptions, compile, entry_trampoline, exit_trampoline, host_trampoline, native_isa,
    throw_trampoline,
};
use cranelift_codegen::Context;
use cranelift_codegen::isa::OwnedTargetIsa;
use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame as ReadEhFrame, EndianSlice, NativeEndian, Register,
    RegisterRule, UnwindContext, UnwindSection, UnwindTableRow,
};

/// Functions with frames of every kind: without calls, with calls, with slots and values kept across
/// calls, with arguments on the stack, and one that makes room for the arguments of a tail call.
const FUNCTIONS: &str = "
function %leaf(i64) -> i64 tail {
block0(v0: i64):
    return v0
}
function %keeps(i64, i64) -> i64 tail {
    ss0 = explicit_slot 40
    sig0 = (i64, i64) -> i64 tail
    fn0 = u0:0 sig0
block0(v0: i64, v1: i64):
    v2 = call fn0(v0, v1)
    v5 = stack_addr.i64 ss0
    store notrap v2, v5
    v3 = call fn0(v2, v1)
    v4 = iadd v0, v3
    return v4
}
function %passes(i64) -> i64 tail {
    sig0 = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64 tail
    fn0 = u0:0 sig0
block0(v0: i64):
    v1 = call fn0(v0, v0, v0, v0, v0, v0, v0, v0, v0, v0, v0, v0)
    return v1
}
function %grows(i64) -> i64 tail {
    sig0 = (i64) -> i64 tail
    sig1 = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64 tail
    fn0 = u0:0 sig0
    fn1 = u0:1 sig1
block0(v0: i64):
    v1 = call fn0(v0)
    return_call fn1(v0, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1)
}
function %saves(i64) -> i64 system_v {
    sig0 = (i64) -> i64 tail
    fn0 = u0:0 sig0
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = iadd v0, v1
    return v2
}
";

type Section<'a> = ReadEhFrame<EndianSlice<'a, NativeEndian>>;

fn isa() -> OwnedTargetIsa {
    native_isa(&IsaOptions::default()).unwrap()
}

/// The functions above and the trampolines of one of them.
fn functions(isa: &dyn TargetIsa) -> Vec<CompiledFunction> {
    let mut functions = cranelift_reader::parse_functions(FUNCTIONS).unwrap();
    let signature = functions[1].signature.clone();
    functions.extend([
        entry_trampoline(isa, &signature),
        exit_trampoline(isa, &functions[4].signature, 0x1000),
        host_trampoline(isa, &signature, 0x1000),
        throw_trampoline(isa, 0x1000, 0x1000),
    ]);
    let compiled = functions.into_iter().map(|function| {
        let name = function.name.clone();
        compile(&mut Context::for_function(function), isa)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    compiled.collect()
}

/// The functions at addresses, a gap between one and the next.
fn placed(functions: &[CompiledFunction]) -> Vec<(usize, &CompiledFunction)> {
    let mut placed = Vec::new();
    let mut address = 0x7f00_1234_0000_usize;
    for function in functions {
        placed.push((address, function));
        address = (address + function.code.len() + 16).next_multiple_of(16);
    }
    placed
}

/// What the section says of the instruction at `address`.
fn row(section: &Section<'_>, address: usize) -> UnwindTableRow<usize> {
    section
        .unwind_info_for_address(
            &BaseAddresses::default(),
            &mut UnwindContext::new(),
            address as u64,
            Section::cie_from_offset,
        )
        .unwrap_or_else(|error| panic!("{address:#x}: {error}"))
        .clone()
}

#[test]
fn each_function_has_an_entry_with_its_range() {
    let isa = isa();
    let functions = functions(&*isa);
    let placed = placed(&functions);
    let bytes = UnwindTables::new(&*isa)
        .eh_frame(placed.iter().copied())
        .unwrap();
    let section = Section::new(&bytes, NativeEndian);
    let bases = BaseAddresses::default();
    let mut entries = section.entries(&bases);
    let mut ranges = Vec::new();
    let mut common = 0;
    while let Some(entry) = entries.next().unwrap() {
        match entry {
            CieOrFde::Cie(_) => common += 1,
            CieOrFde::Fde(partial) => {
                let fde = partial.parse(Section::cie_from_offset).unwrap();
                ranges.push((fde.initial_address(), fde.len()));
            }
        }
    }
    let expected: Vec<_> = placed
        .iter()
        .map(|(address, function)| (*address as u64, function.code.len() as u64))
        .collect();
    assert_eq!((common, ranges), (1, expected));
    assert!(bytes.ends_with(&[0; 4]), "it is terminated");
    assert_ne!(bytes[..4], [0; 4], "it is not taken for an empty one");
    for (address, function) in placed {
        let outside = [address - 1, address + function.code.len()];
        for at in outside {
            let found = section.fde_for_address(&bases, at as u64, Section::cie_from_offset);
            assert!(found.is_err(), "{at:#x}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn at_every_call_the_frame_pointer_leads_to_the_caller() {
    use gimli::X86_64;
    let isa = isa();
    let functions = functions(&*isa);
    let placed = placed(&functions);
    let bytes = UnwindTables::new(&*isa)
        .eh_frame(placed.iter().copied())
        .unwrap();
    let section = Section::new(&bytes, NativeEndian);
    let cfa = |register: Register, offset| CfaRule::RegisterAndOffset { register, offset };
    let mut calls = 0;
    for (address, function) in placed {
        let first = row(&section, address);
        assert_eq!(*first.cfa(), cfa(X86_64::RSP, 8));
        assert_eq!(first.register(X86_64::RA), Some(RegisterRule::Offset(-8)));
        for safepoint in &function.safepoints {
            // The call itself: what follows it may be another function's.
            let at = address + safepoint.return_offset as usize - 1;
            let row = row(&section, at);
            assert_eq!(*row.cfa(), cfa(X86_64::RBP, 16), "{at:#x}");
            assert_eq!(row.register(X86_64::RA), Some(RegisterRule::Offset(-8)));
            assert_eq!(row.register(X86_64::RBP), Some(RegisterRule::Offset(-16)));
            calls += 1;
        }
    }
    assert!(calls >= functions.len(), "{calls}");
}

/// A function that keeps a value in a register of its caller's during a call says where the caller's
/// lies.
#[cfg(target_arch = "x86_64")]
#[test]
fn what_was_in_a_register_that_a_call_preserves_is_found_in_the_frame() {
    use gimli::X86_64;
    let isa = isa();
    let functions = functions(&*isa);
    let placed = placed(&functions);
    let bytes = UnwindTables::new(&*isa)
        .eh_frame(placed.iter().copied())
        .unwrap();
    let section = Section::new(&bytes, NativeEndian);
    // `%keeps` and `%saves`, of the two conventions, and `%grows`, whose frame moves down.
    for position in [1, 3, 4] {
        let (address, function) = placed[position];
        let call = &function.safepoints[0];
        let row = row(&section, address + call.return_offset as usize - 1);
        let preserved = [X86_64::RBX, X86_64::R12, X86_64::R13, X86_64::R14];
        let offsets = preserved.map(|register| match row.register(register) {
            Some(RegisterRule::Offset(offset)) => Some(offset),
            None => None,
            rule => panic!("{position}: {register:?} is at {rule:?}"),
        });
        let lowest = -16 - i64::from(call.frame_bytes.unwrap());
        let saved: Vec<i64> = offsets.into_iter().flatten().collect();
        assert!(!saved.is_empty(), "{position}");
        assert!(saved.iter().all(|offset| (lowest..-16).contains(offset)));
        assert_eq!(
            row.register(X86_64::R15),
            None,
            "nobody saves the pinned register"
        );
    }
}

#[test]
fn there_is_no_section_without_functions() {
    let isa = isa();
    let tables = UnwindTables::new(&*isa);
    assert_eq!(tables.eh_frame([]).unwrap(), []);
    let mut functions = functions(&*isa);
    for function in &mut functions {
        function.unwind = None;
    }
    let all = functions.iter().map(|function| (0x1000, function));
    assert_eq!(tables.eh_frame(all).unwrap(), []);
}
