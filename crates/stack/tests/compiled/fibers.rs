//! Stacks that are suspended: walked from another one, moved, resumed in any order.

#![cfg(target_env = "gnu")]

use crate::build::TRAP_HOST;
use crate::fiber::{Fiber, STACK_BYTES, stacks, start, suspend};
use crate::guest::{Guest, Mover, STACK_MAX_BYTES, World, names};
use crate::shapes::name;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use windrow_core::{Isolate, RootSource};
use windrow_stack::{
    CompiledFrames, Frames, SuspendedStack, SystemFrames, Trap, Unwinder, WalkError, Walker,
};

const DELTA: u32 = 0x10_0000;
const DEPTH: u32 = 20;

/// What `deep(depth, x)` returns if each reference it holds has grown by `delta`, and the host returned
/// `host`.
fn deep_result(depth: u32, x: u32, delta: u32, host: u32) -> u32 {
    (0..=depth).fold(host, |sum, n| sum.wrapping_add(x + n * 8 + delta))
}

/// The references of `deep(depth, x)`, innermost first.
fn deep_references(depth: u32, x: u32) -> Vec<u32> {
    (0..=depth).rev().map(|n| x + n * 8).collect()
}

/// Shows the references of frames, and adds `delta` to them.
fn show(frames: Frames<'_, SuspendedStack>, delta: u32) -> Result<(Vec<u32>, u64), WalkError> {
    let mut mover = Mover {
        delta,
        seen: Vec::new(),
    };
    let walked = frames.visit_roots(0, &mut mover)?;
    Ok((mover.seen, walked))
}

/// Frames of an isolate's activations on all stacks by both unwinders, which must agree, shown to one
/// that adds `delta`.
fn collect(guest: &Guest<'_>, unwinder: Unwinder, delta: u32) -> Vec<u32> {
    let registry = Arc::clone(guest.registry());
    // SAFETY: as for guests' own.
    let mut frames = unsafe { CompiledFrames::new(registry, unwinder) }.with_cross_check(true);
    let mut mover = Mover {
        delta,
        seen: Vec::new(),
    };
    let activations = guest.isolate().activations();
    frames.visit_roots(activations, &mut mover).unwrap();
    mover.seen
}

/// Makes all code of a world known to the system's unwinder.
fn show_to_system(world: &World) -> Vec<SystemFrames> {
    let tables = world.code.unwind_tables();
    tables
        // SAFETY: Cranelift's table of code that is the world's alone and outlives this.
        .map(|(_, table)| unsafe { SystemFrames::register(Arc::clone(table)) })
        .collect()
}

fn system_backtrace() -> Vec<usize> {
    let mut addresses = Vec::new();
    backtrace::trace(|frame| {
        addresses.push(frame.ip().addr());
        true
    });
    addresses
}

#[test]
fn a_fiber_is_walked_from_its_saved_registers_to_its_first_function() {
    for optimise in [false, true] {
        let world = World::new(optimise);
        let _shown = show_to_system(&world);
        let theirs = RefCell::new(Vec::new());
        let hook = |guest: &Guest<'_>, _, _| {
            *theirs.borrow_mut() = system_backtrace();
            suspend(&[guest.isolate_pointer()]);
            Some(5)
        };
        let guest = Guest::new(&world, &hook);
        let result = Cell::new(None);
        let fiber = Fiber::new(|| result.set(Some(guest.call(world.shapes.deep, DEPTH, 0x1000))));
        fiber.resume(&[guest.isolate_pointer()]);
        assert!(!fiber.is_done());

        let (stack, registers) = (fiber.stack(), fiber.registers());
        let code = guest.registry().read();
        let mut walker = Walker::new(Unwinder::Dwarf);
        let ours: Vec<_> = walker
            .stack_below(&stack, &code, registers, fiber.base())
            .map(|frame| frame.unwrap().pc.lookup())
            .collect();
        let of = |pc: usize| code.function(pc).map(|place| place.id);
        let deep = |&&pc: &&usize| of(pc) == Some(name::DEEP);
        assert_eq!(ours.iter().filter(deep).count(), DEPTH as usize + 1);
        // From the compiled code on the system's unwinder sees the same, and what is below the first.
        let inner = ours.iter().position(|pc| of(*pc).is_some()).unwrap();
        let theirs: Vec<_> = theirs
            .borrow()
            .iter()
            .map(|ip| ip.wrapping_sub(1))
            .collect();
        let same = theirs.iter().position(|pc| *pc == ours[inner]).unwrap();
        assert!(
            theirs[same..].starts_with(&ours[inner..]),
            "{ours:x?} {theirs:x?}"
        );
        assert!(theirs.len() - same <= ours.len() - inner + 2);
        // The first function is `start`, wherever it begins.
        let begin = start as *const () as usize;
        let last = ours[ours.len() - 1];
        assert!((begin..begin + 0x1000).contains(&last), "{last:x}");

        let expected = deep_references(DEPTH, 0x1000);
        let frames = walker.stack_below(&stack, &code, registers, fiber.base());
        assert_eq!(
            show(frames, DELTA).unwrap(),
            (expected.clone(), ours.len() as u64)
        );
        // As far as the entry: without the host's frames outside of it.
        let activations = guest.isolate().activations();
        let activation = activations.of_all_stacks().next().unwrap();
        let frames = walker.stretch(&stack, &code, registers, activation.entry_fp);
        let (seen, walked) = show(frames, 0).unwrap();
        let moved: Vec<_> = expected.iter().map(|r| r + DELTA).collect();
        assert_eq!(seen, moved);
        assert!(walked > u64::from(DEPTH) + 3 && walked < ours.len() as u64 - 2);
        // From where the compiled code was left.
        for unwinder in [Unwinder::FramePointers, Unwinder::Dwarf] {
            let mut walker = Walker::new(unwinder);
            let frames = walker.activation(&stack, &code, activation);
            assert_eq!(
                show(frames, 0).unwrap(),
                (moved.clone(), u64::from(DEPTH) + 2)
            );
        }
        drop(code);
        assert_eq!(collect(&guest, Unwinder::FramePointers, DELTA), moved);

        fiber.resume(&[guest.isolate_pointer()]);
        assert!(fiber.is_done());
        let expected = deep_result(DEPTH, 0x1000, 2 * DELTA, 5);
        assert_eq!(result.take(), Some(Ok(expected)));
        assert_eq!(guest.collect(DELTA).unwrap(), (vec![], 0));
    }
}

#[test]
fn a_walk_past_the_first_function_ends() {
    let world = World::new(true);
    let fiber = Fiber::new(|| suspend(&[]));
    // A fiber that has not begun has no frame but its first function's.
    let code = world.code.registry.read();
    let mut walker = Walker::new(Unwinder::Dwarf);
    fiber.resume(&[]);
    let (stack, registers) = (fiber.stack(), fiber.registers());
    let count = walker
        .stack_below(&stack, &code, registers, fiber.base())
        .map(Result::unwrap)
        .count();
    // The C library's own code there cannot be walked on every system; whatever it is, the frames
    // before it are seen.
    let walked = walker.stack(&stack, &code, registers);
    let walked: Vec<_> = walked.collect();
    assert!(walked[..count].iter().all(Result::is_ok), "{walked:x?}");
    // Bounds that no frame ends at.
    for base in [fiber.base() - 8, fiber.base() + 8, registers.sp(), 0] {
        let frames = walker.stack_below(&stack, &code, registers, base);
        assert!(frames.last().unwrap().is_err(), "{base:x}");
    }
    drop(code);
    fiber.resume(&[]);
    assert!(fiber.is_done());
}

#[test]
fn bounds_that_are_too_small_are_an_error() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, _, _| {
        suspend(&[guest.isolate_pointer()]);
        Some(5)
    };
    let guest = Guest::new(&world, &hook);
    let result = Cell::new(None);
    let fiber = Fiber::new(|| result.set(Some(guest.call(world.shapes.deep, DEPTH, 0x1000))));
    fiber.resume(&[guest.isolate_pointer()]);
    let registers = fiber.registers();
    let code = guest.registry().read();
    let activation = guest
        .isolate()
        .activations()
        .of_all_stacks()
        .next()
        .unwrap();
    let mut by_tables = Walker::new(Unwinder::Dwarf);
    let mut by_frame_pointers = Walker::new(Unwinder::FramePointers);
    let bounds = fiber.bounds();
    for end in (registers.sp()..fiber.base()).step_by(4) {
        let stack = fiber.stack_within(bounds.start..end);
        let frames = by_tables.stack_below(&stack, &code, registers, fiber.base());
        assert!(show(frames, 0).is_err(), "{end:x}");
        // The outermost compiled frame is whole below the registers that the entry saved.
        let is_short = end < activation.entry_fp - 64;
        for walker in [&mut by_tables, &mut by_frame_pointers] {
            let shown = show(walker.activation(&stack, &code, activation), 0);
            assert!(!is_short || shown.is_err(), "{end:x}");
        }
    }
    let stack = fiber.stack();
    let mut frames = by_tables.stack_below(&stack, &code, registers, fiber.base());
    let innermost = frames.next().unwrap().unwrap();
    for start in (innermost.cfa..bounds.end).step_by(512) {
        let stack = fiber.stack_within(start..bounds.end);
        let frames = by_tables.stack_below(&stack, &code, registers, fiber.base());
        assert!(show(frames, 0).is_err(), "{start:x}");
    }
    // Registers that are another's.
    let empty = fiber.stack_within(bounds.start..bounds.start);
    let frames = by_tables.stack_below(&empty, &code, registers, fiber.base());
    assert!(show(frames, 0).is_err());
    drop(code);
    fiber.resume(&[guest.isolate_pointer()]);
    assert_eq!(result.take(), Some(Ok(deep_result(DEPTH, 0x1000, 0, 5))));
}

#[test]
fn two_suspended_fibers_of_two_isolates_end_in_the_order_they_began() {
    let world = World::new(true);
    let hook = |guest: &Guest<'_>, _, x: u32| {
        suspend(&[guest.isolate_pointer()]);
        // The second is to trap.
        (x < 0x5000).then_some(7)
    };
    let guests = [Guest::new(&world, &hook), Guest::new(&world, &hook)];
    let arguments = [(10, 0x1000), (3, 0x9000), (4, 0x8000), (5, 0x2000)];
    let results = [const { Cell::new(None::<Result<u32, Trap>>) }; 4];
    let guest = |index: usize| &guests[index % 2];
    let fibers: Vec<_> = (0..4)
        .map(|index| {
            let (depth, x) = arguments[index];
            let (result, deep) = (&results[index], world.shapes.deep);
            Fiber::new(move || result.set(Some(guest(index).call(deep, depth, x))))
        })
        .collect();
    for (index, fiber) in fibers.iter().enumerate() {
        fiber.resume(&[guest(index).isolate_pointer()]);
    }
    // Each isolate sees its own fibers, in the order in which they were left.
    for index in 0..2 {
        let references = |index: usize| deep_references(arguments[index].0, arguments[index].1);
        let expected = [references(index), references(index + 2)].concat();
        let seen = collect(guest(index), Unwinder::Dwarf, DELTA);
        assert_eq!(seen, expected);
    }
    for (index, fiber) in fibers.iter().enumerate() {
        fiber.resume(&[guest(index).isolate_pointer()]);
        assert!(fiber.is_done());
        let (depth, x) = arguments[index];
        match results[index].take().unwrap() {
            Ok(result) => assert_eq!(result, deep_result(depth, x, DELTA, 7)),
            Err(trap) => {
                assert_eq!((trap.code.number(), x > 0x5000), (TRAP_HOST, true));
                assert_eq!(names(&trap.backtrace), vec![name::DEEP; depth as usize + 1]);
            }
        }
        assert_eq!(guest(index).depth(), 0);
    }
    for guest in &guests {
        assert_eq!(guest.collect(0).unwrap(), (vec![], 0));
        assert_eq!(guest.isolate().state().stack_limit(), 0);
    }
}

#[test]
fn a_fiber_collects_while_others_and_the_host_are_suspended() {
    let world = World::new(true);
    let seen = RefCell::new(Vec::new());
    let hook = |guest: &Guest<'_>, _, x: u32| {
        let isolate: &[*mut Isolate] = &[guest.isolate_pointer()];
        match x {
            0x1010 => suspend(isolate),
            // Called without a frame between, from the trampoline of entries.
            0x2000 => *seen.borrow_mut() = collect(guest, Unwinder::Dwarf, DELTA),
            // On the host's own stack.
            _ => {
                let results = [const { Cell::new(None) }; 2];
                let call = |index: usize, function, a, b| {
                    let result: &Cell<_> = &results[index];
                    move || result.set(Some(guest.call(function, a, b)))
                };
                let first = Fiber::new(call(0, world.shapes.deep, 2, 0x1000));
                let second = Fiber::new(call(1, world.shapes.exit, 0, 0x2000));
                first.resume(isolate);
                second.resume(isolate);
                assert!(!first.is_done() && second.is_done());
                first.resume(isolate);
                let expected = deep_result(2, 0x1000, DELTA, 1);
                assert_eq!(results[0].take(), Some(Ok(expected)));
                assert_eq!(results[1].take(), Some(Ok(1)));
                assert_eq!(guest.depth(), 1);
            }
        }
        Some(1)
    };
    let guest = Guest::new(&world, &hook);
    let expected = (0x3000 - 0x4000 + 0x3008 + 1_i32).cast_unsigned() + DELTA;
    assert_eq!(guest.call(world.shapes.mid, 0x3000, 0x4000), Ok(expected));
    // In the order in which the stacks were left.
    assert_eq!(
        seen.take(),
        [0x1010, 0x1008, 0x1000, 0x3008, 0x3000, 0x4000]
    );
    assert_eq!(guest.collect(0).unwrap(), (vec![], 0));
}

/// What is left of an entry's allowance binds entries on the same stack alone.
#[test]
fn a_fiber_that_compiled_code_starts_has_its_whole_allowance() {
    let world = World::new(true);
    let no_host = |_: &Guest<'_>, _, _| None;
    let inner = Guest::new(&world, &no_host);
    let depth = Cell::new(0);
    let overflow = || {
        let trap = inner.call(world.shapes.endless, 0, 0).unwrap_err();
        depth.set(trap.backtrace.depth());
    };
    Fiber::new(overflow).resume(&[inner.isolate_pointer()]);
    let alone = depth.take();
    assert!(alone > 1000);

    let stacks = stacks(2);
    let hook = |outer: &Guest<'_>, _, _| {
        let below = Fiber::on(&stacks, 0, overflow);
        below.resume(&[outer.isolate_pointer(), inner.isolate_pointer()]);
        assert!(below.is_done());
        Some(7)
    };
    // Reaches half as far into the stack below as code there may go.
    let outer = Guest::with_stack(&world, STACK_BYTES + STACK_MAX_BYTES / 2, &hook);
    let result = Cell::new(None);
    let above = Fiber::on(&stacks, 1, || {
        result.set(Some(outer.call(world.shapes.leaf, 0x1000, 0)));
    });
    above.resume(&[outer.isolate_pointer()]);
    assert_eq!(result.take(), Some(Ok(0x1007)));
    let below = depth.take();
    assert!(below.abs_diff(alone) < 10, "{below} frames, {alone} alone");
}

#[test]
fn many_fibers_of_one_isolate_take_turns() {
    const FIBERS: u32 = 12;
    const TURNS: u32 = 4;
    let world = World::new(true);
    // Each holds references, enters once more from within, and is suspended several times there.
    let hook = |guest: &Guest<'_>, _, x: u32| {
        let inner = x & 0x4 == 0;
        if inner {
            return Some(guest.call(world.shapes.deep, 1, x + 4).unwrap());
        }
        for _ in 0..TURNS {
            suspend(&[guest.isolate_pointer()]);
        }
        Some(x)
    };
    let guest = Guest::new(&world, &hook);
    let results: Vec<_> = (0..FIBERS).map(|_| Cell::new(None)).collect();
    let x = |index: u32| 0x1000 * (index + 1);
    let call = |index: u32| {
        let (result, guest, deep) = (&results[index as usize], &guest, world.shapes.deep);
        move || result.set(Some(guest.call(deep, index, x(index)).unwrap()))
    };
    let fibers: Vec<_> = (0..FIBERS).map(|index| Fiber::new(call(index))).collect();
    let mut turns = [0; FIBERS as usize];
    let mut moved = [0; FIBERS as usize];
    let mut random = 1_u32;
    while turns.iter().any(|turns| *turns <= TURNS) {
        random = random.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        let index = (random >> 16) % FIBERS;
        let fiber = &fibers[index as usize];
        if fiber.is_done() {
            continue;
        }
        fiber.resume(&[guest.isolate_pointer()]);
        turns[index as usize] += 1;
        let unwinder = match random >> 31 {
            0 => Unwinder::FramePointers,
            _ => Unwinder::Dwarf,
        };
        let held = u32::try_from(collect(&guest, unwinder, 1 << 20).len()).unwrap();
        let mut expected = 0;
        for index in 0..FIBERS {
            if (1..=TURNS).contains(&turns[index as usize]) {
                moved[index as usize] += 1;
                expected += index + 1 + 2;
            }
        }
        assert_eq!(held, expected);
    }
    for index in 0..FIBERS {
        assert!(fibers[index as usize].is_done());
        let delta = moved[index as usize] << 20;
        let outermost = x(index);
        let innermost = outermost + index * 8;
        let host = innermost + 4 + 8;
        let inner = deep_result(1, innermost + 4, delta, host);
        let expected = deep_result(index, outermost, delta, inner);
        assert_eq!(results[index as usize].take(), Some(expected));
    }
    assert_eq!(guest.collect(0).unwrap(), (vec![], 0));
}
