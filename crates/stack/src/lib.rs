//! Precise roots from compiled frames: stack maps, the walker, entry, exit and traps.
//!
//! A compiler [registers](CodeRegistry::register) each range of code with its stack maps, trap
//! sites and functions. [`EntryGate::enter`] runs code in an activation of an isolate and returns
//! when it returns or traps; code that calls the host first stores in the mutator state where it
//! left. [`CompiledFrames`], a root source, follows the frames in between at a collection and shows
//! every reference their stack maps name.
//!
//! A runtime with fibers leaves each stack by `switch_stacks`: entries and activations then go with the
//! stack they are on, and [`CompiledFrames`] shows the frames on all of them. A fiber as such, with the
//! host's frames on it, is walked from its saved registers by [`Walker::stack_below`].
//!
//! None of this needs a collector: [`Walker`] walks any [`StackMemory`] from any [`Registers`], this
//! thread's own stack included ([`SuspendedStack::of_thread`]), and [`Frames::visit_words`] shows
//! references of any heap.
//!
//! Exceptions: a host call that ends in one looks for the [`Landing`] of its activation
//! ([`CompiledFrames::find_handler`]) and returns it to the trampoline that called it, which jumps
//! there through [`landing_address`]. Host frames are returned from, never jumped over.
//!
//! What generated code must do: keep frame pointers; keep the state pointer in Cranelift's pinned
//! register; compare the stack pointer with `MutatorState::STACK_LIMIT`; before it calls the host,
//! store the frame pointer and the return address of the frame that leaves to
//! `MutatorState::EXIT_FP` and `EXIT_PC`; trap by faulting at registered sites.
//!
//! Unwind tables of code can be [shown to the system's unwinder](SystemFrames), for the host's own
//! backtraces, and, with the feature `debugger`, code to debuggers.
//!
//! Entry and traps exist on Linux on x86-64 and `AArch64`; registry and walker everywhere.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")
)]

mod address_cache;
mod address_hash;
mod backtrace;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[expect(unsafe_code, reason = "stores registers, which takes assembly")]
mod capture;
mod code;
#[cfg(all(
    feature = "debugger",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[expect(unsafe_code, reason = "keeps the list of images that debuggers read")]
mod debugger;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[expect(
    unsafe_code,
    reason = "enters compiled code, leaves it at a trap, handles its signals"
)]
mod entry;
mod error;
mod frame_section;
mod frame_table;
mod interpret;
#[expect(unsafe_code, reason = "reads and writes the slots of suspended frames")]
mod live;
mod landing;
mod llvm;
mod location;
mod location_pool;
#[cfg(test)]
mod made_up;
#[expect(
    unsafe_code,
    reason = "reads the unwind tables of loaded images, which the loader points to"
)]
mod process;
mod references;
mod registers;
mod registry;
#[expect(
    unsafe_code,
    reason = "vouches for the bounds of activations; the constructor's contract"
)]
mod roots;
mod row;
#[expect(unsafe_code, reason = "hands unwind tables to the system's unwinder")]
mod system;
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "asks the C library for the bounds of a stack")
)]
mod thread_stack;
mod trap;
mod walk;
mod walker;

pub use backtrace::{BACKTRACE_FRAMES, Backtrace, Frame};
pub use code::{CodeRange, FunctionRange, Handler, Safepoint, TrapCode, TrapSite};
#[cfg(all(
    feature = "debugger",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use debugger::{DebuggerEntry, DebuggerImage};
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use entry::{EntryFn, EntryGate, HOST_RESERVE_BYTES, landing_address, switch_stacks};
pub use error::StackError;
pub use frame_table::FrameTable;
pub use landing::Landing;
pub use live::SuspendedStack;
pub use llvm::{
    LiveOut, RawLocation, STATEPOINT_ID, StackMapError, StackMapFunction, StackMapRecord,
    StackMaps, Statepoint,
};
pub use location::{Encoding, Location, Place};
pub use registers::{CodeAddress, Register, Registers};
pub use registry::{CallSite, CodeHandle, CodeReader, CodeRegistry, FunctionPlace, RegistrySize};
pub use roots::CompiledFrames;
pub use system::SystemFrames;
pub use trap::Trap;
pub use walk::{Frames, StackMemory, WalkError, WalkFault, WalkedFrame};
pub use walker::{Unwinder, Walker};

/// The code in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
