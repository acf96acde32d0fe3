//! Walking finds every reference that real frames hold, and the code sees where it moved.

use crate::guest::{Guest, World, is_idle};
use crate::shapes::wide_result;
use std::cell::Cell;
use windrow_core::HeapError;
use windrow_stack::{SuspendedStack, Unwinder, Walker};

const DELTA: u32 = 0x10_0000;

#[test]
fn references_of_two_frames_are_found_and_moved() {
    for optimise in [false, true] {
        let world = World::new(optimise);
        let hook = |guest: &Guest<'_>, a: u32, b: u32| {
            assert_eq!((a, b), (0x1008, 0x2008));
            // The leaf's slot, the caller's two; two frames and the entry's.
            assert_eq!(
                guest.collect(DELTA).unwrap(),
                (vec![0x1008, 0x1000, 0x2000], 3)
            );
            assert_eq!(
                guest.collect(0).unwrap().0,
                [0x1008 + DELTA, 0x1000 + DELTA, 0x2000 + DELTA]
            );
            Some(5)
        };
        let guest = Guest::new(&world, &hook);
        // Both of the caller's references moved by as much, the leaf's once.
        let expected = (0x1000 - 0x2000 + 0x1008 + 5_i32).cast_unsigned() + DELTA;
        assert_eq!(guest.call(world.shapes.mid, 0x1000, 0x2000), Ok(expected));
        assert!(is_idle(guest.isolate().activations()));
        assert_eq!(
            guest.collect(DELTA).unwrap(),
            (vec![], 0),
            "nothing is left to walk"
        );
    }
}

#[test]
fn a_thousand_frames_are_walked_in_order() {
    for optimise in [false, true] {
        let world = World::new(optimise);
        let hook = |guest: &Guest<'_>, _, x: u32| {
            let (seen, frames) = guest.collect(DELTA).unwrap();
            assert_eq!(frames, 1000 + 1 + 1);
            let expected: Vec<u32> = (0..=1000).map(|n| x - n * 8).collect();
            assert_eq!(seen, expected);
            Some(0)
        };
        let guest = Guest::new(&world, &hook);
        let expected = (0..=1000).fold(0_u32, |sum, n| sum.wrapping_add(0x1000 + n * 8 + DELTA));
        assert_eq!(guest.call(world.shapes.deep, 1000, 0x1000), Ok(expected));
    }
}

#[test]
fn frames_with_stack_arguments_and_spills_are_measured_right() {
    for optimise in [false, true] {
        let world = World::new(optimise);
        let hook = |guest: &Guest<'_>, a: u32, b: u32| {
            assert_eq!((a, b), (0x1000, 0x2000));
            assert_eq!(
                guest.collect(DELTA).unwrap(),
                (vec![0x5000, 0x1000, 0x5000], 3)
            );
            Some(7)
        };
        let guest = Guest::new(&world, &hook);
        let expected = wide_result(0x1000, 0x5000, DELTA, 7);
        assert_eq!(
            guest.call(world.shapes.wide_caller, 0x1000, 0x5000),
            Ok(expected)
        );
    }
}

#[test]
fn frames_without_stack_maps_hold_nothing_but_are_walked() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, _, _| {
        assert_eq!(guest.collect(DELTA).unwrap(), (vec![], 50 + 1 + 1));
        Some(1)
    };
    let guest = Guest::new(&world, &hook);
    let expected = (0..=50).map(|n| 0x1000 + n * 8).sum::<u32>() + 1;
    assert_eq!(guest.call(world.shapes.plain, 50, 0x1000), Ok(expected));
}

#[test]
fn the_host_called_without_a_frame_between_leaves_the_entry_alone() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, a: u32, b: u32| {
        assert_eq!(guest.collect(DELTA).unwrap(), (vec![], 1));
        Some(a + b)
    };
    let guest = Guest::new(&world, &hook);
    assert_eq!(guest.call(world.shapes.exit, 2, 3), Ok(5));
}

#[test]
fn frames_of_code_that_was_unregistered_are_an_error() {
    let mut world = World::new(true);
    let leaf = world.code.take_handle(world.shapes.leaf);
    let bounds = leaf.start()..leaf.start() + leaf.len_bytes();
    let leaf = Cell::new(Some(leaf));
    let hook = |guest: &Guest<'_>, _, _| {
        assert_eq!(guest.collect(0).unwrap().1, 3);
        drop(leaf.take());
        let Err(HeapError::CorruptStack { pc, frame: 0, .. }) = guest.collect(0) else {
            panic!("the innermost frame is of unknown code");
        };
        assert!(bounds.contains(&pc));
        Some(0)
    };
    let guest = Guest::new(&world, &hook);
    guest.call(world.shapes.mid, 0x1000, 0x2000).unwrap();
}

#[test]
fn words_of_a_heap_of_ones_own_are_seen_and_moved() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, _, _| {
        let activation = guest.isolate().activations().iter().next().unwrap();
        let here = 0_u8;
        // SAFETY: from this frame to the entry's all frames wait for this function.
        let stack =
            unsafe { SuspendedStack::new((&raw const here).addr()..activation.entry_fp + 16) };
        let registry = guest.registry().read();
        for (round, unwinder) in [Unwinder::FramePointers, Unwinder::Dwarf]
            .into_iter()
            .enumerate()
        {
            let mut walker = Walker::new(unwinder);
            let frames = walker.activation(&stack, &registry, activation);
            let mut seen = Vec::new();
            let walked = frames.visit_words(|word| {
                seen.push(*word);
                *word += 8;
            });
            assert_eq!(walked, Ok(3));
            let moved = [0x1008, 0x1000, 0x2000].map(|word| word + 8 * round);
            assert_eq!(seen, moved);
        }
        Some(5)
    };
    let guest = Guest::new(&world, &hook);
    let expected = (0x1000 - 0x2000 + 0x1008 + 5 + 16_i32).cast_unsigned();
    assert_eq!(guest.call(world.shapes.mid, 0x1000, 0x2000), Ok(expected));
}
