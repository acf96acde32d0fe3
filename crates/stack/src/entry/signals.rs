//! The process-wide handler for the signals of faults.
//!
//! A signal is ours if its thread runs compiled code and the faulting instruction is a registered
//! trap site of the current entry's registry; everything else goes to the handler found at
//! installation. Within the signal nothing is allocated and nothing freed, and the only lock taken
//! is one this thread cannot hold.

use super::arch::Context;
use super::{CURRENT, Fault};
use crate::StackError;
use crate::registry::thread_holds_a_lock;
use libc::{c_int, c_void, siginfo_t, ucontext_t};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

/// The signals by which the processor reports a trap.
const SIGNALS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// The handlers found at installation, in the order of [`SIGNALS`].
static PREVIOUS: OnceLock<[libc::sigaction; 4]> = OnceLock::new();

/// Installs the handler, once a process.
pub(super) fn install() -> Result<(), StackError> {
    static INSTALLED: OnceLock<Result<(), StackError>> = OnceLock::new();
    INSTALLED.get_or_init(install_now).clone()
}

fn install_now() -> Result<(), StackError> {
    let mut previous = [default_action(); 4];
    for (signal, action) in SIGNALS.into_iter().zip(&mut previous) {
        // SAFETY: only asks for the action; `action` is a valid place for the answer.
        check(signal, unsafe {
            libc::sigaction(signal, ptr::null(), action)
        })?;
    }
    // In place before the first signal can reach the handler.
    PREVIOUS.set(previous).map_err(|_| StackError::Signals {
        signal: 0,
        errno: 0,
    })?;
    let mut action = default_action();
    let handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = handle;
    action.sa_sigaction = handler as usize;
    // The alternate stack serves the handlers behind this one, which report the host's own stack
    // overflows; not deferring lets them leave by a jump.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    for signal in SIGNALS {
        // SAFETY: the handler fulfils its contract below; the action is complete.
        check(signal, unsafe {
            libc::sigaction(signal, &raw const action, ptr::null_mut())
        })?;
    }
    Ok(())
}

fn check(signal: c_int, result: c_int) -> Result<(), StackError> {
    if result == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    Err(StackError::Signals { signal, errno })
}

/// The action a process starts with: the default one, with an empty mask.
fn default_action() -> libc::sigaction {
    // SAFETY: all zeros is a valid `sigaction`: `SIG_DFL`, no flags, an empty mask.
    unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() }
}

/// The handler. Called by the system only.
unsafe extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: for a handler with `SA_SIGINFO` the system passes both, valid until it returns.
    let (siginfo, interrupted) =
        unsafe { (&*info, Context::new(&mut *context.cast::<ucontext_t>())) };
    if !claim(signal, siginfo, interrupted) {
        // SAFETY: these are the system's own arguments.
        unsafe { pass_on(signal, info, context) };
    }
}

/// Takes the signal if it is a trap of compiled code.
fn claim(signal: c_int, info: &siginfo_t, mut context: Context<'_>) -> bool {
    let record = CURRENT.get();
    if record.is_null() || thread_holds_a_lock() || !is_fault(info) {
        return false;
    }
    let pc = context.pc();
    // SAFETY: a current record is alive with its registry, for its `enter` has not returned.
    let registry = unsafe { &*(*record).registry };
    let Some(code) = registry.read().trap(pc) else {
        return false;
    };
    let address = match signal {
        // SAFETY: the system fills in the address for these signals when they report a fault.
        libc::SIGSEGV | libc::SIGBUS => Some(unsafe { info.si_addr() }.addr()),
        _ => None,
    };
    let fault = Fault {
        code,
        registers: context.registers(),
        address,
    };
    // SAFETY: as above; this thread was running compiled code, so nothing else uses the record.
    unsafe { (*record).fault = Some(fault) };
    context.resume_in_trap_stub(record);
    true
}

/// Whether the processor raised the signal, rather than some process.
fn is_fault(info: &siginfo_t) -> bool {
    info.si_code > 0
}

/// Does what would have been done without this handler.
///
/// # Safety
/// To be called with a handler's own arguments.
unsafe fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let previous = SIGNALS
        .iter()
        .position(|&ours| ours == signal)
        .zip(PREVIOUS.get());
    let Some(action) = previous.map(|(index, actions)| &actions[index]) else {
        return;
    };
    // SAFETY: the system's own argument.
    let fault = is_fault(unsafe { &*info });
    match action.sa_sigaction {
        libc::SIG_IGN if !fault => {}
        // Returning runs the instruction again, now with the default action: the process ends with
        // the state of the fault. A signal that was sent must be sent again.
        libc::SIG_DFL | libc::SIG_IGN => {
            let default = default_action();
            // SAFETY: restores the default action; raising a signal has no obligations.
            unsafe {
                libc::sigaction(signal, &raw const default, ptr::null_mut());
                if !fault {
                    libc::raise(signal);
                }
            }
        }
        handler if action.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with `SA_SIGINFO` the action is a handler of three arguments.
            let handler = unsafe {
                std::mem::transmute::<usize, unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(
                    handler,
                )
            };
            // SAFETY: the arguments are the system's own.
            unsafe { handler(signal, info, context) };
        }
        handler => {
            // SAFETY: without `SA_SIGINFO` it is a handler of one argument.
            let handler =
                unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler) };
            // SAFETY: the argument is the system's own.
            unsafe { handler(signal) };
        }
    }
}
