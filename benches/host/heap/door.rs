//! The two ways to a struct's fields.

use windrow::{
    AnyRef, Error, Field, FieldValue, RefField, RefKind, Rooted, Scope, ScopedVal, Store,
    StructRef, TypeId,
};

/// Checked or unchecked access.
pub(crate) trait Door {
    /// Makes a struct of these fields: at once, or by `init` from one with every field null.
    fn make<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        fields: &[ScopedVal<'_>],
        init: impl FnOnce(&mut Scope<'s>, Rooted<'s, StructRef>),
    ) -> Result<Rooted<'s, StructRef>, Error>;
    /// Makes a struct with every field zero or null.
    fn make_default<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
    ) -> Result<Rooted<'s, StructRef>, Error>;
    /// Reads a number.
    fn read<T: FieldValue>(
        object: Rooted<'_, StructRef>,
        store: &Store,
        field: Field<T>,
    ) -> Result<T, Error>;
    /// Writes a number.
    fn write<T: FieldValue>(
        object: Rooted<'_, StructRef>,
        store: &mut Store,
        field: Field<T>,
        value: T,
    ) -> Result<(), Error>;
    /// Reads a reference.
    fn read_ref<'s, T: RefKind>(
        object: Rooted<'_, StructRef>,
        scope: &mut Scope<'s>,
        field: RefField<T>,
    ) -> Result<Option<Rooted<'s, T>>, Error>;
    /// Writes a reference.
    fn write_ref<'v, T: RefKind>(
        object: Rooted<'_, StructRef>,
        store: &mut Store,
        field: RefField<T>,
        value: Option<impl Into<Rooted<'v, AnyRef>>>,
    ) -> Result<(), Error>;
}

/// Every access checked.
#[derive(Debug)]
pub(crate) enum Checked {}

impl Door for Checked {
    #[inline(always)]
    fn make<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        fields: &[ScopedVal<'_>],
        _: impl FnOnce(&mut Scope<'s>, Rooted<'s, StructRef>),
    ) -> Result<Rooted<'s, StructRef>, Error> {
        StructRef::new(scope, type_id, fields)
    }

    #[inline(always)]
    fn make_default<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
    ) -> Result<Rooted<'s, StructRef>, Error> {
        StructRef::new_default(scope, type_id)
    }

    #[inline(always)]
    fn read<T: FieldValue>(
        object: Rooted<'_, StructRef>,
        store: &Store,
        field: Field<T>,
    ) -> Result<T, Error> {
        object.read(store, field)
    }

    #[inline(always)]
    fn write<T: FieldValue>(
        object: Rooted<'_, StructRef>,
        store: &mut Store,
        field: Field<T>,
        value: T,
    ) -> Result<(), Error> {
        object.write(store, field, value)
    }

    #[inline(always)]
    fn read_ref<'s, T: RefKind>(
        object: Rooted<'_, StructRef>,
        scope: &mut Scope<'s>,
        field: RefField<T>,
    ) -> Result<Option<Rooted<'s, T>>, Error> {
        object.read_ref(scope, field)
    }

    #[inline(always)]
    fn write_ref<'v, T: RefKind>(
        object: Rooted<'_, StructRef>,
        store: &mut Store,
        field: RefField<T>,
        value: Option<impl Into<Rooted<'v, AnyRef>>>,
    ) -> Result<(), Error> {
        object.write_ref(store, field, value.map(Into::into))
    }
}

/// No type of an object checked.
#[derive(Debug)]
pub(crate) enum Unchecked {}

impl Door for Unchecked {
    #[inline(always)]
    fn make<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        _: &[ScopedVal<'_>],
        init: impl FnOnce(&mut Scope<'s>, Rooted<'s, StructRef>),
    ) -> Result<Rooted<'s, StructRef>, Error> {
        let object = StructRef::new_unchecked(scope, type_id)?;
        init(scope, object);
        Ok(object)
    }

    #[inline(always)]
    fn make_default<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
    ) -> Result<Rooted<'s, StructRef>, Error> {
        StructRef::new_unchecked(scope, type_id)
    }

    #[inline(always)]
    fn read<T: FieldValue>(
        object: Rooted<'_, StructRef>,
        store: &Store,
        field: Field<T>,
    ) -> Result<T, Error> {
        Ok(object.read_unchecked(store, field))
    }

    #[inline(always)]
    fn write<T: FieldValue>(
        object: Rooted<'_, StructRef>,
        store: &mut Store,
        field: Field<T>,
        value: T,
    ) -> Result<(), Error> {
        object.write_unchecked(store, field, value);
        Ok(())
    }

    #[inline(always)]
    fn read_ref<'s, T: RefKind>(
        object: Rooted<'_, StructRef>,
        scope: &mut Scope<'s>,
        field: RefField<T>,
    ) -> Result<Option<Rooted<'s, T>>, Error> {
        Ok(object.read_ref_unchecked(scope, field))
    }

    #[inline(always)]
    fn write_ref<'v, T: RefKind>(
        object: Rooted<'_, StructRef>,
        store: &mut Store,
        field: RefField<T>,
        value: Option<impl Into<Rooted<'v, AnyRef>>>,
    ) -> Result<(), Error> {
        object.write_ref_unchecked(store, field, value.map(Into::into));
        Ok(())
    }
}
