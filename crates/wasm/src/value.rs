//! Values between the host and compiled code: bits one way, held references the other.

use crate::error::Error;
use crate::global::{low_double, low_ref};
use windrow::jit::ShapeKind;
use windrow::{FunctionId, HeapType, Ref, Store, TypeId, TypeRegistry, Val, ValType};

/// Whether references of a type lead into the heap, rather than to functions.
pub(crate) fn is_gc(types: &TypeRegistry, ty: ValType) -> bool {
    matches!(ty, ValType::Ref(reference) if !is_func(types, reference.heap_type))
}

/// Whether a heap type belongs to the function hierarchy.
pub(crate) fn is_func(types: &TypeRegistry, heap_type: HeapType) -> bool {
    let is_func = |id: TypeId| types.tables().shape(id).kind == ShapeKind::Function;
    heap_type.top(is_func) == HeapType::Func
}

/// The bits of a value, as a slot or cell holds them. A reference's are valid until the next
/// safepoint.
///
/// # Errors
/// [`Error::WrongStore`] for a reference of another store.
pub(crate) fn to_bits(store: &Store, value: &Val) -> Result<u128, Error> {
    Ok(match value {
        Val::I32(value) => value.cast_unsigned().into(),
        Val::I64(value) => value.cast_unsigned().into(),
        Val::F32(bits) => (*bits).into(),
        Val::F64(bits) => (*bits).into(),
        Val::V128(bits) => *bits,
        Val::Func(id) => id.bits().into(),
        Val::Ref(reference) => {
            let raw = store
                .try_resolve(reference)
                .map_err(|_| Error::WrongStore {
                    what: "the reference",
                })?;
            raw.bits().into()
        }
    })
}

/// The value of a type behind its bits. A reference is held from now on.
pub(crate) fn from_bits(store: &mut Store, ty: ValType, bits: u128) -> Val {
    let (low, double) = (low_ref(bits).bits(), low_double(bits));
    match ty {
        ValType::I32 => Val::I32(low.cast_signed()),
        ValType::I64 => Val::I64(double.cast_signed()),
        ValType::F32 => Val::F32(low),
        ValType::F64 => Val::F64(double),
        ValType::V128 => Val::V128(bits),
        ValType::Ref(reference) if is_func(store.types(), reference.heap_type) => {
            Val::Func(FunctionId::from_bits(low))
        }
        ValType::Ref(_) => Val::Ref(store.hold(low_ref(bits))),
    }
}

/// The default value of a type: zero or null.
pub(crate) fn default_value(types: &TypeRegistry, ty: ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(0),
        ValType::I64 => Val::I64(0),
        ValType::F32 => Val::F32(0),
        ValType::F64 => Val::F64(0),
        ValType::V128 => Val::V128(0),
        ValType::Ref(reference) if is_func(types, reference.heap_type) => {
            Val::Func(FunctionId::NULL)
        }
        ValType::Ref(_) => Val::Ref(Ref::Null),
    }
}

/// Checks that a value is of a type.
///
/// # Errors
/// [`Error::ValueType`] that names the value as `what` says; [`Error::WrongStore`].
pub(crate) fn check_type(
    store: &Store,
    value: &Val,
    ty: ValType,
    what: impl FnOnce() -> String,
) -> Result<(), Error> {
    let wrong = match store.check_value(value, ty) {
        Ok(()) => return Ok(()),
        Err(wrong) => wrong,
    };
    Err(match wrong {
        windrow::Error::WrongValue { expected, found } => Error::ValueType {
            what: what(),
            expected,
            found,
        },
        _ => Error::WrongStore {
            what: "the reference",
        },
    })
}
