//! Faults that are not traps of compiled code reach the handler that was there before.
//!
//! Such faults end the process, so each case runs in a child: this very test program, told by an
//! environment variable what to do.

use crate::guest::{Guest, World};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Barrier};
use windrow_stack::{CodeRange, CodeReader, CodeRegistry};

const CASE: &str = "WINDROW_FAULT_CASE";
const HANDLED: i32 = 42;

/// Runs one case in a child.
fn child(case: &str) -> ExitStatus {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command
        .args(["faults::the_child", "--exact", "--test-threads=1"])
        .env(CASE, case);
    command.output().unwrap().status
}

fn fault() -> u32 {
    // SAFETY: none: the fault is the point, and the process ends with it.
    unsafe { std::hint::black_box(std::ptr::without_provenance::<u32>(8)).read_volatile() }
}

extern "C" fn exit_handler(_: libc::c_int) {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(HANDLED) };
}

extern "C" fn exit_handler_with_info(
    _: libc::c_int,
    info: *mut libc::siginfo_t,
    _: *mut libc::c_void,
) {
    // SAFETY: the system passes a valid `siginfo_t`.
    let address = unsafe { (*info).si_addr() }.addr();
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(HANDLED + i32::try_from(address).unwrap_or(100)) };
}

fn install(handler: usize, flags: libc::c_int) {
    // SAFETY: zeros are a valid `sigaction`; the handlers above fit the flags they are used with.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(
            libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()),
            0
        );
    }
}

/// Locks the registry for reading and has another thread wait for it, as far as one can tell: a
/// handler that asked for it once more would wait for ever, until the alarm.
fn lock_with_others_waiting(registry: &Arc<CodeRegistry>) -> CodeReader<'_> {
    // SAFETY: has the system end this process, should it hang.
    unsafe { libc::alarm(20) };
    let code = registry.read();
    let (started, other) = (Arc::new(Barrier::new(2)), Arc::clone(registry));
    let reached = Arc::clone(&started);
    std::thread::spawn(move || {
        let range = CodeRange {
            start: 0x1000,
            len: 1,
            ..CodeRange::default()
        };
        reached.wait();
        other.register(range)
    });
    started.wait();
    (0..10_000).for_each(|_| std::thread::yield_now());
    code
}

/// Does what the parent says; passes at once when there is none.
#[test]
fn the_child() {
    let Ok(case) = std::env::var(CASE) else {
        return;
    };
    match case.as_str() {
        "handler" => install(exit_handler as *const () as usize, 0),
        "handler with info" => install(
            exit_handler_with_info as *const () as usize,
            libc::SA_SIGINFO,
        ),
        "default" | "sent" => install(libc::SIG_DFL, 0),
        "ignored" => install(libc::SIG_IGN, 0),
        _ => {}
    }
    let mut world = World::new(true);
    if case == "unregistered" {
        drop(world.code.take_handle(world.shapes.asked));
    }
    let locked = case == "locked";
    let hook = |guest: &Guest<'_>, _, _| {
        let _code = locked.then(|| lock_with_others_waiting(guest.registry()));
        Some(fault())
    };
    let guest = Guest::new(&world, &hook);
    // A trap first: the handler works, and is still in place afterwards.
    guest.call(world.shapes.divide, 1, 0).unwrap_err();
    match case.as_str() {
        // SAFETY: sends a signal to this process.
        "sent" => assert_eq!(unsafe { libc::raise(libc::SIGSEGV) }, 0),
        "unregistered" => drop(guest.call(world.shapes.relay, 1, 2)),
        _ => drop(guest.call(world.shapes.leaf, 1, 2)),
    }
}

#[test]
fn a_fault_of_the_host_reaches_the_handler_before_ours() {
    assert_eq!(child("handler").code(), Some(HANDLED));
    assert_eq!(child("handler with info").code(), Some(HANDLED + 8));
}

#[test]
fn a_fault_of_the_host_ends_the_process_where_nothing_handles_it() {
    for case in ["default", "ignored", "rust's own", "sent", "locked"] {
        assert_eq!(child(case).signal(), Some(libc::SIGSEGV), "{case}");
    }
}

#[test]
fn a_fault_of_code_that_is_not_registered_is_not_caught() {
    assert_eq!(child("unregistered").signal(), Some(libc::SIGILL));
}
