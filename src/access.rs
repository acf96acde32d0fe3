//! What reading and writing an object comes to: checks of types, conversions, barriers.
//!
//! Types come from the trusted tables by the id in the object's header, so a broken header is an
//! error or leads to another type's fields, and never out of the heap.

use crate::handle::kind_name;
use crate::{Error, Rooted, ScopedVal, Store, Val};
use windrow_core::{
    FieldType, FunctionId, GcRef, HeapType, Isolate, NewSlots, ObjectRef, RefType, ShapeKind,
    StorageType, TypeId, TypeInfo, ValType,
};

/// How an integer narrower than any value is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    Zero,
    Sign,
}

/// Reads what lies at `offset` bytes into `object`.
#[inline]
pub(crate) fn load(
    isolate: &Isolate,
    object: ObjectRef,
    offset: u32,
    storage: StorageType,
    extension: Extension,
) -> Val<GcRef> {
    match storage {
        StorageType::I8 => {
            let byte = isolate.load_u8(object, offset);
            Val::I32(match extension {
                Extension::Zero => byte.into(),
                Extension::Sign => byte.cast_signed().into(),
            })
        }
        StorageType::I16 => {
            let short = isolate.load_u16(object, offset);
            Val::I32(match extension {
                Extension::Zero => short.into(),
                Extension::Sign => short.cast_signed().into(),
            })
        }
        StorageType::Val(ValType::I32) => Val::I32(isolate.load_u32(object, offset).cast_signed()),
        StorageType::Val(ValType::I64) => Val::I64(isolate.load_u64(object, offset).cast_signed()),
        StorageType::Val(ValType::F32) => Val::F32(isolate.load_u32(object, offset)),
        StorageType::Val(ValType::F64) => Val::F64(isolate.load_u64(object, offset)),
        StorageType::Val(ValType::V128) => Val::V128(isolate.load_u128(object, offset)),
        StorageType::Val(ValType::Ref(of)) if is_func(isolate, of.heap_type) => {
            Val::Func(FunctionId::from_bits(isolate.load_u32(object, offset)))
        }
        StorageType::Val(ValType::Ref(_)) => Val::Ref(isolate.load_ref(object, offset)),
    }
}

/// Whether an object is being made, and no collector can have noted its slots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Initial,
    Later,
}

/// Writes a value that is of the storage's type.
#[inline]
pub(crate) fn store(
    isolate: &mut Isolate,
    object: ObjectRef,
    offset: u32,
    storage: StorageType,
    value: Val<GcRef>,
    write: Write,
) {
    match value {
        Val::I32(value) => match storage {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "packed: the low bits are kept"
            )]
            StorageType::I8 => isolate.store_u8(object, offset, value as u8),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "packed: the low bits are kept"
            )]
            StorageType::I16 => isolate.store_u16(object, offset, value as u16),
            StorageType::Val(_) => isolate.store_u32(object, offset, value.cast_unsigned()),
        },
        Val::I64(value) => isolate.store_u64(object, offset, value.cast_unsigned()),
        Val::F32(bits) => isolate.store_u32(object, offset, bits),
        Val::F64(bits) => isolate.store_u64(object, offset, bits),
        Val::V128(bits) => isolate.store_u128(object, offset, bits),
        Val::Func(id) => isolate.store_u32(object, offset, id.bits()),
        Val::Ref(reference) => match write {
            Write::Initial => isolate.init_ref(object, offset, reference),
            Write::Later => isolate.write_ref(object, offset, reference),
        },
    }
}

/// Whether a scoped value may be kept in a field: what [`check_value`] finds, without its error.
#[inline(always)]
pub(crate) fn fits(store: &Store, value: &ScopedVal<'_>, field: FieldType) -> bool {
    match (value, field.storage) {
        (Val::I32(_), StorageType::I8 | StorageType::I16 | StorageType::Val(ValType::I32))
        | (Val::I64(_), StorageType::Val(ValType::I64))
        | (Val::F32(_), StorageType::Val(ValType::F32))
        | (Val::F64(_), StorageType::Val(ValType::F64))
        | (Val::V128(_), StorageType::Val(ValType::V128)) => true,
        (Val::Ref(Some(reference)), StorageType::Val(ValType::Ref(of))) => reference
            .raw_in(store.isolate().handles(), store.id())
            .is_some_and(|reference| reference_matches(store.isolate(), reference, of.heap_type)),
        (Val::Ref(None), StorageType::Val(ValType::Ref(of))) => {
            of.nullable && !is_func(store.isolate(), of.heap_type)
        }
        (Val::Func(id), StorageType::Val(ValType::Ref(of))) => {
            func_matches(store.isolate(), *id, of)
        }
        _ => false,
    }
}

/// Writes a value that fits into a field of a new object, where nulls and zeros are.
#[inline(always)]
pub(crate) fn init(
    slots: &mut NewSlots<'_>,
    offset: u32,
    storage: StorageType,
    value: &ScopedVal<'_>,
    raw: impl FnOnce(Rooted<'_>) -> GcRef,
) {
    match *value {
        Val::I32(value) => match storage {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "packed: the low bits are kept"
            )]
            StorageType::I8 => slots.store_u8(offset, value as u8),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "packed: the low bits are kept"
            )]
            StorageType::I16 => slots.store_u16(offset, value as u16),
            StorageType::Val(_) => slots.store_u32(offset, value.cast_unsigned()),
        },
        Val::F32(bits) => slots.store_u32(offset, bits),
        Val::I64(value) => slots.store_u64(offset, value.cast_unsigned()),
        Val::F64(bits) => slots.store_u64(offset, bits),
        Val::V128(bits) => slots.store_u128(offset, bits),
        Val::Func(id) => slots.store_u32(offset, id.bits()),
        Val::Ref(Some(reference)) => slots.store_ref(offset, raw(reference)),
        Val::Ref(None) => {}
    }
}

/// Whether a heap type belongs to the function hierarchy.
#[inline]
pub(crate) fn is_func(isolate: &Isolate, heap_type: HeapType) -> bool {
    match heap_type {
        HeapType::Func | HeapType::NoFunc => true,
        HeapType::Concrete(id) => isolate.tables().shape(id).kind == ShapeKind::Function,
        _ => false,
    }
}

/// Whether a reference, not null, is a value of a heap type.
#[inline]
pub(crate) fn reference_matches(isolate: &Isolate, reference: GcRef, heap_type: HeapType) -> bool {
    // What most references are.
    if let HeapType::Concrete(expected) = heap_type
        && let Some(object) = reference.as_object()
        && isolate.type_of(object) == expected
    {
        return true;
    }
    reference_is_of(isolate, reference, heap_type)
}

#[inline(never)]
fn reference_is_of(isolate: &Isolate, reference: GcRef, heap_type: HeapType) -> bool {
    let Some(object) = reference.as_object() else {
        // `extern.convert_any` keeps the representation, so an `i31` may be an `externref` too.
        return reference.is_i31()
            && matches!(
                heap_type,
                HeapType::Any | HeapType::Extern | HeapType::Eq | HeapType::I31
            );
    };
    let id = isolate.type_of(object);
    match heap_type {
        HeapType::Exn => return id == TypeId::EXN,
        _ if id == TypeId::EXN => return false,
        HeapType::Any | HeapType::Extern => return true,
        _ => {}
    }
    let tables = isolate.tables();
    let Some(info) = tables.info(id) else {
        return false;
    };
    match heap_type {
        HeapType::Eq => true,
        HeapType::Struct => info.shape.kind == ShapeKind::Struct,
        HeapType::Array => info.shape.kind == ShapeKind::Array,
        HeapType::Concrete(expected) => tables
            .info(expected)
            .is_some_and(|expected| info.is_subtype_of(expected)),
        _ => false,
    }
}

#[inline(never)]
fn func_matches(isolate: &Isolate, id: FunctionId, ty: RefType) -> bool {
    if id.is_null() {
        return ty.nullable && is_func(isolate, ty.heap_type);
    }
    let Some(entry) = isolate.function(id) else {
        return false;
    };
    let tables = isolate.tables();
    match ty.heap_type {
        HeapType::Func => true,
        HeapType::Concrete(expected) => {
            let info = tables.info(TypeId::from_bits(entry.type_id));
            info.zip(tables.info(expected))
                .is_some_and(|(info, expected)| info.is_subtype_of(expected))
        }
        _ => false,
    }
}

/// Whether a value is one of a type.
#[inline(always)]
pub(crate) fn value_matches(isolate: &Isolate, value: &Val<GcRef>, ty: ValType) -> bool {
    match (value, ty) {
        (Val::I32(_), ValType::I32)
        | (Val::I64(_), ValType::I64)
        | (Val::F32(_), ValType::F32)
        | (Val::F64(_), ValType::F64)
        | (Val::V128(_), ValType::V128) => true,
        (Val::Func(id), ValType::Ref(ty)) => func_matches(isolate, *id, ty),
        (Val::Ref(reference), ValType::Ref(ty)) if reference.is_null() => {
            ty.nullable && !is_func(isolate, ty.heap_type)
        }
        (Val::Ref(reference), ValType::Ref(ty)) => {
            reference_matches(isolate, *reference, ty.heap_type)
        }
        _ => false,
    }
}

/// Checks that a value may be kept in a field or element.
#[inline]
pub(crate) fn check_value(
    isolate: &Isolate,
    value: &Val<GcRef>,
    field: FieldType,
) -> Result<(), Error> {
    if value_matches(isolate, value, field.storage.unpacked()) {
        return Ok(());
    }
    Err(wrong_value(isolate, value, field.storage))
}

#[cold]
pub(crate) fn wrong_value(isolate: &Isolate, value: &Val<GcRef>, storage: StorageType) -> Error {
    Error::WrongValue {
        expected: storage.to_string(),
        found: describe(isolate, value),
    }
}

/// What a value is, for people.
pub(crate) fn describe(isolate: &Isolate, value: &Val<GcRef>) -> String {
    match value {
        Val::I32(_) => "an i32".to_owned(),
        Val::I64(_) => "an i64".to_owned(),
        Val::F32(_) => "an f32".to_owned(),
        Val::F64(_) => "an f64".to_owned(),
        Val::V128(_) => "a v128".to_owned(),
        Val::Func(id) if id.is_null() => "a null function".to_owned(),
        Val::Func(_) => "a function".to_owned(),
        Val::Ref(reference) => {
            let kind = kind_name(isolate, *reference);
            match reference.as_object().map(|object| isolate.type_of(object)) {
                Some(id) if id.bits() >= TypeId::FIRST_DECLARED => format!("{kind} of type {id}"),
                _ => kind.to_owned(),
            }
        }
    }
}

impl Store {
    /// Checks that a value is one of a type, of this store.
    ///
    /// # Errors
    /// [`Error::WrongValue`] that names both, [`Error::ForeignReference`].
    pub fn check_value(&self, value: &Val, ty: ValType) -> Result<(), Error> {
        let raw = value.raw(self)?;
        check_value(self.isolate(), &raw, FieldType::immutable(ty))
    }

    pub(crate) fn reference_matches(&self, reference: GcRef, heap_type: HeapType) -> bool {
        reference_matches(self.isolate(), reference, heap_type)
    }

    /// Learns of a type registered since the last look.
    #[inline]
    pub(crate) fn know(&mut self, type_id: TypeId) {
        if type_id.bits() >= self.isolate().tables().len() {
            self.isolate_mut().sync_types();
        }
    }
}

/// The definition of a struct type this store knows, and its fields.
#[inline]
pub(crate) fn struct_info(
    isolate: &Isolate,
    type_id: TypeId,
) -> Result<(&TypeInfo, &[FieldType]), Error> {
    let info = of_shape(isolate, type_id, ShapeKind::Struct, "a struct type")?;
    Ok((info, info.as_struct().map_or(&[], |of| &of.fields)))
}

/// The definition of an array type this store knows, and its elements.
#[inline]
pub(crate) fn array_info(
    isolate: &Isolate,
    type_id: TypeId,
) -> Result<(&TypeInfo, FieldType), Error> {
    let info = of_shape(isolate, type_id, ShapeKind::Array, "an array type")?;
    let element = info.as_array().expect("it has the shape of an array");
    Ok((info, element.element))
}

#[inline]
fn of_shape<'a>(
    isolate: &'a Isolate,
    type_id: TypeId,
    kind: ShapeKind,
    expected: &'static str,
) -> Result<&'a TypeInfo, Error> {
    match isolate.tables().info(type_id) {
        Some(info) if info.shape.kind == kind => Ok(info),
        Some(_) => Err(Error::WrongType { expected, type_id }),
        None => Err(Error::UnknownType { type_id }),
    }
}
