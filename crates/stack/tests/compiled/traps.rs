//! Traps come back as errors that say what happened and where, and leave nothing broken.

use crate::build::{TRAP_ASKED, TRAP_HOST, TRAP_NULL};
use crate::guest::{Guest, World, is_idle, names};
use crate::shapes::name;
use cranelift_codegen::ir::TrapCode;
use cranelift_module::FuncId;
use std::sync::Arc;
use windrow_stack::{BACKTRACE_FRAMES, CodeRange, CodeRegistry, HOST_RESERVE_BYTES, TrapSite};

fn no_host(_: &Guest<'_>, _: u32, _: u32) -> Option<u32> {
    None
}

/// Traps in `function`, then shows that the guest works as before.
fn check(
    guest: &Guest<'_>,
    world: &World,
    function: FuncId,
    args: (u32, u32),
    code: u8,
) -> windrow_stack::Trap {
    let trap = guest.call(function, args.0, args.1).unwrap_err();
    assert_eq!(trap.code.number(), code, "{trap}");
    assert!(world.code.bounds(function).contains(&trap.pc));
    assert_eq!(trap.backtrace.frames[0].pc, trap.pc);
    assert_eq!(trap.backtrace.broken, None);
    assert!(is_idle(guest.isolate().activations()));
    assert_eq!(guest.call(world.shapes.divide, 84, 2), Ok(42));
    trap
}

#[test]
fn each_cause_is_told_apart() {
    for optimise in [false, true] {
        let world = World::new(optimise);
        let shapes = &world.shapes;
        let guest = Guest::new(&world, &no_host);
        for _ in 0..3 {
            let asked = check(&guest, &world, shapes.asked, (0, 0), TRAP_ASKED);
            assert_eq!(
                (names(&asked.backtrace), asked.fault_address),
                (vec![name::ASKED], None)
            );
            let null = check(&guest, &world, shapes.null, (16, 0), TRAP_NULL);
            assert_eq!(
                (names(&null.backtrace), null.fault_address),
                (vec![name::NULL], Some(24))
            );
            let zero = TrapCode::INTEGER_DIVISION_BY_ZERO.as_raw().get();
            let divide = check(&guest, &world, shapes.divide, (1, 0), zero);
            assert_eq!(
                (names(&divide.backtrace), divide.fault_address),
                (vec![name::DIVIDE], None)
            );
            let host = check(&guest, &world, shapes.exit, (1, 0), TRAP_HOST);
            assert_eq!(names(&host.backtrace), [0; 0]);
            assert_eq!(host.backtrace.depth(), 2, "two trampolines");
        }
        let message = guest.call(shapes.relay, 0, 0).unwrap_err().to_string();
        assert!(message.contains("with code 2"), "{message}");
    }
}

#[test]
fn running_out_of_stack_is_a_trap_with_a_bounded_backtrace() {
    let world = World::new(true);
    let guest = Guest::new(&world, &no_host);
    let overflow = TrapCode::STACK_OVERFLOW.as_raw().get();
    for _ in 0..3 {
        let trap = check(&guest, &world, world.shapes.endless, (0, 0), overflow);
        assert_eq!(names(&trap.backtrace), [name::ENDLESS; BACKTRACE_FRAMES]);
        // A frame takes 16 bytes at least; the allowance is 512 KiB.
        let depth = trap.backtrace.depth();
        assert!((1000..=(512 << 10) / 16 + 8).contains(&depth), "{depth}");
    }
}

#[test]
fn the_allowance_decides_how_deep_code_may_go() {
    let world = World::new(true);
    let depth = |stack_max_bytes| {
        let guest = Guest::with_stack(&world, stack_max_bytes, &no_host);
        guest
            .call(world.shapes.endless, 0, 0)
            .unwrap_err()
            .backtrace
            .depth()
    };
    let (small, large) = (depth(64 << 10), depth(256 << 10));
    assert!(large > small * 3 && large < small * 5, "{small} {large}");
    assert!(depth(0) <= 2);
}

#[test]
fn no_allowance_reaches_the_end_of_a_small_thread() {
    let world = Arc::new(World::new(true));
    let spawn = |stack_bytes: usize| {
        let world = Arc::clone(&world);
        let run = move || {
            let guest = Guest::with_stack(&world, usize::MAX, &no_host);
            let trap = guest.call(world.shapes.endless, 0, 0).unwrap_err();
            (trap.code.number(), trap.backtrace.depth())
        };
        std::thread::Builder::new()
            .stack_size(stack_bytes)
            .spawn(run)
            .unwrap()
            .join()
            .unwrap()
    };
    let overflow = TrapCode::STACK_OVERFLOW.as_raw().get();
    let (code, small) = spawn(HOST_RESERVE_BYTES + (128 << 10));
    assert_eq!(code, overflow);
    let (code, large) = spawn(HOST_RESERVE_BYTES + (1 << 20));
    assert_eq!(code, overflow);
    assert!(large > small * 2, "{small} {large}");
}

#[test]
fn threads_trap_at_once_while_code_comes_and_goes() {
    let registry = CodeRegistry::new();
    let world = Arc::new(World::with_registry(true, Arc::clone(&registry)));
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (world, registry) = (&world, &registry);
            scope.spawn(move || {
                let guest = Guest::new(world, &no_host);
                for round in 0..100 {
                    let code = windrow_stack::TrapCode::new(9).unwrap();
                    let range = CodeRange {
                        start: 0x1000 * (thread + 1),
                        len: 64,
                        traps: vec![TrapSite {
                            offset: round % 64,
                            code,
                        }],
                        ..CodeRange::default()
                    };
                    let handle = registry.register(range).unwrap();
                    let trap = guest.call(world.shapes.relay, round, 0).unwrap_err();
                    assert_eq!(trap.backtrace.depth(), u64::from(round) + 3);
                    drop(handle);
                }
            });
        }
    });
}
