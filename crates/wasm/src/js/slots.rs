//! Arguments and results of host functions that take raw references.

use super::string::JsString;
use crate::enter::Slot;
use crate::error::Error;
use crate::global::low_ref;
use crate::trap::TrapKind;
use std::any::Any;
use windrow::jit::{Corruption, ObjectRef};
use windrow::{HeapError, HostValue, Store, TypeId};

/// The integer in a slot.
pub(super) fn u32_of(slot: Slot) -> u32 {
    low_ref(slot.bits).bits()
}

/// The integer in a slot, as indices are: unsigned.
pub(super) fn index_of(slot: Slot) -> usize {
    u32_of(slot) as usize
}

/// An integer for a slot.
pub(super) fn of_u32(value: u32) -> Slot {
    Slot::new(value.into())
}

/// A flag for a slot.
pub(super) fn of_bool(value: bool) -> Slot {
    of_u32(value.into())
}

/// The host value of a type that a reference stands for, or `None` for anything else but null.
///
/// # Errors
/// A trap for null; [`Error::Heap`] for a forged reference.
pub(super) fn host_value<T: Any>(store: &Store, slot: Slot) -> Result<Option<&T>, Error> {
    let raw = low_ref(slot.bits);
    if raw.is_null() {
        return Err(TrapKind::NullReference.into());
    }
    let Some(object) = raw.as_object() else {
        return Ok(None);
    };
    let value = store.isolate().host_value(object)?;
    Ok(value.and_then(|value| value.downcast_ref()))
}

/// The string a reference stands for.
///
/// # Errors
/// A trap for null and what is no string; [`Error::Heap`] for a forged reference.
pub(super) fn string(store: &Store, slot: Slot) -> Result<&JsString, Error> {
    host_value(store, slot)?.ok_or_else(|| TrapKind::CastFailure.into())
}

/// A reference to a new object that stands for a string. A safepoint.
///
/// # Errors
/// [`Error::Heap`] where the heap is full.
pub(super) fn of_string(store: &mut Store, string: JsString) -> Result<Slot, Error> {
    let bytes = string.bytes();
    let value = HostValue::new(string);
    let object = store
        .isolate_mut()
        .alloc_extern_sized(value, bytes, &mut [])
        .map_err(|refused| Error::Heap(refused.error))?;
    Ok(Slot::new(object.to_ref().bits().into()))
}

/// The array of a type in a slot.
///
/// # Errors
/// A trap for null; [`Error::Heap`] for what validated code could not have passed.
pub(super) fn array(store: &Store, slot: Slot, ty: TypeId) -> Result<ObjectRef, Error> {
    let raw = low_ref(slot.bits);
    if raw.is_null() {
        return Err(TrapKind::NullArray.into());
    }
    raw.as_object()
        .filter(|array| store.isolate().type_of(*array) == ty)
        .ok_or_else(|| {
            let corruption = Corruption::Reference {
                offset: 0,
                bits: raw.bits(),
            };
            Error::Heap(HeapError::Corrupt(corruption))
        })
}

/// The error for a string of `units` units, which are too many.
pub(super) fn too_long(units: usize) -> Error {
    Error::Heap(HeapError::HeapFull {
        needed_bytes: 2 * units as u64,
        limit_bytes: 2 * JsString::MAX_UNITS as u64,
    })
}
