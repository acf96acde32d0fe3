//! CLIF for allocation, access, barriers, casts and safepoints, from a collector's data.
//!
//! A compiler author brings a `cranelift_frontend::FunctionBuilder` and a
//! [`CodeAbi`](windrow_core::CodeAbi); this crate emits the code between them and knows no
//! collector by name. Two objects per function do it all:
//!
//! - [`Emitter`] emits heap operations: allocation, loads and stores, barriers, casts, function
//!   references. It holds the ABI and the state pointer.
//! - [`RefFrame`] keeps the references that live across safepoints: each is a frontend variable
//!   ([`RefVar`]) with a stack slot of its own, written only around safepoints.
//!
//! What the runtime must supply, calls into the host, comes in through [`SlowPaths`], of which
//! [`HostCalls`] is a ready implementation. The
//! functions between the worlds (entry, exit) are made by [`entry_trampoline`],
//! [`exit_trampoline`] and [`host_trampoline`]; [`compile`] turns a function into code with the
//! stack maps and trap sites that `windrow-stack` registers, and [`UnwindTables`] describes the frames
//! of placed code to unwinders.
//!
//! [`inline`] replaces calls by what they lead to, as far as a client's [`Callees`] say, and keeps where
//! instructions came from.
//!
//! [`check_safepoints`] proves of a function, however it was emitted, that no safepoint misses a
//! reference, from what its compiler knows of types.
//!
//! # The fast path has no calls
//! Only an ordinary call spills. Slow paths lie in blocks marked cold and carry their own spills
//! and reloads, which is what Cranelift's declared references cannot do: those are spilled at
//! their definition if any call, however unlikely, is within their live range.
//!
//! # The heap is untrusted
//! Whatever a reference, length or header holds, emitted code touches nothing outside the heap's
//! reservation; the argument is made where each address is computed. So a wrong static claim
//! ([`Known::NonNull`] for a null) costs a trap, never memory safety.
#![forbid(unsafe_code)]

mod access;
mod alloc;
mod array;
mod barrier;
mod bulk;
mod cast;
mod check;
mod compile;
mod eh_frame;
mod emitter;
mod func;
mod host_calls;
mod i31;
mod inline;
mod optimise;
mod region;
mod safepoint;
mod settings;
mod slow;
mod stack_limit;
mod trampoline;
mod trap;

pub use access::{Extension, Known, Place};
pub use alloc::NewStruct;
pub use array::Elements;
pub use bulk::ArrayPosition;
pub use cast::{CastSource, CastTarget, Concrete, HeapType};
pub use check::{Claim, GroundTruth, Problem, Violation, check_safepoints};
pub use compile::{CompileError, CompiledFunction, Relocation, Symbol, compile};
pub use eh_frame::UnwindTables;
pub use emitter::Emitter;
pub use func::{Callee, SignatureCheck};
pub use host_calls::HostCalls;
pub use inline::{CallSite, Callees, Chain, InlinedCalls, early_exit, inlinable, inline};
pub use region::Region;
pub use safepoint::{RefFrame, RefVar};
pub use settings::{IsaError, IsaOptions, native_isa};
pub use slow::{SlowPath, SlowPaths};
pub use stack_limit::check_stack;
pub use trampoline::{
    HostStatus, SLOT_BYTES, entry_signature, entry_trampoline, exit_trampoline, host_trampoline,
    throw_trampoline,
};
pub use trap::HeapTrap;
