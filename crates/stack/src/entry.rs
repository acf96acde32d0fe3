//! Entering compiled code, and coming back from it by return or by trap.
//!
//! An entry opens an activation on the isolate, sets the stack limit, and calls a stub in assembly
//! that saves the callee-saved registers, records its frame pointer as the activation's end, puts
//! the state pointer into the pinned register and calls compiled code. A trap comes back through
//! the same stub: the signal handler makes the thread go on in [`finish_trap`], below the fault on
//! the same stack and outside signal context, where the backtrace is taken; then the stub's saved
//! stack pointer is restored and the stub returns. Nothing is unwound: between entry and trap
//! there are only frames of compiled code, for host calls have returned or are entries themselves.
//!
//! An entry costs a few dozen instructions; the first on a thread also asks for the stack's bounds.

#[cfg(target_arch = "aarch64")]
#[path = "entry/aarch64.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "entry/x86_64.rs"]
mod arch;
mod limit;
mod signals;
mod switch;

pub use limit::HOST_RESERVE_BYTES;
pub use switch::switch_stacks;

use crate::StackError;
use crate::backtrace::Backtrace;
use crate::code::TrapCode;
use crate::live::SuspendedStack;
use crate::registers::Registers;
use crate::registry::CodeRegistry;
use crate::trap::Trap;
use crate::walker::{Unwinder, Walker};
use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::Arc;
use windrow_core::Isolate;

/// Compiled code as the entry stub calls it, in the C calling convention: a trampoline that takes
/// `(code, vmctx, args)`, loads the arguments of the function at `code` from `args`, calls it with
/// `vmctx`, and stores its results to `args`.
pub type EntryFn = unsafe extern "C" fn(code: usize, vmctx: usize, args: *mut u8);

/// The way into compiled code: which code may run, and how much stack it may take.
#[derive(Clone, Debug)]
pub struct EntryGate {
    registry: Arc<CodeRegistry>,
    stack_max_bytes: usize,
    unwinder: Unwinder,
}

impl EntryGate {
    /// A gate for the code known to `registry`, which may use `stack_max_bytes` of stack below the
    /// outermost entry of a thread, and never the last [`HOST_RESERVE_BYTES`] of the thread's own
    /// stack, whichever ends first.
    ///
    /// The first gate of a process installs handlers for the signals of faults. They pass on to
    /// the handlers they find whatever is not a trap of compiled code; handlers installed later
    /// should do the same.
    ///
    /// # Errors
    /// [`StackError::Signals`] if the system refuses the handlers.
    pub fn new(registry: Arc<CodeRegistry>, stack_max_bytes: usize) -> Result<Self, StackError> {
        signals::install()?;
        Ok(Self {
            registry,
            stack_max_bytes,
            unwinder: Unwinder::default(),
        })
    }

    /// The same, with the backtraces of traps found by this unwinder.
    #[must_use]
    pub fn with_unwinder(self, unwinder: Unwinder) -> Self {
        Self { unwinder, ..self }
    }

    /// The registry that knows the code.
    #[must_use]
    pub fn registry(&self) -> &Arc<CodeRegistry> {
        &self.registry
    }

    /// How much stack code may use below the outermost entry.
    #[must_use]
    pub fn stack_max_bytes(&self) -> usize {
        self.stack_max_bytes
    }

    /// Runs compiled code in a new activation of `isolate` until it returns or traps.
    ///
    /// A nested entry on the same stack keeps the outer one's stack limit if that is tighter.
    /// After a trap the results in `args` are whatever had been stored, the activation is closed,
    /// and the isolate may be entered again.
    ///
    /// # Errors
    /// The [`Trap`] that ended it.
    ///
    /// # Safety
    /// * `isolate` points to a live isolate that the caller holds exclusively; no reference to it
    ///   is in use until this returns, but for those that host calls from the code make and end.
    /// * `entry` behaves as [`EntryFn`] says for these `code`, `vmctx` and `args`.
    /// * All code that runs is known to this gate's registry with true records, stays so until
    ///   this returns, keeps frame pointers, compares its stack pointer with the state's stack
    ///   limit, leaves the pinned register alone, and stores the exit words of the state before it
    ///   calls the host.
    /// * Every instruction registered as a trap site may be abandoned with all frames up to the
    ///   entry. No host call unwinds into compiled code.
    pub unsafe fn enter(
        &self,
        isolate: *mut Isolate,
        entry: EntryFn,
        code: usize,
        vmctx: usize,
        args: *mut u8,
    ) -> Result<(), Trap> {
        let outer = CURRENT.get();
        let cell = UnsafeCell::new(EntryRecord {
            state: ptr::null_mut(),
            entry,
            code,
            vmctx,
            args,
            entry_fp: 0,
            resume_sp: 0,
            registry: Arc::as_ptr(&self.registry),
            unwinder: self.unwinder,
            stack_limit: 0,
            fault: None,
            trap: None,
        });
        let record = cell.get();
        // SAFETY: records in `CURRENT` are those of entries of this thread that have not returned,
        // so a non-null one lives in a frame above; its limit was written before it became current.
        let outer_limit = unsafe { outer.as_ref() }.map(|outer_record| limit::Entered {
            sp: outer.addr(),
            limit: outer_record.stack_limit,
        });
        let stack_limit = limit::stack_limit(record.addr(), self.stack_max_bytes, outer_limit);
        // SAFETY: the caller promises exclusive access and holds no reference in use; the limit keeps
        // code within the bounds of the stack it runs on.
        let saved_limit = unsafe {
            (*record).state = (*isolate).state_pointer();
            (*record).stack_limit = stack_limit;
            (*isolate).enter_activation();
            (*isolate).set_stack_limit(stack_limit)
        };
        CURRENT.set(record);
        // SAFETY: the record is complete; the caller vouches for the code; traps come back here
        // through the handler that `new` installed, as the record is this thread's current one.
        let trapped = unsafe { arch::enter_compiled(record) } != 0;
        CURRENT.set(outer);
        // SAFETY: no reference to the isolate is in use again, now that the code has ended; the limit
        // is the outer entry's own.
        unsafe {
            (*isolate).set_stack_limit(saved_limit);
            (*isolate).leave_activation();
        }
        let trap = cell.into_inner().trap;
        debug_assert_eq!(trapped, trap.is_some());
        trap.map_or(Ok(()), Err)
    }
}

/// What an entry leaves for its stub, the signal handler and [`finish_trap`]. Lives in the frame
/// of [`EntryGate::enter`]; reached through raw pointers only while compiled code runs.
#[repr(C)]
struct EntryRecord {
    state: *mut u8,
    entry: EntryFn,
    code: usize,
    vmctx: usize,
    args: *mut u8,
    /// Written by the stub: its frame pointer.
    entry_fp: usize,
    /// Written by the stub: its stack pointer, below the registers it saved.
    resume_sp: usize,
    registry: *const CodeRegistry,
    unwinder: Unwinder,
    stack_limit: usize,
    fault: Option<Fault>,
    trap: Option<Trap>,
}

/// What the signal handler saw.
#[derive(Clone, Copy)]
struct Fault {
    code: TrapCode,
    registers: Registers,
    address: Option<usize>,
}

thread_local! {
    /// The innermost entry of this thread. Plain data, so that the signal handler may read it.
    static CURRENT: Cell<*mut EntryRecord> = const { Cell::new(ptr::null_mut()) };
}

/// Address of the code that lands an exception: in the C calling convention `(pc, sp, fp,
/// exception)`, the words of a [`Landing`](crate::Landing) and then the exception. It does not
/// return: it goes on at the handler, in its frame, with the exception in the first result
/// register and the pinned register as it is.
///
/// To be called by trampolines of compiled code only: the frames below the landing are given up.
#[must_use]
pub fn landing_address() -> usize {
    arch::land as *const () as usize
}

/// Takes the trap down and says which stack pointer to go back to. Runs on the stack of the code
/// that trapped, below it; a panic here aborts, as it must not cross the stub.
///
/// # Safety
/// Called once for a fault that the handler recorded in the current record `record`.
unsafe extern "C" fn finish_trap(record: *mut EntryRecord) -> usize {
    // SAFETY: the record is the current one, whose `enter` waits for its stub to return.
    let (fault, entry_fp, registry, unwinder) = unsafe {
        (
            (*record).fault.take(),
            (*record).entry_fp,
            &*(*record).registry,
            (*record).unwinder,
        )
    };
    let fault = fault.expect("the handler records the fault before it resumes here");
    // SAFETY: the frames between the faulting stack pointer and the entry stub are those of
    // compiled code that will not go on; this function's own frame lies below.
    let stack = unsafe { SuspendedStack::of_activation(fault.registers.sp(), entry_fp) };
    let Fault {
        code,
        registers,
        address,
    } = fault;
    let backtrace = Walker::of_thread(unwinder, |walker| {
        Backtrace::of_trap(walker, &stack, &registry.read(), registers, entry_fp)
    });
    // SAFETY: as above; no reference into the record is alive but `registry`'s, to elsewhere.
    unsafe {
        (*record).trap = Some(Trap {
            code,
            pc: registers.pc.address(),
            fault_address: address,
            backtrace,
        });
        (*record).resume_sp
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
