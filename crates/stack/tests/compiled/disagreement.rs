//! Stack maps and unwind tables that do not say the same of a frame are found out before anything
//! moves, by the walk with both.

use crate::guest::{Guest, World};
use gimli::write::{
    Address, CallFrameInstruction as Rule, CommonInformationEntry, EhFrame, EndianVec,
    FrameDescriptionEntry, FrameTable,
};
use gimli::{Format, RunTimeEndian};
use windrow_core::HeapError;
use windrow_stack::{CodeRange, Register, WalkFault};

/// The column of the return address.
const RETURN: gimli::Register = if cfg!(target_arch = "aarch64") {
    gimli::AArch64::X30
} else {
    gimli::X86_64::RA
};

/// An unwind table for all of a function: the frame's end in bytes from the frame pointer, and where
/// the caller's frame pointer and the return address lie, in bytes from there.
fn table(range: &CodeRange, end: i32, fp: i32, pc: i32) -> Vec<u8> {
    let encoding = gimli::Encoding {
        address_size: 8,
        format: Format::Dwarf32,
        version: 1,
    };
    let frame_pointer = gimli::Register(Register::FRAME_POINTER.dwarf());
    let mut shared = CommonInformationEntry::new(encoding, 1, -8, RETURN);
    shared.add_instruction(Rule::Cfa(frame_pointer, end));
    shared.add_instruction(Rule::Offset(frame_pointer, fp));
    shared.add_instruction(Rule::Offset(RETURN, pc));
    let len = u32::try_from(range.len).unwrap();
    let mut table = FrameTable::default();
    let shared = table.add_cie(shared);
    let start = Address::Constant(range.start as u64);
    table.add_fde(shared, FrameDescriptionEntry::new(start, len));
    let mut section = EhFrame::from(EndianVec::new(RunTimeEndian::default()));
    table.write_eh_frame(&mut section).unwrap();
    section.0.into_vec()
}

/// Calls `mid`, which calls `leaf`, which calls the host, with something else said of `mid`. What a
/// collection ends in there: the number of a frame with its function's name, and why.
fn collect(change: impl FnOnce(&mut CodeRange)) -> Result<u64, (u64, &'static str, &'static str)> {
    let mut world = World::new(true);
    world.code.say(world.shapes.mid, change);
    let [leaf, mid] = [world.shapes.leaf, world.shapes.mid].map(|id| world.code.bounds(id));
    let result = std::cell::Cell::new(Ok(0));
    let hook = |guest: &Guest<'_>, _, _| {
        result.set(match guest.collect(0) {
            Ok((_, frames)) => Ok(frames),
            Err(HeapError::CorruptStack { pc, frame, reason }) => {
                let function = match pc - 1 {
                    pc if leaf.contains(&pc) => "leaf",
                    pc if mid.contains(&pc) => "mid",
                    _ => "another",
                };
                Err((frame, function, reason))
            }
            Err(other) => panic!("{other}"),
        });
        Some(5)
    };
    let guest = Guest::new(&world, &hook);
    guest.call(world.shapes.mid, 0x1000, 0x2000).unwrap();
    result.get()
}

const DISAGREE: &str = WalkFault::Disagreement.reason();

#[test]
fn what_was_said_of_a_function_can_be_said_again() {
    assert_eq!(collect(|_| ()), Ok(3));
    let same = |range: &mut CodeRange| range.eh_frame = table(range, 16, -16, -8).into();
    assert_eq!(collect(same), Ok(3));
}

#[test]
fn an_unwind_table_with_the_wrong_end_of_a_frame_is_found_out() {
    // The return address is where it should be, so that the walk goes on.
    let wrong = |range: &mut CodeRange| range.eh_frame = table(range, 32, -32, -24).into();
    assert_eq!(collect(wrong), Err((1, "mid", DISAGREE)));
}

#[test]
fn an_unwind_table_with_the_wrong_place_of_a_register_is_found_out() {
    // The caller's frame pointer from where the return address is.
    let wrong = |range: &mut CodeRange| range.eh_frame = table(range, 16, -8, -8).into();
    assert_eq!(collect(wrong), Err((2, "another", DISAGREE)));
}

#[test]
fn a_function_without_an_unwind_table_is_found_out() {
    let missing = |range: &mut CodeRange| range.eh_frame = Vec::new().into();
    let fault = WalkFault::NoUnwindInfo.reason();
    assert_eq!(collect(missing), Err((1, "mid", fault)));
}

/// Both unwinders take a frame's size from its stack map, so they agree on a wrong one; one that is
/// too large reaches into the frame below. What a smaller one shows are stray roots.
#[test]
fn a_stack_map_with_a_frame_that_is_too_large_is_found_out() {
    let larger = |range: &mut CodeRange| {
        for safepoint in &mut range.safepoints {
            safepoint.frame_bytes = safepoint.frame_bytes.map(|bytes| bytes + 64);
        }
    };
    assert_eq!(
        collect(larger),
        Err((1, "mid", WalkFault::Overlap.reason()))
    );
}
