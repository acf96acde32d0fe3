//! Tests of references in a frame that was made up in this process's memory.

use super::*;
use crate::code::{CodeRange, Safepoint};
use crate::registers::Register;
use crate::registry::CodeRegistry;
use crate::walk::WORD_BYTES;
use crate::walker::Walker;
use std::cell::Cell;
use windrow_core::Activation;

const CODE: usize = 0x40_0000;
const HEAP: usize = 0x5000_0000_0000;
/// Words of the frame, below its frame pointer.
const FRAME_WORDS: usize = 8;
const SP: Register = Register::STACK_POINTER;
const FP: Register = Register::FRAME_POINTER;

/// The word so many words above the stack pointer.
fn word(position: i32) -> Location {
    Location::memory(SP, 8 * position, Encoding::BasePlusOffset64)
}

/// Moves every reference but null.
struct Mover(Vec<u32>);

impl RootVisitor for Mover {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        assert_eq!(kind, RootKind::Frame);
        self.0.push(slot.bits());
        if !slot.is_null() {
            *slot = GcRef::from_bits(slot.bits() + 0x100);
        }
    }
}

/// Walks a frame of these words, called by an entry, which has references in these places. What the
/// walk returned and what the words are then.
fn visit(
    words: [usize; FRAME_WORDS],
    locations: &[Location],
    visit: impl FnOnce(Frames<'_, SuspendedStack>) -> Result<u64, WalkError>,
) -> (Result<u64, WalkFault>, [usize; FRAME_WORDS]) {
    let registry = CodeRegistry::new();
    let safepoint = Safepoint {
        return_offset: 16,
        frame_bytes: Some(u32::try_from(FRAME_WORDS * WORD_BYTES).unwrap()),
        locations: locations.into(),
    };
    let _handle = registry
        .register(CodeRange {
            start: CODE,
            len: 64,
            safepoints: vec![safepoint],
            ..CodeRange::default()
        })
        .unwrap();
    // Behind the frame its link, and that of the entry.
    let memory: [Cell<usize>; FRAME_WORDS + 4] = Default::default();
    for (cell, word) in memory.iter().zip(words) {
        cell.set(word);
    }
    let start = memory.as_ptr().expose_provenance();
    let exit_fp = start + FRAME_WORDS * WORD_BYTES;
    let entry_fp = exit_fp + 2 * WORD_BYTES;
    memory[FRAME_WORDS].set(entry_fp);
    let activation = Activation {
        entry_fp,
        exit_fp,
        exit_pc: CODE + 16,
    };
    // SAFETY: the memory is this function's, which touches it afterwards only.
    let stack = unsafe { SuspendedStack::of_activation(start, entry_fp) };
    let code = registry.read();
    let mut walker = Walker::default();
    let result = visit(walker.activation(&stack, &code, activation));
    let result = result.map_err(|error| {
        assert_eq!((error.frame, error.pc), (0, CODE + 16));
        error.fault
    });
    (result, std::array::from_fn(|at| memory[at].get()))
}

#[test]
fn references_move_and_what_is_derived_from_them_as_far() {
    let locations = [
        Location::slot(4),
        word(1),
        word(2),
        Location::memory(FP, -8, Encoding::BasePlusOffset64),
        word(3).derived_from(1).unwrap(),
        // Of null, and of a reference that is an offset itself.
        word(4).derived_from(2).unwrap(),
        Location::slot(40).derived_from(0).unwrap(),
    ];
    let words = [
        0x1000 << 32 | 7,
        HEAP + 0x2000,
        0,
        HEAP + 0x2010,
        0x18,
        9 << 32 | 0x1008,
        11,
        HEAP + 0x3000,
    ];
    let mut mover = Mover(Vec::new());
    let found = visit(words, &locations, |frames| {
        frames.visit_roots(HEAP, &mut mover)
    });
    let moved = [
        0x1100 << 32 | 7,
        HEAP + 0x2100,
        0,
        HEAP + 0x2110,
        0x18,
        9 << 32 | 0x1108,
        11,
        HEAP + 0x3100,
    ];
    assert_eq!(found, (Ok(1), moved));
    assert_eq!(mover.0, [0x1000, 0x2000, 0, 0x3000]);
}

#[test]
fn a_pointer_outside_of_the_heap_is_an_error_unless_the_heap_is_anothers() {
    let last = HEAP + (1 << 32) - 8;
    for (pointer, is_wild) in [
        (HEAP + 8, false),
        (last - 0x100, false),
        (HEAP - 8, true),
        (last + 8, true),
        (8, true),
        (usize::MAX, true),
    ] {
        let words = [pointer; FRAME_WORDS];
        let mut mover = Mover(Vec::new());
        let (result, after) = visit(words, &[word(0)], |frames| {
            frames.visit_roots(HEAP, &mut mover)
        });
        if is_wild {
            assert_eq!((result, after), (Err(WalkFault::WildPointer), words));
        } else {
            assert_eq!((result, after[0]), (Ok(1), pointer + 0x100));
        }
        let mut seen = Vec::new();
        let (result, after) = visit(words, &[word(0)], |frames| {
            frames.visit_words(|word| {
                seen.push(*word);
                *word = !*word;
            })
        });
        assert_eq!((result, after[0]), (Ok(1), !pointer));
        assert_eq!(seen, [pointer]);
    }
}

#[test]
fn a_reference_that_cannot_be_reached_is_an_error() {
    let saved = Register::all().nth(2).unwrap();
    let wide = Encoding::BasePlusOffset64;
    let cases = [
        (Location::register(saved, wide), WalkFault::UnknownRegister),
        (Location::memory(saved, 0, wide), WalkFault::UnknownRegister),
        // In a register that no frame further in saved.
        (Location::register(FP, wide), WalkFault::UnknownRegister),
        (Location::memory(FP, 32, wide), WalkFault::Unreadable),
        (
            Location::memory(FP, -72, Encoding::Offset32),
            WalkFault::Unreadable,
        ),
    ];
    for (location, fault) in cases {
        let derived = word(1).derived_from(0).unwrap();
        for locations in [&[location][..], &[location, derived]] {
            let words = [HEAP + 8; FRAME_WORDS];
            let mut mover = Mover(Vec::new());
            let found = visit(words, locations, |frames| {
                frames.visit_roots(HEAP, &mut mover)
            });
            assert_eq!(found, (Err(fault), words), "{location:?}");
        }
    }
}
