//! Values between the host and compiled code: bits one way, held references the other.

use crate::error::Error;
use crate::global::{low_double, low_ref};
use windrow::jit::ShapeKind;
use windrow::{FunctionId, HeapType, Ref, RefType, Store, TypeId, TypeRegistry, Val, ValType};

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
    let matches = match (value, ty) {
        (Val::I32(_), ValType::I32)
        | (Val::I64(_), ValType::I64)
        | (Val::F32(_), ValType::F32)
        | (Val::F64(_), ValType::F64)
        | (Val::V128(_), ValType::V128) => true,
        (Val::Func(id), ValType::Ref(ty)) => func_matches(store, *id, ty),
        (Val::Ref(reference), ValType::Ref(ty)) => ref_matches(store, reference, ty)?,
        _ => false,
    };
    if matches {
        return Ok(());
    }
    Err(Error::ValueType {
        what: what(),
        expected: ty.to_string(),
        found: describe(store, value),
    })
}

fn func_matches(store: &Store, id: FunctionId, ty: RefType) -> bool {
    if id.is_null() {
        return ty.nullable && is_func(store.types(), ty.heap_type);
    }
    let Some(entry) = store.isolate().function(id) else {
        return false;
    };
    match ty.heap_type {
        HeapType::Func => true,
        HeapType::Concrete(expected) => store
            .types()
            .is_subtype(TypeId::from_bits(entry.type_id), expected),
        _ => false,
    }
}

fn ref_matches(store: &Store, reference: &Ref, ty: RefType) -> Result<bool, Error> {
    let raw = store
        .try_resolve(reference)
        .map_err(|_| Error::WrongStore {
            what: "the reference",
        })?;
    if raw.is_null() {
        return Ok(ty.nullable && !is_func(store.types(), ty.heap_type));
    }
    let Some(object) = raw.as_object() else {
        // `extern.convert_any` keeps the representation, so an `i31` may be an `externref` too.
        return Ok(matches!(
            ty.heap_type,
            HeapType::Any | HeapType::Extern | HeapType::Eq | HeapType::I31
        ));
    };
    let id = store.isolate().type_of(object);
    let kind = store.isolate().tables().shape(id).kind;
    Ok(match ty.heap_type {
        HeapType::Any | HeapType::Extern => id != TypeId::EXN,
        HeapType::Exn => id == TypeId::EXN,
        HeapType::Eq => id.bits() >= TypeId::FIRST_DECLARED,
        HeapType::Struct => id.bits() >= TypeId::FIRST_DECLARED && kind == ShapeKind::Struct,
        HeapType::Array => id.bits() >= TypeId::FIRST_DECLARED && kind == ShapeKind::Array,
        HeapType::Concrete(expected) => {
            id.bits() >= TypeId::FIRST_DECLARED && store.types().is_subtype(id, expected)
        }
        _ => false,
    })
}

/// What a value is, for people.
fn describe(store: &Store, value: &Val) -> String {
    match value {
        Val::I32(_) => "an i32".to_owned(),
        Val::I64(_) => "an i64".to_owned(),
        Val::F32(_) => "an f32".to_owned(),
        Val::F64(_) => "an f64".to_owned(),
        Val::V128(_) => "a v128".to_owned(),
        Val::Func(id) if id.is_null() => "a null function".to_owned(),
        Val::Func(_) => "a function".to_owned(),
        Val::Ref(Ref::Null) => "null".to_owned(),
        Val::Ref(Ref::I31(_)) => "an i31".to_owned(),
        Val::Ref(reference) => match store
            .try_resolve(reference)
            .ok()
            .and_then(|raw| raw.as_object())
        {
            Some(object) => match store.isolate().type_of(object) {
                TypeId::EXTERN => "a host value".to_owned(),
                TypeId::EXN => "an exception".to_owned(),
                id => format!("an object of type {id}"),
            },
            None => "a reference".to_owned(),
        },
    }
}
