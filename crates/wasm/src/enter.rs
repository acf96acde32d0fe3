//! Into compiled code and back: the one place that runs it.
//!
//! While code of a store runs, the state's word for it holds the store's address, through which
//! host functions and builtins get the store back (see `host_entry` and `builtins`). A host call
//! that fails leaves the reason in this thread's pending failure and makes its caller trap; the
//! entry finds the reason there. Entries nest, each puts back the word it found.

use crate::attach::STORE_WORD;
use crate::error::Error;
use crate::func::Func;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use windrow::Store;
use windrow::jit::{GcRef, MutatorState, RootSource};
use windrow_stack::{CodeRegistry, CompiledFrames, EntryFn, Landing, Trap as StackTrap, Unwinder};

/// Room for one argument or result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C, align(16))]
pub(crate) struct Slot {
    /// The value's bits; shorter values use the first bytes.
    pub(crate) bits: u128,
}

const _: () = assert!(size_of::<Slot>() == windrow_cranelift::SLOT_BYTES as usize);

impl Slot {
    pub(crate) const fn new(bits: u128) -> Self {
        Self { bits }
    }

    /// A slot with two words.
    pub(crate) const fn words(bits: u64, high: u64) -> Self {
        Self {
            bits: (high as u128) << 64 | bits as u128,
        }
    }
}

/// Why a host call failed.
enum Failure {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

thread_local! {
    /// The failure of the innermost host call, between its return and its entry's.
    static PENDING: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// How an entry ended, if not by returning.
pub(crate) enum Ended {
    /// Compiled code trapped by itself.
    Trapped(StackTrap),
    /// A host call failed.
    Failed(Error, StackTrap),
}

/// The compiled frames of a store that runs only code that `registry` knows.
pub(crate) fn compiled_frames(registry: &Arc<CodeRegistry>) -> Box<dyn RootSource> {
    // SAFETY: code of this engine is entered only by `enter`, through the gate; it keeps frame
    // pointers (a required setting of `windrow_cranelift::native_isa`), leaves only through exit and
    // host trampolines, which store the exit words, and is registered as long as it can run.
    Box::new(unsafe { CompiledFrames::new(Arc::clone(registry), Unwinder::FramePointers) })
}

/// Runs a function with arguments in `slots`, where the results are left. The bits of arguments
/// need not be right for memory to be safe: integers have any, and references are not trusted.
///
/// # Errors
/// How it ended, if it did not return.
///
/// # Panics
/// Resumes the panic of a host function that the code called. If the function is not the store's,
/// or there are fewer slots than parameters or results.
pub(crate) fn enter(store: &mut Store, func: &Func, slots: &mut [Slot]) -> Result<(), Box<Ended>> {
    assert!(
        func.store.check(store, "the function").is_ok(),
        "a function is called in its store"
    );
    assert!(
        slots.len() >= func.ty().params.len().max(func.ty().results.len()),
        "a slot a value"
    );
    let function = *store
        .isolate()
        .function(func.id)
        .expect("functions stay in their store");
    // SAFETY: only this engine adds functions to a store attached to it, and the array entry of
    // each is an entry trampoline of its signature.
    let entry = unsafe { std::mem::transmute::<usize, EntryFn>(function.array_entry) };
    let store: *mut Store = store;
    // SAFETY: the pointer was a reference a line above; it is the only one in use here from now on.
    let isolate: *mut _ = unsafe { &mut *store }.isolate_mut();
    // SAFETY: as above; a fresh borrow that ends with the statement. The word means the running
    // store's address.
    let outer =
        unsafe { (*isolate).set_embedder_word(STORE_WORD, store.expose_provenance() as u64) };
    // SAFETY: the isolate is borrowed exclusively through `store`, and nothing of it is in use until
    // the code returns, but by the host calls it makes. The entry, code and context belong together
    // as one entry of the table, and there are slots enough; the code is the engine's: registered,
    // with frame pointers and stack checks, leaving the pinned register alone, unwound by nobody.
    let result = unsafe {
        let gate = func.engine.gate();
        gate.enter(
            isolate,
            entry,
            function.code,
            function.context,
            slots.as_mut_ptr().cast(),
        )
    };
    // SAFETY: the code has ended; again a borrow for one statement, and the outer entry's word.
    unsafe { (*isolate).set_embedder_word(STORE_WORD, outer) };
    let Err(trap) = result else { return Ok(()) };
    match PENDING.take() {
        None => Err(Box::new(Ended::Trapped(trap))),
        Some(Failure::Error(error)) => Err(Box::new(Ended::Failed(error, trap))),
        Some(Failure::Panic(payload)) => resume_unwind(payload),
    }
}

/// Runs a host call's body, with the failure noted: `None` then.
pub(crate) fn run_host_call<R>(body: impl FnOnce() -> Result<R, Error>) -> Option<R> {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => return Some(result),
        Ok(Err(error)) => Failure::Error(error),
        Err(payload) => Failure::Panic(payload),
    };
    PENDING.set(Some(failure));
    None
}

/// Where an exception lands that the host call at hand ends in: handler and stack pointer, frame
/// pointer and exception, as trampolines expect them. `None` if nothing in the activation of the
/// code that made the call handles it. `registry` is the one that knows the store's code.
///
/// # Errors
/// [`Error::Heap`] where the stack cannot be followed.
pub(crate) fn find_landing(
    registry: &Arc<CodeRegistry>,
    store: &Store,
    exception: GcRef,
) -> Result<Option<[Slot; 2]>, Error> {
    // SAFETY: as in `compiled_frames`.
    let frames = unsafe { CompiledFrames::new(Arc::clone(registry), Unwinder::FramePointers) };
    let landing = frames
        .find_handler(store.isolate().activations())
        .map_err(|error| Error::Heap(error.into()))?;
    Ok(landing.map(|Landing { pc, sp, fp }| {
        [
            Slot::words(pc as u64, sp as u64),
            Slot::words(fp as u64, exception.bits().into()),
        ]
    }))
}

/// The store whose code is running, from the state pointer that the code holds.
///
/// # Safety
/// `state` is the state pointer of a store that [`enter`] is running, whose code waits for the
/// caller. No other reference to the store is in use while the result is.
pub(crate) unsafe fn running_store<'a>(state: *const u8) -> &'a mut Store {
    let word = MutatorState::EMBEDDER_WORDS as isize + (8 * STORE_WORD).cast_signed();
    // SAFETY: the word lies in the state block just below the state pointer. `enter` put the store's
    // address there and keeps the store borrowed; the caller rules out other references.
    unsafe {
        let address = state.offset(word).cast::<u64>().read();
        &mut *std::ptr::with_exposed_provenance_mut::<Store>(usize::try_from(address).unwrap_or(0))
    }
}
