//! The stack as the system's unwinder sees it: from a host function through compiled code, its
//! trampolines and the entry stub to the test that entered it.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use crate::guest::{Guest, World};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use windrow_stack::SystemFrames;

/// Makes all code of a world known.
fn register(world: &World) -> Vec<SystemFrames> {
    let tables = world.code.unwind_tables();
    tables
        .map(|(_, table)| {
            // SAFETY: Cranelift's table of code that is the world's alone and outlives this.
            unsafe { SystemFrames::register(Arc::clone(table)) }
        })
        .collect()
}

/// The code of the world's functions that the tests go through.
fn functions(world: &World) -> Vec<Range<usize>> {
    let shapes = &world.shapes;
    let ids = [shapes.array_entry, shapes.mid, shapes.leaf, shapes.exit];
    ids.map(|id| world.code.bounds(id)).to_vec()
}

/// The return addresses of the running thread's frames, innermost first, and the functions they are
/// in.
fn frames() -> Vec<(usize, usize)> {
    let mut frames = Vec::new();
    backtrace::trace(|frame| {
        frames.push((frame.ip().addr(), frame.symbol_address().addr()));
        true
    });
    frames
}

/// Which of the ranges each return address is in, leaving out those in none.
fn within(frames: &[(usize, usize)], ranges: &[Range<usize>]) -> Vec<usize> {
    let range_of = |&(ip, _): &(usize, usize)| {
        ranges
            .iter()
            .position(|range| range.contains(&ip.wrapping_sub(1)))
    };
    frames.iter().filter_map(range_of).collect()
}

#[inline(never)]
fn call_mid(guest: &Guest<'_>, world: &World) -> u32 {
    let result = guest.call(world.shapes.mid, 0x1000, 0x2000).unwrap();
    std::hint::black_box(result)
}

#[test]
fn registered_frames_are_seen_through_to_the_host() {
    let world = World::new(true);
    let ranges = functions(&world);
    let registered = register(&world);
    assert!(registered.iter().all(SystemFrames::is_registered));
    let seen = RefCell::new(Vec::new());
    let hook = |_: &Guest<'_>, _, _| {
        *seen.borrow_mut() = frames();
        Some(1)
    };
    let guest = Guest::new(&world, &hook);
    call_mid(&guest, &world);
    let seen = seen.borrow();
    assert_eq!(
        within(&seen, &ranges),
        [3, 2, 1, 0],
        "exit, leaf, mid, entry"
    );
    let is_host = |&&(_, function): &&(usize, usize)| function == call_mid as *const () as usize;
    assert_eq!(seen.iter().filter(is_host).count(), 1, "{seen:x?}");
    // From there on it is the stack that the host alone has.
    let below = seen.iter().position(|frame| is_host(&frame)).unwrap();
    assert!(seen.len() > below + 3, "{seen:x?}");
}

#[test]
fn nested_entries_are_seen_through() {
    let world = World::new(false);
    let ranges = functions(&world);
    let _registered = register(&world);
    let seen = RefCell::new(Vec::new());
    let hook = |guest: &Guest<'_>, _, _| {
        if guest.depth() == 1 {
            return Some(call_mid(guest, &world));
        }
        *seen.borrow_mut() = frames();
        Some(1)
    };
    let guest = Guest::new(&world, &hook);
    call_mid(&guest, &world);
    let seen = seen.borrow();
    assert_eq!(within(&seen, &ranges), [3, 2, 1, 0, 3, 2, 1, 0]);
}

#[test]
fn the_host_is_out_of_sight_once_the_frames_are_forgotten() {
    let world = World::new(true);
    let ranges = functions(&world);
    let registered = RefCell::new(register(&world));
    let counts = RefCell::new(Vec::new());
    let hook = |_: &Guest<'_>, _, _| {
        counts.borrow_mut().push(within(&frames(), &ranges).len());
        // The frames on the stack are not unwound any more.
        drop(registered.take());
        counts.borrow_mut().push(within(&frames(), &ranges).len());
        Some(1)
    };
    let guest = Guest::new(&world, &hook);
    call_mid(&guest, &world);
    // The unwinder learns of the first frame without a table from its callee.
    assert_eq!(*counts.borrow(), [4, 1]);
}

#[test]
fn sections_come_and_go_on_many_threads() {
    let world = World::new(true);
    std::thread::scope(|scope| {
        for (_, table) in world.code.unwind_tables().take(4) {
            scope.spawn(|| {
                for _ in 0..200 {
                    // SAFETY: as above.
                    let registered = unsafe { SystemFrames::register(Arc::clone(table)) };
                    assert!(registered.is_registered());
                    assert!(frames().len() > 2);
                }
            });
        }
    });
}

#[test]
fn an_empty_section_is_left_out() {
    for section in [&[][..], &[0; 4], &[0; 16], &[1; 16]] {
        // SAFETY: none of these is registered.
        let registered = unsafe { SystemFrames::register(section.into()) };
        assert!(!registered.is_registered());
    }
}
