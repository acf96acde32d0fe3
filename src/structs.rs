//! Structs: making them, reading and writing their fields.
//!
//! Fields go by index, with every access checked against the type in the object's header, or by a
//! [`Field`] or [`RefField`] looked up once, where the check is one comparison; the `_unchecked`
//! twins leave it out. Those stay inside the heap, whatever object they are given: what is read is
//! then some number or some reference.

use crate::access::{self, Extension, Write};
use crate::field::{Field, FieldValue, RefField};
use crate::handle::{AnyRef, RefKind};
use crate::{Error, Rooted, Scope, ScopedVal, Store, StructRef, Val};
use smallvec::SmallVec;
use windrow_core::{FieldType, GcRef, Isolate, NewObject, ObjectRef, ShapeKind, TypeId, TypeInfo};

impl StructRef {
    /// Makes a struct with these fields, in order of declaration. A safepoint.
    ///
    /// # Errors
    /// [`HeapFull`](crate::HeapError::HeapFull) with the bytes needed and the limit;
    /// [`Error::WrongType`] or [`Error::UnknownType`] where `type_id` is no struct type of the
    /// store's family, [`Error::FieldCount`], [`Error::WrongValue`], [`Error::ForeignReference`].
    pub fn new<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        fields: &[ScopedVal<'_>],
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        check_fields(scope, type_id, fields)?;
        let object = scope.isolate_mut().alloc_struct(type_id, &mut [])?;
        let id = scope.id();
        let NewObject {
            types,
            handles,
            mut slots,
        } = scope.isolate_mut().new_object(object);
        if let Some((info, of)) = types.info(type_id).and_then(with_fields) {
            for ((value, field), offset) in fields.iter().zip(of).zip(info.field_offsets()) {
                access::init(&mut slots, *offset, field.storage, value, |reference| {
                    // Where it lies by now: the allocation may have moved it.
                    reference.raw_in(handles, id).unwrap_or(GcRef::NULL)
                });
            }
        }
        Ok(Rooted::new(scope, object.to_ref()))
    }

    /// Makes a struct with every field zero or null. A safepoint.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::NotDefaultable`] where a field cannot be null.
    pub fn new_default<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        let info = scope.isolate().tables().info(type_id);
        if !info.is_some_and(|info| info.shape.kind == ShapeKind::Struct && info.is_defaultable()) {
            return Err(not_defaultable(scope, type_id));
        }
        let object = scope.isolate_mut().alloc_struct(type_id, &mut [])?;
        Ok(Rooted::new(scope, object.to_ref()))
    }

    /// Makes a struct with every field zero or null, whatever its fields say of null. A safepoint.
    ///
    /// # Errors
    /// [`HeapFull`](crate::HeapError::HeapFull) with the bytes needed and the limit.
    ///
    /// # Panics
    /// If `type_id` is no struct type of the store's family.
    #[inline]
    pub fn new_unchecked<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        let object = scope.isolate_mut().alloc_struct(type_id, &mut [])?;
        Ok(Rooted::new(scope, object.to_ref()))
    }
}

#[inline]
fn with_fields(info: &TypeInfo) -> Option<(&TypeInfo, &[FieldType])> {
    Some((info, &info.as_struct()?.fields))
}

/// Checks that a struct can be made of these fields.
#[inline]
fn check_fields(store: &Store, type_id: TypeId, fields: &[ScopedVal<'_>]) -> Result<(), Error> {
    let (_, types) = access::struct_info(store.isolate(), type_id)?;
    if types.len() != fields.len() {
        return Err(Error::FieldCount {
            type_id,
            expected: types.len(),
            found: fields.len(),
        });
    }
    for (value, field) in fields.iter().zip(types) {
        if !access::fits(store, value, *field) {
            return Err(misfit(store, value, *field));
        }
    }
    Ok(())
}

/// Why a value may not be kept in a field.
#[cold]
fn misfit(store: &Store, value: &ScopedVal<'_>, field: FieldType) -> Error {
    match value.raw(store) {
        Ok(raw) => access::wrong_value(store.isolate(), &raw, field.storage),
        Err(error) => error,
    }
}

/// Why a struct cannot be made of nulls and zeros.
#[cold]
fn not_defaultable(store: &Store, type_id: TypeId) -> Error {
    match access::struct_info(store.isolate(), type_id) {
        Ok((_, types)) => Error::NotDefaultable {
            type_id,
            field: types
                .iter()
                .position(|field| !field.is_defaultable())
                .unwrap_or(types.len()),
        },
        Err(error) => error,
    }
}

/// Where a field of a type lies, and what it holds.
#[inline(always)]
fn place(isolate: &Isolate, type_id: TypeId, index: u32) -> Result<(u32, FieldType), Error> {
    if let Some((info, fields)) = isolate.tables().info(type_id).and_then(with_fields)
        && let Some(field) = fields.get(index as usize)
        && let Some(offset) = info.field_offsets().get(index as usize)
    {
        return Ok((*offset, *field));
    }
    Err(no_such_field(isolate, type_id, index))
}

/// Why a type has no such field.
#[cold]
fn no_such_field(isolate: &Isolate, type_id: TypeId, field: u32) -> Error {
    match access::struct_info(isolate, type_id) {
        Ok((_, fields)) => Error::NoSuchField {
            type_id,
            field,
            count: fields.len(),
        },
        Err(error) => error,
    }
}

impl Rooted<'_, StructRef> {
    /// The object, and where its field of this index lies.
    #[inline(always)]
    fn field_place(self, store: &Store, index: u32) -> Result<(ObjectRef, u32, FieldType), Error> {
        let object = self.object(store)?;
        let type_id = store.isolate().type_of(object);
        let (offset, field) = place(store.isolate(), type_id, index)?;
        Ok((object, offset, field))
    }

    /// Reads a field. Narrow integers are extended with zeros; see [`Self::get_signed`].
    ///
    /// # Errors
    /// [`Error::NoSuchField`], [`Error::ForeignReference`].
    pub fn get<'s>(self, scope: &mut Scope<'s>, field: u32) -> Result<ScopedVal<'s>, Error> {
        self.get_extended(scope, field, Extension::Zero)
    }

    /// Reads a field, a narrow integer with its sign.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_signed<'s>(self, scope: &mut Scope<'s>, field: u32) -> Result<ScopedVal<'s>, Error> {
        self.get_extended(scope, field, Extension::Sign)
    }

    #[inline]
    fn get_extended<'s>(
        self,
        scope: &mut Scope<'s>,
        field: u32,
        extension: Extension,
    ) -> Result<ScopedVal<'s>, Error> {
        let (object, offset, field) = self.field_place(scope, field)?;
        let raw = access::load(scope.isolate(), object, offset, field.storage, extension);
        Ok(raw.wrap(scope))
    }

    /// Writes a field, with the barrier its collector asks for. A narrow integer keeps the low bits.
    ///
    /// # Errors
    /// [`Error::Immutable`], [`Error::WrongValue`], [`Error::NoSuchField`],
    /// [`Error::ForeignReference`]. Nothing is written then.
    pub fn set(self, store: &mut Store, field: u32, value: ScopedVal<'_>) -> Result<(), Error> {
        let (object, offset, of) = self.field_place(store, field)?;
        if !of.mutable {
            let type_id = store.isolate().type_of(object);
            return Err(Error::Immutable { type_id, field });
        }
        let value = value.raw(store)?;
        access::check_value(store.isolate(), &value, of)?;
        access::store(
            store.isolate_mut(),
            object,
            offset,
            of.storage,
            value,
            Write::Later,
        );
        Ok(())
    }

    /// Reads every field, in order of declaration. Narrow integers are extended with zeros.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn fields<'s>(self, scope: &mut Scope<'s>) -> Result<SmallVec<[ScopedVal<'s>; 4]>, Error> {
        let object = self.object(scope)?;
        let type_id = scope.isolate().type_of(object);
        let count = access::struct_info(scope.isolate(), type_id)?.1.len();
        (0..)
            .take(count)
            .map(|field| self.get(scope, field))
            .collect()
    }

    /// Reads a field of plain data.
    ///
    /// # Errors
    /// [`Error::WrongObject`] where the struct has no such field, [`Error::ForeignReference`].
    #[inline]
    pub fn read<T: FieldValue>(self, store: &Store, field: Field<T>) -> Result<T, Error> {
        let object = self.object(store)?;
        field.check(store.isolate(), object)?;
        Ok(T::load(store.isolate(), object, field.offset()))
    }

    /// Reads a field of plain data, of whatever object this is.
    ///
    /// # Panics
    /// If the handle is another store's.
    #[must_use]
    #[inline]
    pub fn read_unchecked<T: FieldValue>(self, store: &Store, field: Field<T>) -> T {
        T::load(store.isolate(), self.expect_object(store), field.offset())
    }

    /// Writes a field of plain data.
    ///
    /// # Errors
    /// As [`Self::read`], and [`Error::Immutable`].
    #[inline]
    pub fn write<T: FieldValue>(
        self,
        store: &mut Store,
        field: Field<T>,
        value: T,
    ) -> Result<(), Error> {
        let object = self.object(store)?;
        field.check(store.isolate(), object)?;
        field.check_mutable()?;
        value.store(store.isolate_mut(), object, field.offset());
        Ok(())
    }

    /// Writes a field of plain data, mutable or not, of whatever object this is.
    ///
    /// # Panics
    /// If the handle is another store's.
    #[inline]
    pub fn write_unchecked<T: FieldValue>(self, store: &mut Store, field: Field<T>, value: T) {
        let object = self.expect_object(store);
        value.store(store.isolate_mut(), object, field.offset());
    }

    /// Reads a reference; `None` for null.
    ///
    /// # Errors
    /// [`Error::WrongObject`] where the struct has no such field, [`Error::ForeignReference`].
    #[inline]
    pub fn read_ref<'s, T: RefKind>(
        self,
        scope: &mut Scope<'s>,
        field: RefField<T>,
    ) -> Result<Option<Rooted<'s, T>>, Error> {
        let object = self.object(scope)?;
        field.check(scope.isolate(), object)?;
        let reference = scope.isolate().load_ref(object, field.offset());
        Ok(Rooted::wrap(scope, reference))
    }

    /// Reads a reference from whatever object this is; `None` for null.
    ///
    /// # Panics
    /// If the handle is another store's.
    #[inline]
    pub fn read_ref_unchecked<'s, T: RefKind>(
        self,
        scope: &mut Scope<'s>,
        field: RefField<T>,
    ) -> Option<Rooted<'s, T>> {
        let object = self.expect_object(scope);
        let reference = scope.isolate().load_ref(object, field.offset());
        Rooted::wrap(scope, reference)
    }

    /// Writes a reference, with the barrier the collector asks for.
    ///
    /// # Errors
    /// As [`Self::read_ref`], and [`Error::Immutable`], [`Error::WrongValue`].
    #[inline]
    pub fn write_ref<T: RefKind>(
        self,
        store: &mut Store,
        field: RefField<T>,
        value: Option<Rooted<'_, AnyRef>>,
    ) -> Result<(), Error> {
        let object = self.object(store)?;
        field.check(store.isolate(), object)?;
        field.check_mutable()?;
        let value = match value {
            Some(value) => value.try_gc_ref(store)?,
            None => GcRef::NULL,
        };
        access::check_value(store.isolate(), &Val::Ref(value), field.of())?;
        store.isolate_mut().write_ref(object, field.offset(), value);
        Ok(())
    }

    /// Writes a reference of any type to whatever object this is, with the barrier the collector asks
    /// for.
    ///
    /// # Panics
    /// If either handle is another store's.
    #[inline]
    pub fn write_ref_unchecked<T: RefKind>(
        self,
        store: &mut Store,
        field: RefField<T>,
        value: Option<Rooted<'_, AnyRef>>,
    ) {
        let object = self.expect_object(store);
        let value = value.map_or(GcRef::NULL, |value| value.gc_ref(store));
        store.isolate_mut().write_ref(object, field.offset(), value);
    }

    #[inline]
    fn expect_object(self, store: &Store) -> ObjectRef {
        let object = self.gc_ref(store).as_object();
        object.expect("a reference to a struct is no i31")
    }
}
