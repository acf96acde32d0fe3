//! Entries within entries: each isolate sees its own frames, each trap ends its own activation.

use crate::build::{TRAP_ASKED, TRAP_HOST};
use crate::guest::{Guest, World, is_idle, names};
use crate::shapes::name;
use std::cell::Cell;

const DELTA: u32 = 0x10_0000;

#[test]
fn one_isolate_sees_all_its_activations() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, a: u32, b: u32| match guest.depth() {
        // Entered a second time from within the first call out.
        1 => Some(guest.call(world.shapes.mid, a + 0x100, b + 0x100).unwrap()),
        _ => {
            let (seen, frames) = guest.collect(DELTA).unwrap();
            assert_eq!(seen, [0x1110, 0x1108, 0x2108, 0x1008, 0x1000, 0x2000]);
            assert_eq!(frames, 6);
            let trace = guest.backtrace();
            assert_eq!(
                names(&trace),
                [name::LEAF, name::MID, name::LEAF, name::MID]
            );
            assert_eq!((trace.depth(), trace.broken), (6, None));
            Some(1)
        }
    };
    let guest = Guest::new(&world, &hook);
    let inner = (0x1108 - 0x2108_i32 + 0x1110 + 1).cast_unsigned() + DELTA;
    let outer = (0x1000 - 0x2000_i32 + 0x1008)
        .cast_unsigned()
        .wrapping_add(DELTA)
        .wrapping_add(inner);
    assert_eq!(guest.call(world.shapes.mid, 0x1000, 0x2000), Ok(outer));
    assert!(is_idle(guest.isolate().activations()));
}

#[test]
fn two_isolates_that_call_each_other_see_only_their_own_frames() {
    // a -> b -> a, all through the same functions; each is walked at every depth.
    let world = World::new(true);
    let a_address = Cell::new(std::ptr::null::<()>());
    let moved = |references: [u32; 3]| references.map(|r| r + DELTA).to_vec();
    let result = |x: i32, y: i32| (x - y + (x + 8)).cast_unsigned() + DELTA;
    let hook_b = |b: &Guest<'_>, _, _| {
        // SAFETY: set below to the guest that is calling.
        let a = unsafe { &*a_address.get().cast::<Guest<'_>>() };
        assert_eq!(
            a.call(world.shapes.mid, 0x5000, 0x6000),
            Ok(result(0x5000, 0x6000))
        );
        assert_eq!(b.collect(DELTA).unwrap(), (vec![0x3008, 0x3000, 0x4000], 3));
        assert_eq!(a.collect(0).unwrap(), (moved([0x1008, 0x1000, 0x2000]), 3));
        Some(0)
    };
    let b = Guest::new(&world, &hook_b);
    let hook_a = |a: &Guest<'_>, _, _| {
        if a.depth() == 2 {
            let both = vec![0x5008, 0x5000, 0x6000, 0x1008, 0x1000, 0x2000];
            assert_eq!(a.collect(DELTA).unwrap(), (both, 6));
            assert_eq!(b.collect(0).unwrap(), (vec![0x3008, 0x3000, 0x4000], 3));
        } else {
            assert_eq!(
                b.call(world.shapes.mid, 0x3000, 0x4000),
                Ok(result(0x3000, 0x4000))
            );
            assert_eq!(b.collect(0).unwrap(), (vec![], 0));
        }
        Some(0)
    };
    let a = Guest::new(&world, &hook_a);
    a_address.set((&raw const *a).cast());
    assert_eq!(
        a.call(world.shapes.mid, 0x1000, 0x2000),
        Ok(result(0x1000, 0x2000))
    );
}

#[test]
fn an_inner_trap_leaves_the_outer_activation_running() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, _, _| {
        let before = guest.isolate().state().activation();
        let limit = guest.isolate().state().stack_limit();
        let trap = guest.call(world.shapes.relay, 3, 0x1000).unwrap_err();
        assert_eq!(trap.code.number(), TRAP_ASKED);
        let relay = name::RELAY;
        assert_eq!(
            names(&trap.backtrace),
            [name::ASKED, relay, relay, relay, relay]
        );
        assert_eq!(guest.isolate().state().activation(), before);
        assert_eq!(guest.isolate().state().stack_limit(), limit);
        assert_eq!(
            guest.collect(DELTA).unwrap(),
            (vec![0x1008, 0x1000, 0x2000], 3)
        );
        Some(3)
    };
    let guest = Guest::new(&world, &hook);
    let expected = (0x1000 - 0x2000 + 0x1008 + 3_i32).cast_unsigned() + DELTA;
    assert_eq!(guest.call(world.shapes.mid, 0x1000, 0x2000), Ok(expected));
}

#[test]
fn traps_pass_from_activation_to_activation_through_the_host() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, a: u32, _| {
        let inner = match guest.depth() {
            3 => guest.call(world.shapes.asked, 0, 0),
            _ => guest.call(world.shapes.leaf, a + 1, 0),
        };
        let trap = inner.unwrap_err();
        let innermost = trap.code.number() == TRAP_ASKED;
        assert_eq!(
            names(&trap.backtrace),
            [if innermost { name::ASKED } else { name::LEAF }]
        );
        None
    };
    let guest = Guest::new(&world, &hook);
    let trap = guest.call(world.shapes.mid, 0, 0).unwrap_err();
    assert_eq!(trap.code.number(), TRAP_HOST);
    assert_eq!(names(&trap.backtrace), [name::LEAF, name::MID]);
    assert!(is_idle(guest.isolate().activations()));
    assert_eq!(guest.isolate().state().stack_limit(), 0);
}

#[test]
fn recursion_through_the_host_ends_in_a_trap() {
    let world = World::new(true);
    let deepest = Cell::new(0);
    let hook = |guest: &Guest<'_>, a: u32, b: u32| {
        deepest.set(deepest.get().max(guest.depth()));
        guest.call(world.shapes.leaf, a, b).ok()
    };
    let guest = Guest::new(&world, &hook);
    let trap = guest.call(world.shapes.leaf, 1, 2).unwrap_err();
    assert_eq!(trap.code.number(), TRAP_HOST);
    assert!(deepest.get() > 50, "{}", deepest.get());
    assert!(is_idle(guest.isolate().activations()));
}
