//! Fields looked up once: where one lies in structs of a type, and in those of its subtypes.

use crate::handle::RefKind;
use crate::{AnyRef, Error, Store};
use std::fmt;
use std::marker::PhantomData;
use windrow_core::{
    FieldType, HeapType, Isolate, ObjectRef, RefType, StorageType, TypeId, ValType,
};

/// A number that a field or element can hold as it is: little-endian, with no padding.
pub trait FieldValue: Copy + sealed::Sealed + 'static {
    /// What one takes.
    #[doc(hidden)]
    #[expect(clippy::cast_possible_truncation, reason = "sixteen at most")]
    const BYTES: u32 = size_of::<Self>() as u32;
    /// Whether fields of this type hold such numbers.
    #[doc(hidden)]
    fn fits(storage: StorageType) -> bool;
    /// Reads one.
    #[doc(hidden)]
    fn load(isolate: &Isolate, object: ObjectRef, offset: u32) -> Self;
    /// Writes one.
    #[doc(hidden)]
    fn store(self, isolate: &mut Isolate, object: ObjectRef, offset: u32);
    /// The name of the type, for people.
    #[doc(hidden)]
    const NAME: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! field_values {
    ($($number:ty: $storage:pat, $load:ident $store:ident, $from:expr, $to:expr;)*) => {$(
        impl sealed::Sealed for $number {}

        impl FieldValue for $number {
            const NAME: &'static str = stringify!($number);

            fn fits(storage: StorageType) -> bool {
                matches!(storage, $storage)
            }

            #[inline]
            fn load(isolate: &Isolate, object: ObjectRef, offset: u32) -> Self {
                $from(isolate.$load(object, offset))
            }

            #[inline]
            fn store(self, isolate: &mut Isolate, object: ObjectRef, offset: u32) {
                isolate.$store(object, offset, $to(self));
            }
        }
    )*};
}

field_values! {
    u8: StorageType::I8, load_u8 store_u8, u8::from, u8::from;
    i8: StorageType::I8, load_u8 store_u8, u8::cast_signed, i8::cast_unsigned;
    u16: StorageType::I16, load_u16 store_u16, u16::from, u16::from;
    i16: StorageType::I16, load_u16 store_u16, u16::cast_signed, i16::cast_unsigned;
    u32: StorageType::Val(ValType::I32), load_u32 store_u32, u32::from, u32::from;
    i32: StorageType::Val(ValType::I32), load_u32 store_u32, u32::cast_signed, i32::cast_unsigned;
    f32: StorageType::Val(ValType::F32), load_u32 store_u32, f32::from_bits, f32::to_bits;
    u64: StorageType::Val(ValType::I64), load_u64 store_u64, u64::from, u64::from;
    i64: StorageType::Val(ValType::I64), load_u64 store_u64, u64::cast_signed, i64::cast_unsigned;
    f64: StorageType::Val(ValType::F64), load_u64 store_u64, f64::from_bits, f64::to_bits;
    u128: StorageType::Val(ValType::V128), load_u128 store_u128, u128::from, u128::from;
}

/// A field of plain data in structs of one type and its subtypes.
pub struct Field<T> {
    place: Place,
    value: PhantomData<fn() -> T>,
}

/// A field of references in structs of one type and its subtypes. What it holds is null or of
/// kind `T`.
pub struct RefField<T: RefKind = AnyRef> {
    place: Place,
    heap_type: HeapType,
    nullable: bool,
    kind: PhantomData<fn() -> T>,
}

/// Where a field lies, and in what.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    type_id: TypeId,
    offset: u32,
    index: u32,
    mutable: bool,
}

impl Place {
    #[inline]
    fn check(self, isolate: &Isolate, object: ObjectRef) -> Result<(), Error> {
        let found = isolate.type_of(object);
        if found == self.type_id {
            return Ok(());
        }
        self.check_subtype(isolate, found)
    }

    #[inline(never)]
    fn check_subtype(self, isolate: &Isolate, found: TypeId) -> Result<(), Error> {
        let tables = isolate.tables();
        let pair = tables.info(found).zip(tables.info(self.type_id));
        if pair.is_some_and(|(found, expected)| found.is_subtype_of(expected)) {
            return Ok(());
        }
        Err(Error::WrongObject {
            expected: self.type_id,
            found,
        })
    }

    const fn check_mutable(self) -> Result<(), Error> {
        if self.mutable {
            return Ok(());
        }
        Err(Error::Immutable {
            type_id: self.type_id,
            field: self.index,
        })
    }
}

macro_rules! place_methods {
    ($($bound:tt)*) => {
        /// The type whose field this is.
        #[must_use]
        pub const fn type_id(self) -> TypeId {
            self.place.type_id
        }

        /// Its index, in order of declaration.
        #[must_use]
        pub const fn index(self) -> u32 {
            self.place.index
        }

        /// How many bytes into the object it lies.
        #[must_use]
        pub const fn offset(self) -> u32 {
            self.place.offset
        }

        #[inline]
        pub(crate) fn check(self, isolate: &Isolate, object: ObjectRef) -> Result<(), Error> {
            self.place.check(isolate, object)
        }

        #[inline]
        pub(crate) const fn check_mutable(self) -> Result<(), Error> {
            self.place.check_mutable()
        }
    };
}

impl<T> Field<T> {
    place_methods!();
}

impl<T: RefKind> RefField<T> {
    place_methods!();

    /// What the field may hold.
    pub(crate) const fn of(self) -> FieldType {
        FieldType {
            storage: StorageType::Val(ValType::Ref(RefType {
                nullable: self.nullable,
                heap_type: self.heap_type,
            })),
            mutable: self.place.mutable,
        }
    }
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.place).finish()
    }
}

impl<T: RefKind> Clone for RefField<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: RefKind> Copy for RefField<T> {}

impl<T: RefKind> fmt::Debug for RefField<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefField").field(&self.place).finish()
    }
}

impl Store {
    fn field_place(&self, type_id: TypeId, index: u32) -> Result<(Place, StorageType), Error> {
        let info = self
            .types()
            .try_sub_type(type_id)
            .ok_or(Error::UnknownType { type_id })?;
        let expected = "a struct type";
        let of = info
            .as_struct()
            .ok_or(Error::WrongType { expected, type_id })?;
        let field = of.fields.get(index as usize).ok_or(Error::NoSuchField {
            type_id,
            field: index,
            count: of.fields.len(),
        })?;
        let place = Place {
            type_id,
            offset: info.field_offset(index),
            index,
            mutable: field.mutable,
        };
        Ok((place, field.storage))
    }

    /// Looks up a field of plain data. Costs a lock of the family's types.
    ///
    /// # Errors
    /// [`Error::UnknownType`], [`Error::WrongType`], [`Error::NoSuchField`], [`Error::WrongField`]
    /// where it holds something else.
    pub fn field<T: FieldValue>(&self, type_id: TypeId, index: u32) -> Result<Field<T>, Error> {
        let (place, storage) = self.field_place(type_id, index)?;
        if !T::fits(storage) {
            return Err(wrong_field(place, T::NAME, storage));
        }
        Ok(Field {
            place,
            value: PhantomData,
        })
    }

    /// Looks up a field of references, all of which are of kind `T`. Costs a lock of the family's
    /// types.
    ///
    /// # Errors
    /// As [`Self::field`].
    pub fn ref_field<T: RefKind>(&self, type_id: TypeId, index: u32) -> Result<RefField<T>, Error> {
        let (place, storage) = self.field_place(type_id, index)?;
        let StorageType::Val(ValType::Ref(of)) = storage else {
            return Err(wrong_field(place, T::NAME, storage));
        };
        let types = self.types();
        let is_any = T::HEAP_TYPES.is_empty() && types.is_traced(of.heap_type);
        let is_sub = |sup: &HeapType| types.heap_type_matches(of.heap_type, *sup);
        if !is_any && !T::HEAP_TYPES.iter().any(is_sub) {
            return Err(wrong_field(place, T::NAME, storage));
        }
        Ok(RefField {
            place,
            heap_type: of.heap_type,
            nullable: of.nullable,
            kind: PhantomData,
        })
    }
}

fn wrong_field(place: Place, expected: &'static str, storage: StorageType) -> Error {
    Error::WrongField {
        type_id: place.type_id,
        field: place.index,
        expected,
        found: storage.to_string(),
    }
}
