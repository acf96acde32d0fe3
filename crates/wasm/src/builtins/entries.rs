//! Where compiled code enters the builtins.
//!
//! Each entry gets the store and the instance from the context and runs the safe function of the
//! same name. Those that can fail catch errors and panics, which their callers turn into a trap.
//! Those that cannot have nothing to catch: a panic in one would be a defect, and aborts.

use super::{Builtin, bulk, heap};
use crate::enter::{Slot, find_landing, run_host_call, running_store};
use crate::error::Error;
use crate::exception::Exception;
use crate::instance::InstanceData;
use crate::vmctx::VmHeader;
use windrow::Store;
use windrow::jit::GcRef;
use windrow_cranelift::HostStatus;

/// Runs `body` with the store and instance a context belongs to.
///
/// # Safety
/// Called by an exit trampoline with the context that compiled code runs with.
unsafe fn with<R>(
    context: *const VmHeader,
    body: impl FnOnce(&mut Store, &InstanceData) -> R,
) -> R {
    // SAFETY: compiled code passes its own context on, which was filled in before it could run. The
    // store keeps the instance, and with it the context, alive; its code waits for this call.
    let (store, instance) = unsafe {
        let VmHeader {
            state, instance, ..
        } = *context;
        let instance = &*std::ptr::with_exposed_provenance::<InstanceData>(instance);
        (
            running_store(std::ptr::with_exposed_provenance(state)),
            instance,
        )
    };
    body(store, instance)
}

/// A result as its builtin hands it to compiled code.
trait Reply {
    /// The words of success; zero is failure.
    fn reply(self) -> u32;
}

impl Reply for u32 {
    fn reply(self) -> u32 {
        self
    }
}

impl Reply for () {
    fn reply(self) -> u32 {
        1
    }
}

/// Throws an exception: finds where it lands, which is left in the trampoline's two slots, and
/// returns a [`HostStatus`].
///
/// # Safety
/// See [`with`]; called by a throw trampoline.
pub(crate) unsafe extern "C" fn throw(
    context: *const VmHeader,
    exception: u32,
    slots: *mut [Slot; 2],
) -> u32 {
    // SAFETY: the caller's own promise.
    let landing = unsafe {
        with(context, |store, instance| {
            run_host_call(|| throw_in(store, instance, GcRef::from_bits(exception)))
        })
    };
    match landing {
        Some(landing) => {
            // SAFETY: the trampoline's slots are its own, and there are two.
            unsafe { slots.write(landing) };
            HostStatus::Threw as u32
        }
        None => HostStatus::Failed as u32,
    }
}

/// Where an exception lands; as an error if nothing in the activation catches it.
fn throw_in(
    store: &mut Store,
    instance: &InstanceData,
    exception: GcRef,
) -> Result<[Slot; 2], Error> {
    match find_landing(instance.engine(), store, exception)? {
        Some(landing) => Ok(landing),
        None => Err(Exception::held(store, exception).into()),
    }
}

fn fallible<R: Reply>(body: impl FnOnce() -> Result<R, Error>) -> u32 {
    run_host_call(body).map_or(0, Reply::reply)
}

macro_rules! entries {
    ($($builtin:ident $name:ident ($($arg:ident),*) $kind:ident $(-> $result:ident)? = $module:ident($($pass:expr),*);)*) => {
        $(
            /// # Safety
            /// See [`with`].
            unsafe extern "C" fn $name(context: *const VmHeader $(, $arg: u32)*) $(-> $result)? {
                // SAFETY: the caller's own promise.
                unsafe {
                    with(context, |store, instance| entries!(@$kind $module::$name(store, instance $(, $pass)*)))
                }
            }
        )*

        /// Address of a builtin's entry.
        pub(crate) fn address(builtin: Builtin) -> usize {
            match builtin { $(Builtin::$builtin => $name as *const () as usize,)* }
        }
    };
    (@fallible $call:expr) => { fallible(|| $call) };
    (@infallible $call:expr) => { $call };
}

entries! {
    AllocStruct alloc_struct(a, b) fallible -> u32 = heap(a, b);
    AllocArray alloc_array(a, b) fallible -> u32 = heap(a, b);
    ArrayNewData array_new_data(a, b, c, d) fallible -> u32 = heap(a, b, c, d);
    ArrayNewElem array_new_elem(a, b, c, d) fallible -> u32 = heap(a, b, c, d);
    ArrayInitData array_init_data(a, b, c, d, e, f) fallible -> u32 = heap(a, b, c, d, e, f);
    ArrayInitElem array_init_elem(a, b, c, d, e, f) fallible -> u32 = heap(a, b, c, d, e, f);
    WriteBarrier write_barrier(a, b, c) infallible = heap(a, b, c);
    RangeBarrier range_barrier(a, b, c) infallible = heap(a, b, c);
    IsSubtype is_subtype(a, b) infallible -> u32 = heap(a, b);
    MemoryGrow memory_grow(a, b) infallible -> u32 = bulk(a, b);
    MemoryFill memory_fill(a, b, c, d) fallible -> u32 = bulk(a, b, c, d);
    MemoryCopy memory_copy(a, b, c, d, e) fallible -> u32 = bulk((a, b), c, d, e);
    MemoryInit memory_init(a, b, c, d, e) fallible -> u32 = bulk((a, b), c, d, e);
    DataDrop data_drop(a) infallible = bulk(a);
    TableGrow table_grow(a, b, c) infallible -> u32 = bulk(a, b, c);
    TableFill table_fill(a, b, c, d) fallible -> u32 = bulk(a, b, c, d);
    TableCopy table_copy(a, b, c, d, e) fallible -> u32 = bulk((a, b), c, d, e);
    TableInit table_init(a, b, c, d, e) fallible -> u32 = bulk((a, b), c, d, e);
    ElemDrop elem_drop(a) infallible = bulk(a);
}
