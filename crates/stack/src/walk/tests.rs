//! Tests of the walker on made-up stacks.

use super::*;
use crate::backtrace::{BACKTRACE_FRAMES, Backtrace};
use crate::code::{CodeRange, FunctionRange, Handler, Safepoint};
use crate::landing::{Landing, innermost_handler};
use crate::made_up::Words;
use crate::registry::{CodeHandle, CodeRegistry};
use crate::walker::{Unwinder, Walker};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;
use windrow_core::HeapError;

const BASE: usize = 0x7f00_0000;
const CODE: usize = 0x40_0000;
const CODE_BYTES: usize = 0x1000;
/// Calls with and without references, and their frame sizes.
const SITES: [(u32, u32); 4] = [(0x10, 16), (0x20, 48), (0x30, 0), (0x1000, 32)];

fn registry() -> (Arc<CodeRegistry>, CodeHandle) {
    let registry = CodeRegistry::new();
    let mut safepoints = Vec::new();
    for (return_offset, frame_bytes) in SITES {
        let locations: SmallVec<[Location; 4]> = if frame_bytes > 8 {
            smallvec![Location::slot(8), Location::slot(0)]
        } else {
            smallvec![]
        };
        safepoints.push(Safepoint {
            return_offset,
            frame_bytes: Some(frame_bytes),
            locations,
        });
    }
    let functions = vec![FunctionRange {
        start: 0,
        len: 0x1000,
        id: 77,
    }];
    let code = CodeRange {
        start: CODE,
        len: CODE_BYTES,
        safepoints,
        // Of the call at the second site, and of the one at the last.
        handlers: [0x20, 0x1000]
            .map(|return_offset| Handler {
                return_offset,
                handler_offset: 0x800,
            })
            .to_vec(),
        traps: vec![],
        functions,
        eh_frame: Arc::default(),
    };
    let handle = registry.register(code).unwrap();
    (registry, handle)
}

/// A stack of frames for calls at these sites, innermost first, each with some words to spare.
fn stack(frames: &[(usize, usize)]) -> (Words, Activation, Vec<(usize, usize)>) {
    let mut words = Vec::new();
    let mut links: Vec<(usize, usize)> = Vec::new();
    for &(site, spare) in frames {
        let (return_offset, frame_bytes) = SITES[site];
        words.resize(
            words.len() + frame_bytes as usize / WORD_BYTES + spare,
            0xdead,
        );
        let fp = BASE + words.len() * WORD_BYTES;
        links.push((CODE + return_offset as usize, fp));
        words.extend([0, 0]);
    }
    words.push(0xbeef);
    let entry_fp = BASE + words.len() * WORD_BYTES;
    words.extend([0x1, 0x2]);
    for (index, &(_, fp)) in links.iter().enumerate() {
        let at = (fp - BASE) / WORD_BYTES;
        let (pc, caller_fp) = links.get(index + 1).copied().unwrap_or((0x1234, entry_fp));
        (words[at], words[at + 1]) = (caller_fp, pc);
    }
    let (exit_pc, exit_fp) = links.first().copied().unwrap_or((0, entry_fp));
    (
        Words::new(BASE, words),
        Activation {
            entry_fp,
            exit_fp,
            exit_pc,
        },
        links,
    )
}

fn walk_all(
    words: &Words,
    code: &CodeReader<'_>,
    activation: Activation,
) -> Result<Vec<(usize, usize)>, WalkError> {
    let mut walker = Walker::default();
    let frames = walker.activation(words, code, activation);
    frames
        .map(|frame| frame.map(|frame| (frame.pc.address(), frame.fp)))
        .collect()
}

fn handler(
    words: &Words,
    code: &CodeReader<'_>,
    activation: Activation,
) -> Result<Option<Landing>, WalkError> {
    let mut walker = Walker::default();
    innermost_handler(walker.activation(words, code, activation), code)
}

#[test]
fn every_frame_is_seen_with_its_stack_pointer_and_slots() {
    let (registry, _handle) = registry();
    let (words, activation, links) = stack(&[(1, 3), (2, 0), (0, 1), (3, 0)]);
    let code = registry.read();
    let mut walker = Walker::default();
    let mut walk = walker.activation(&words, &code, activation);
    for ((pc, fp), (site, slots)) in links.into_iter().zip([(1, 2), (2, 0), (0, 2), (3, 2)]) {
        let frame = walk.next().unwrap().unwrap();
        assert_eq!(
            (frame.pc, frame.fp, frame.sp, frame.cfa),
            (
                CodeAddress::Return(pc),
                fp,
                fp - SITES[site].1 as usize,
                fp + LINK_BYTES
            )
        );
        assert_eq!(frame.locations, &[0, 8].map(Location::slot)[..slots]);
    }
    assert_eq!(walk.next(), None);
    assert_eq!(walk.walked(), 4);
    assert_eq!(words.reads.get(), 8, "two words a frame");
}

#[test]
fn an_exception_lands_in_the_innermost_frame_that_handles_it() {
    let (registry, _handle) = registry();
    let code = registry.read();
    let cases = [
        (vec![(0, 3), (2, 0), (1, 1), (3, 0)], Some(2)),
        (vec![(1, 0), (1, 2)], Some(0)),
        (vec![(2, 0), (0, 0), (3, 5)], Some(2)),
        (vec![(0, 0), (2, 1)], None),
    ];
    for (frames, index) in cases {
        let (words, activation, links) = stack(&frames);
        let expected = index.map(|index| {
            let fp = links[index].1;
            Landing {
                pc: CODE + 0x800,
                sp: fp - SITES[frames[index].0].1 as usize,
                fp,
            }
        });
        assert_eq!(handler(&words, &code, activation), Ok(expected));
    }
    let (mut words, activation, links) = stack(&[(0, 0), (0, 0), (1, 0)]);
    words.words[(links[0].1 - BASE) / WORD_BYTES] = 0;
    assert!(handler(&words, &code, activation).is_err());
}

#[test]
fn an_activation_that_never_left_has_no_frames() {
    let (registry, _handle) = registry();
    let (words, ..) = stack(&[]);
    let code = registry.read();
    for entry_fp in [0, BASE] {
        let activation = Activation {
            entry_fp,
            exit_fp: 0,
            exit_pc: 0,
        };
        assert_eq!(walk_all(&words, &code, activation), Ok(vec![]));
    }
}

#[test]
fn each_kind_of_corruption_is_named_with_its_frame() {
    let (registry, _handle) = registry();
    let code = registry.read();
    let frames = [(0, 0), (2, 1), (1, 0), (0, 0)];
    let (_, _, links) = stack(&frames);
    let fp = |index: usize| links[index].1;
    // What to write, relative to the second frame's link words, and what the third frame is told.
    let cases = [
        (0, fp(1), WalkFault::NotRising),
        (0, fp(0), WalkFault::NotRising),
        (0, fp(1) + WORD_BYTES, WalkFault::NotRising),
        (0, 0, WalkFault::NotRising),
        (0, fp(2) + 4, WalkFault::OutOfBounds),
        (0, usize::MAX, WalkFault::OutOfBounds),
        (0, fp(1) + 16 + WORD_BYTES, WalkFault::Overlap),
        (1, 0x1234, WalkFault::UnknownCode),
        (1, CODE, WalkFault::UnknownCode),
        (1, 0, WalkFault::UnknownCode),
    ];
    for (word, value, fault) in cases {
        let (mut words, activation, _) = stack(&frames);
        words.words[(fp(1) - BASE) / WORD_BYTES + word] = value;
        let error = walk_all(&words, &code, activation).unwrap_err();
        assert_eq!(
            (error.frame, error.fault),
            (2, fault),
            "{value:#x}: {error}"
        );
        let HeapError::CorruptStack {
            frame: 2, reason, ..
        } = HeapError::from(error)
        else {
            panic!("another error");
        };
        assert_eq!(reason, fault.reason());
    }
}

/// Code with frame pointers, whose unwind table says no more than that.
fn framed(frame_bytes: Option<u32>) -> CodeRange {
    let fp = gimli::Register(Register::FRAME_POINTER.dwarf());
    let (cfa, saved) = ((fp, 16), vec![(RETURN, -8), (fp, -16)]);
    CodeRange {
        start: CODE,
        len: CODE_BYTES,
        safepoints: vec![Safepoint {
            return_offset: 0x10,
            frame_bytes,
            locations: smallvec![],
        }],
        eh_frame: eh_frame(cfa, &saved).into(),
        ..CodeRange::default()
    }
}

const RETURN: gimli::Register = gimli::Register(crate::registers::RETURN_ADDRESS);

/// An unwind table of one rule for the frame's end and some for registers, by distance from it.
fn eh_frame(cfa: (gimli::Register, i32), saved: &[(gimli::Register, i32)]) -> Vec<u8> {
    use gimli::write::{
        Address, CallFrameInstruction as Rule, CommonInformationEntry, EhFrame, EndianVec,
        FrameDescriptionEntry, FrameTable,
    };
    let encoding = gimli::Encoding {
        address_size: 8,
        format: gimli::Format::Dwarf32,
        version: 1,
    };
    let mut shared = CommonInformationEntry::new(encoding, 1, -8, RETURN);
    shared.add_instruction(Rule::Cfa(cfa.0, cfa.1));
    for &(register, offset) in saved {
        shared.add_instruction(Rule::Offset(register, offset));
    }
    let mut table = FrameTable::default();
    let shared = table.add_cie(shared);
    let len = u32::try_from(CODE_BYTES).unwrap();
    let entry = FrameDescriptionEntry::new(Address::Constant(CODE as u64), len);
    table.add_fde(shared, entry);
    let mut section = EhFrame::from(EndianVec::new(gimli::RunTimeEndian::default()));
    table.write_eh_frame(&mut section).unwrap();
    section.0.into_vec()
}

/// A stack map gives a frame its stack pointer, however far down: the frame must end above the last.
#[test]
fn frame_pointers_that_lead_round_in_a_circle_are_found_out_by_unwind_tables_too() {
    for frame_bytes in [None, Some(0), Some(64)] {
        let registry = CodeRegistry::new();
        let _handle = registry.register(framed(frame_bytes)).unwrap();
        let fp = |frame: usize| BASE + 64 + 16 * frame;
        let mut words = vec![0; 16];
        for (frame, caller) in [1, 2, 0].into_iter().enumerate() {
            let at = (fp(frame) - BASE) / WORD_BYTES;
            (words[at], words[at + 1]) = (fp(caller), CODE + 0x10);
        }
        let words = Words::new(BASE, words);
        let activation = Activation {
            entry_fp: BASE + 0x1000,
            exit_fp: fp(0),
            exit_pc: CODE + 0x10,
        };
        let code = registry.read();
        for unwinder in [Unwinder::FramePointers, Unwinder::Dwarf] {
            let mut walker = Walker::new(unwinder);
            let frames = walker.activation(&words, &code, activation);
            let error = frames.take(100).find_map(Result::err).expect("it ends");
            assert_eq!(
                error.fault,
                WalkFault::NotRising,
                "{frame_bytes:?}: {error}"
            );
        }
    }
}

/// The frame pointer register of such code may hold the entry's all the time.
#[test]
fn a_stretch_of_frames_without_frame_pointers_is_walked_from_the_first() {
    let sp = gimli::Register(Register::STACK_POINTER.dwarf());
    let registry = CodeRegistry::new();
    let range = CodeRange {
        eh_frame: eh_frame((sp, 16), &[(RETURN, -8)]).into(),
        ..framed(None)
    };
    let _handle = registry.register(range).unwrap();
    let mut words = vec![CODE + 0x10; 6];
    let entry_fp = BASE + words.len() * WORD_BYTES + ENTRY_FRAME_BYTES;
    words.resize(20, 0);
    let words = Words::new(BASE, words);
    let mut registers = Registers::at(CodeAddress::Return(CODE + 0x10));
    registers.set(Register::STACK_POINTER, BASE);
    registers.set(Register::FRAME_POINTER, entry_fp);
    let code = registry.read();
    let mut walker = Walker::new(Unwinder::Dwarf);
    let frames = walker.stretch(&words, &code, registers, entry_fp);
    let ends: Result<Vec<_>, _> = frames.map(|frame| frame.map(|frame| frame.cfa)).collect();
    assert_eq!(ends, Ok([16, 32, 48].map(|bytes| BASE + bytes).to_vec()));
}

#[test]
fn memory_that_ends_too_early_is_an_error() {
    let (registry, _handle) = registry();
    let (mut words, activation, links) = stack(&[(0, 0), (1, 0)]);
    words.words.truncate((links[1].1 - BASE) / WORD_BYTES + 1);
    let error = walk_all(&words, &registry.read(), activation).unwrap_err();
    assert_eq!((error.frame, error.fault), (1, WalkFault::Unreadable));
}

#[test]
fn a_backtrace_keeps_the_innermost_frames_and_counts_the_rest() {
    let (registry, _handle) = registry();
    let sites: Vec<_> = (0..1000).map(|index| (index % 4, index % 3)).collect();
    let (words, activation, links) = stack(&sites);
    let code = registry.read();
    let mut trace = Backtrace::default();
    let mut walker = Walker::default();
    trace.extend(walker.activation(&words, &code, activation), &code);
    assert_eq!(
        (trace.frames.len(), trace.depth()),
        (BACKTRACE_FRAMES, 1000)
    );
    assert_eq!(trace.broken, None);
    for (frame, (pc, _)) in trace.frames.iter().zip(&links) {
        assert_eq!(frame.pc, *pc);
        let place = frame.function.unwrap();
        assert_eq!((place.id, place.offset as usize), (77, pc - 1 - CODE));
    }
    let Activation {
        exit_fp, entry_fp, ..
    } = activation;
    let mut of_trap = |fp| {
        let mut registers = Registers::at(CodeAddress::Exact(CODE + 5));
        registers.set(Register::FRAME_POINTER, fp);
        Backtrace::of_trap(&mut walker, &words, &code, registers, entry_fp)
    };
    let trap = of_trap(exit_fp);
    assert_eq!(trap.frames[0].function.unwrap().offset, 5);
    assert_eq!(trap.frames[1..], trace.frames[1..]);
    assert_eq!(trap.depth(), 1000);
    for wild in [0, 3, BASE - 8, usize::MAX - 7] {
        let trap = of_trap(wild);
        assert_eq!((trap.depth(), trap.broken.is_some()), (1, true));
    }
}

mod damage;
