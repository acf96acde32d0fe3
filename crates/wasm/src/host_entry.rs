//! Where compiled code calls host functions.
//!
//! A host function's context starts with the address of [`call()`]; a host trampoline passes the
//! context, the state pointer and the arguments in slots. The closure gets held references, so
//! arguments and results stay alive and current whatever it does; those that it does not keep are
//! given back right after it.

use crate::enter::{Slot, run_host_call, running_store};
use crate::error::Error;
use crate::func::{Caller, Closure, HostBody, HostContext, HostFunction};
use crate::value::{check_type, default_value, from_bits, to_bits};
use smallvec::SmallVec;
use std::sync::Arc;
use windrow::{Store, Val};
use windrow_cranelift::HostStatus;

/// The entry of every host function. Returns a [`HostStatus`].
///
/// A host function is handed a `&mut Store`, so it can put another store in its place, or even drop
/// it. The function itself outlives that; the frames that wait for it do not, so if it leaves
/// another store behind than it found there is no way back, and the process is aborted.
///
/// # Safety
/// Called by a host trampoline only: `context` is the address of a [`HostContext`] that the store
/// keeps alive, `state` the state pointer of the store that is running, and `slots` holds the
/// arguments, with room for the results, and for two values at least.
pub(crate) unsafe extern "C" fn call(
    context: *const HostContext,
    state: *const u8,
    slots: *mut Slot,
) -> u32 {
    // SAFETY: the caller's promise; the context is not used after the function runs.
    let (function, store) = unsafe { (Arc::clone(&(*context).function), running_store(state)) };
    let count = function.ty.params.len().max(function.ty.results.len());
    // SAFETY: the trampoline's slots are its own, as many as the longer of the two lists or two,
    // and not accessed by others until this call returns.
    let slots = unsafe { std::slice::from_raw_parts_mut(slots, count.max(2)) };
    let done = run_host_call(|| {
        let result = match &function.body {
            HostBody::Values(closure) => run(&function, &**closure, store, slots),
            #[cfg(feature = "js")]
            HostBody::Raw(closure) => closure(store, slots),
        };
        match result {
            Err(Error::Exception(exception)) => {
                match exception.landing(&function.engine, store)? {
                    Some(landing) => {
                        slots[..2].copy_from_slice(&landing);
                        Ok(HostStatus::Threw)
                    }
                    None => Err(Error::Exception(exception)),
                }
            }
            result => result.map(|()| HostStatus::Returned),
        }
    });
    if !std::ptr::eq(store.isolate().state_pointer(), state) {
        std::process::abort();
    }
    done.unwrap_or(HostStatus::Failed) as u32
}

fn run(
    function: &HostFunction,
    closure: &Closure,
    store: &mut Store,
    slots: &mut [Slot],
) -> Result<(), Error> {
    let ty = &function.ty;
    let mut args: SmallVec<[Val; 8]> = SmallVec::with_capacity(ty.params.len());
    for (ty, slot) in ty.params.iter().zip(&*slots) {
        args.push(from_bits(store, *ty, slot.bits));
    }
    let mut results: SmallVec<[Val; 4]> = ty
        .results
        .iter()
        .map(|ty| default_value(store.types(), *ty))
        .collect();
    closure(
        Caller {
            store,
            engine: &function.engine,
            importer: &function.importer,
        },
        &args,
        &mut results,
    )?;
    for (index, (ty, result)) in ty.results.iter().zip(&results).enumerate() {
        check_type(store, result, *ty, || {
            format!("result {index} of a host function")
        })?;
    }
    // From here to the return nothing allocates, so raw references stay right.
    for (slot, result) in slots.iter_mut().zip(&results) {
        *slot = Slot::new(to_bits(store, result)?);
    }
    for value in args.into_iter().chain(results) {
        if let Val::Ref(reference) = value {
            store.release(reference);
        }
    }
    Ok(())
}
