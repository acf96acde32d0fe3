//! Arrays: making them, reading and writing elements, and many elements at once.
//!
//! Ranges are checked before anything is written. Copying or filling references costs one barrier
//! for the range. Plain data is copied to and from slices of the host's, or borrowed in place while
//! the store is borrowed exclusively; the borrow ends before anything can move.

use crate::access::{self, Extension, Write};
use crate::field::FieldValue;
use crate::{ArrayRef, Error, Rooted, Scope, ScopedVal, Store, Val};
use bytemuck::Pod;
use windrow_core::{
    ARRAY_LENGTH_OFFSET, FieldType, GcRef, Isolate, ObjectRef, StorageType, TypeId,
};

impl ArrayRef {
    /// Makes an array of `length` elements, each `value`. A safepoint.
    ///
    /// # Errors
    /// [`HeapFull`](crate::HeapError::HeapFull) with the bytes needed and the limit;
    /// [`Error::WrongType`] or [`Error::UnknownType`] where `type_id` is no array type of the
    /// store's family, [`Error::WrongValue`], [`Error::ForeignReference`].
    pub fn new<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        length: u32,
        value: ScopedVal<'_>,
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        let (_, element) = access::array_info(scope.isolate(), type_id)?;
        access::check_value(scope.isolate(), &value.raw(scope)?, element)?;
        let object = scope.isolate_mut().alloc_array(type_id, length, &mut [])?;
        let value = value.raw(scope)?;
        let span = Span::of(scope.isolate(), object)?;
        span.fill(scope.isolate_mut(), 0, length, value);
        Ok(Rooted::new(scope, object.to_ref()))
    }

    /// Makes an array of `length` elements, each zero or null. A safepoint.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::NotDefaultable`] where elements cannot be null.
    pub fn new_default<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        length: u32,
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        let (_, element) = access::array_info(scope.isolate(), type_id)?;
        if !element.storage.unpacked().is_defaultable() {
            return Err(Error::NotDefaultable { type_id, field: 0 });
        }
        Self::new_unchecked(scope, type_id, length)
    }

    /// Makes an array of `length` elements, each zero or null, whatever its type says of null. A
    /// safepoint.
    ///
    /// # Errors
    /// [`HeapFull`](crate::HeapError::HeapFull) with the bytes needed and the limit.
    ///
    /// # Panics
    /// If `type_id` is no array type of the store's family.
    pub fn new_unchecked<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        length: u32,
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        let object = scope.isolate_mut().alloc_array(type_id, length, &mut [])?;
        Ok(Rooted::new(scope, object.to_ref()))
    }

    /// Makes an array of these elements. A safepoint.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_fixed<'s>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        elements: &[ScopedVal<'_>],
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        let (_, element) = access::array_info(scope.isolate(), type_id)?;
        for value in elements {
            access::check_value(scope.isolate(), &value.raw(scope)?, element)?;
        }
        let length = array_length(elements.len(), element.storage)?;
        let object = scope.isolate_mut().alloc_array(type_id, length, &mut [])?;
        let span = Span::of(scope.isolate(), object)?;
        for (index, value) in (0..).zip(elements) {
            // Where things lie by now: the allocation may have moved them.
            let value = value.raw(scope)?;
            let offset = span.offset(index);
            let storage = element.storage;
            access::store(
                scope.isolate_mut(),
                object,
                offset,
                storage,
                value,
                Write::Initial,
            );
        }
        Ok(Rooted::new(scope, object.to_ref()))
    }

    /// Makes an array of plain data. A safepoint.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::WrongElements`] where the type's elements are no `T`.
    pub fn from_slice<'s, T: FieldValue + Pod>(
        scope: &mut Scope<'s>,
        type_id: TypeId,
        elements: &[T],
    ) -> Result<Rooted<'s, Self>, Error> {
        scope.know(type_id);
        let (_, element) = access::array_info(scope.isolate(), type_id)?;
        check_elements::<T>(type_id, element)?;
        let length = array_length(elements.len(), element.storage)?;
        let isolate = scope.isolate_mut();
        let object = isolate.alloc_array_uninit(type_id, length, &mut [])?;
        let span = Span::of(isolate, object)?;
        span.clear_ends(isolate);
        isolate.write_bytes(object, span.offset(0), bytemuck::cast_slice(elements));
        Ok(Rooted::new(scope, object.to_ref()))
    }
}

/// The length of an array with so many elements.
fn array_length(elements: usize, storage: StorageType) -> Result<u32, Error> {
    u32::try_from(elements).map_err(|_| Error::TooLong {
        elements: elements as u64,
        bytes: (elements as u64).saturating_mul(storage.bytes().into()),
    })
}

fn check_elements<T: FieldValue>(type_id: TypeId, element: FieldType) -> Result<(), Error> {
    if T::fits(element.storage) {
        return Ok(());
    }
    Err(Error::WrongElements {
        type_id,
        expected: T::NAME,
        found: element.storage.to_string(),
    })
}

/// The elements of one array.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) object: ObjectRef,
    pub(crate) type_id: TypeId,
    pub(crate) element: FieldType,
    /// Of the first element, from the object's start.
    first: u32,
    element_log2: u8,
    length: u32,
}

impl Span {
    #[inline]
    pub(crate) fn of(isolate: &Isolate, object: ObjectRef) -> Result<Self, Error> {
        let type_id = isolate.type_of(object);
        let (info, element) = access::array_info(isolate, type_id)?;
        Ok(Self {
            object,
            type_id,
            element,
            first: info.shape.size_bytes,
            element_log2: info.shape.element_log2,
            length: isolate.array_len(object),
        })
    }

    /// Where an element lies. Of a forged length, at the end of the heap at worst.
    #[inline]
    fn offset(&self, index: u32) -> u32 {
        let at = (u64::from(index) << self.element_log2) + u64::from(self.first);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Bytes of so many elements.
    fn bytes(&self, count: u32) -> u32 {
        u32::try_from(u64::from(count) << self.element_log2).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(crate) fn check_index(&self, index: u32) -> Result<u32, Error> {
        if index < self.length {
            return Ok(self.offset(index));
        }
        Err(self.out_of_bounds(index, 1))
    }

    #[inline]
    fn check_range(&self, start: u32, count: u32) -> Result<(), Error> {
        if u64::from(start) + u64::from(count) <= u64::from(self.length) {
            return Ok(());
        }
        Err(self.out_of_bounds(start, count))
    }

    #[cold]
    fn out_of_bounds(&self, start: u32, count: u32) -> Error {
        Error::OutOfBounds {
            start,
            count,
            length: self.length,
        }
    }

    fn check_mutable(&self) -> Result<(), Error> {
        if self.element.mutable {
            return Ok(());
        }
        Err(Error::Immutable {
            type_id: self.type_id,
            field: 0,
        })
    }

    /// Whether elements are references into the heap.
    fn is_traced(&self, isolate: &Isolate) -> bool {
        isolate.tables().shape(self.type_id).element_is_ref
    }

    /// Owes the barrier of a range that is about to be overwritten.
    fn barrier(&self, isolate: &mut Isolate, start: u32, count: u32) {
        if self.is_traced(isolate) && count > 0 {
            let slot = self.object.offset().saturating_add(self.offset(start));
            isolate.range_barrier(self.object, slot, count);
        }
    }

    /// Writes a value, of the elements' type, to a range that is there.
    fn fill(&self, isolate: &mut Isolate, start: u32, count: u32, value: Val<GcRef>) {
        let storage = self.element.storage;
        if let Some(byte) = repeated_byte(&value, storage) {
            isolate.fill_bytes(self.object, self.offset(start), self.bytes(count), byte);
            return;
        }
        for index in start..start + count {
            let offset = self.offset(index);
            access::store(isolate, self.object, offset, storage, value, Write::Initial);
        }
    }

    /// Zeroes what lies between header and elements, and behind the last element.
    fn clear_ends(&self, isolate: &mut Isolate) {
        let header = ARRAY_LENGTH_OFFSET + 4;
        isolate.fill_bytes(self.object, header, self.first - header, 0);
        let end = self.offset(self.length);
        isolate.fill_bytes(self.object, end, end.next_multiple_of(8) - end, 0);
    }
}

/// The byte that fills elements with a value, where one does: any byte, or zeros.
fn repeated_byte(value: &Val<GcRef>, storage: StorageType) -> Option<u8> {
    if let (StorageType::I8, Val::I32(value)) = (storage, value) {
        return value.to_le_bytes().first().copied();
    }
    let is_zero = match value {
        Val::I32(value) => *value == 0,
        Val::I64(value) => *value == 0,
        Val::F32(bits) => *bits == 0,
        Val::F64(bits) => *bits == 0,
        Val::V128(bits) => *bits == 0,
        Val::Func(id) => id.is_null(),
        Val::Ref(reference) => reference.is_null(),
    };
    is_zero.then_some(0)
}

/// Whether elements can be copied from one type of array to another.
fn check_copy(store: &Store, from: &Span, to: &Span) -> Result<(), Error> {
    let matches = match (from.element.storage, to.element.storage) {
        (StorageType::Val(from), StorageType::Val(to)) => store.types().val_type_matches(from, to),
        (from, to) => from == to,
    };
    if matches {
        return Ok(());
    }
    Err(Error::WrongObject {
        expected: to.type_id,
        found: from.type_id,
    })
}

impl Rooted<'_, ArrayRef> {
    #[inline]
    fn span(self, store: &Store) -> Result<Span, Error> {
        let object = self.object(store)?;
        Span::of(store.isolate(), object)
    }

    /// How many elements there are.
    ///
    /// # Panics
    /// If the handle is another store's; see [`Self::try_len`].
    #[must_use]
    pub fn len(self, store: &Store) -> u32 {
        self.try_len(store)
            .expect("a handle is used with the store it came from")
    }

    /// How many elements there are.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn try_len(self, store: &Store) -> Result<u32, Error> {
        Ok(store.isolate().array_len(self.object(store)?))
    }

    /// Reads an element. Narrow integers are extended with zeros; see [`Self::get_signed`].
    ///
    /// # Errors
    /// [`Error::OutOfBounds`], [`Error::ForeignReference`].
    pub fn get<'s>(self, scope: &mut Scope<'s>, index: u32) -> Result<ScopedVal<'s>, Error> {
        self.get_extended(scope, index, Extension::Zero)
    }

    /// Reads an element, a narrow integer with its sign.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_signed<'s>(self, scope: &mut Scope<'s>, index: u32) -> Result<ScopedVal<'s>, Error> {
        self.get_extended(scope, index, Extension::Sign)
    }

    #[inline]
    fn get_extended<'s>(
        self,
        scope: &mut Scope<'s>,
        index: u32,
        extension: Extension,
    ) -> Result<ScopedVal<'s>, Error> {
        let span = self.span(scope)?;
        let offset = span.check_index(index)?;
        let storage = span.element.storage;
        let raw = access::load(scope.isolate(), span.object, offset, storage, extension);
        Ok(raw.wrap(scope))
    }

    /// Writes an element, with the barrier the collector asks for. A narrow integer keeps the low
    /// bits.
    ///
    /// # Errors
    /// [`Error::Immutable`], [`Error::OutOfBounds`], [`Error::WrongValue`],
    /// [`Error::ForeignReference`]. Nothing is written then.
    pub fn set(self, store: &mut Store, index: u32, value: ScopedVal<'_>) -> Result<(), Error> {
        let span = self.span(store)?;
        span.check_mutable()?;
        let offset = span.check_index(index)?;
        let value = value.raw(store)?;
        access::check_value(store.isolate(), &value, span.element)?;
        let storage = span.element.storage;
        let isolate = store.isolate_mut();
        access::store(isolate, span.object, offset, storage, value, Write::Later);
        Ok(())
    }

    /// Reads an element of plain data.
    ///
    /// # Errors
    /// [`Error::WrongElements`], [`Error::OutOfBounds`], [`Error::ForeignReference`].
    #[inline]
    pub fn read<T: FieldValue>(self, store: &Store, index: u32) -> Result<T, Error> {
        let span = self.span(store)?;
        check_elements::<T>(span.type_id, span.element)?;
        let offset = span.check_index(index)?;
        Ok(T::load(store.isolate(), span.object, offset))
    }

    /// Writes an element of plain data.
    ///
    /// # Errors
    /// As [`Self::read`], and [`Error::Immutable`].
    #[inline]
    pub fn write<T: FieldValue>(
        self,
        store: &mut Store,
        index: u32,
        value: T,
    ) -> Result<(), Error> {
        let span = self.span(store)?;
        check_elements::<T>(span.type_id, span.element)?;
        span.check_mutable()?;
        let offset = span.check_index(index)?;
        value.store(store.isolate_mut(), span.object, offset);
        Ok(())
    }

    /// Reads an element of plain data, of whatever array this is. Only the bounds are checked.
    ///
    /// # Panics
    /// If the handle is another store's, or `index` is beyond the last element.
    #[must_use]
    #[inline]
    pub fn read_unchecked<T: FieldValue>(self, store: &Store, index: u32) -> T {
        let (object, offset) = self.place_unchecked::<T>(store, index);
        T::load(store.isolate(), object, offset)
    }

    /// Writes an element of plain data, mutable or not, of whatever array this is. Only the bounds are
    /// checked.
    ///
    /// # Panics
    /// As [`Self::read_unchecked`].
    #[inline]
    pub fn write_unchecked<T: FieldValue>(self, store: &mut Store, index: u32, value: T) {
        let (object, offset) = self.place_unchecked::<T>(store, index);
        value.store(store.isolate_mut(), object, offset);
    }

    /// Where an element is, if elements are as wide as `T`.
    #[inline]
    fn place_unchecked<T: FieldValue>(self, store: &Store, index: u32) -> (ObjectRef, u32) {
        let object = self
            .object(store)
            .expect("a handle is used with the store it came from");
        let length = store.isolate().array_len(object);
        assert!(index < length, "element {index} of {length}");
        let first = (ARRAY_LENGTH_OFFSET + 4).next_multiple_of(T::BYTES.min(8));
        (object, first.saturating_add(index.saturating_mul(T::BYTES)))
    }

    /// Writes a value to `count` elements from `start` on.
    ///
    /// # Errors
    /// As [`Self::set`]. Nothing is written then.
    pub fn fill(
        self,
        store: &mut Store,
        start: u32,
        count: u32,
        value: ScopedVal<'_>,
    ) -> Result<(), Error> {
        let span = self.span(store)?;
        span.check_mutable()?;
        span.check_range(start, count)?;
        let value = value.raw(store)?;
        access::check_value(store.isolate(), &value, span.element)?;
        span.barrier(store.isolate_mut(), start, count);
        span.fill(store.isolate_mut(), start, count, value);
        Ok(())
    }

    /// Copies `count` elements of `from`, from `from_start` on, to `start` on. The arrays may be one,
    /// and the ranges overlap.
    ///
    /// # Errors
    /// [`Error::WrongObject`] where the elements of one are no elements of the other,
    /// [`Error::Immutable`], [`Error::OutOfBounds`], [`Error::ForeignReference`]. Nothing is written
    /// then.
    pub fn copy_from(
        self,
        store: &mut Store,
        start: u32,
        from: Rooted<'_, ArrayRef>,
        from_start: u32,
        count: u32,
    ) -> Result<(), Error> {
        let (to, from) = (self.span(store)?, from.span(store)?);
        to.check_mutable()?;
        check_copy(store, &from, &to)?;
        to.check_range(start, count)?;
        from.check_range(from_start, count)?;
        let isolate = store.isolate_mut();
        to.barrier(isolate, start, count);
        isolate.copy_bytes(
            from.object,
            from.offset(from_start),
            to.object,
            to.offset(start),
            to.bytes(count),
        );
        Ok(())
    }

    /// Writes values to the elements from `start` on.
    ///
    /// # Errors
    /// As [`Self::set`]. Nothing is written then.
    pub fn set_all(
        self,
        store: &mut Store,
        start: u32,
        values: &[ScopedVal<'_>],
    ) -> Result<(), Error> {
        let span = self.span(store)?;
        span.check_mutable()?;
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        span.check_range(start, count)?;
        for value in values {
            access::check_value(store.isolate(), &value.raw(store)?, span.element)?;
        }
        span.barrier(store.isolate_mut(), start, count);
        for (index, value) in (start..).zip(values) {
            let value = value.raw(store)?;
            let (offset, storage) = (span.offset(index), span.element.storage);
            let isolate = store.isolate_mut();
            access::store(isolate, span.object, offset, storage, value, Write::Initial);
        }
        Ok(())
    }

    /// Copies elements of plain data, from `start` on, to the host.
    ///
    /// # Errors
    /// [`Error::WrongElements`], [`Error::OutOfBounds`], [`Error::ForeignReference`].
    pub fn read_slice<T: FieldValue + Pod>(
        self,
        store: &Store,
        start: u32,
        elements: &mut [T],
    ) -> Result<(), Error> {
        let span = self.span(store)?;
        check_elements::<T>(span.type_id, span.element)?;
        span.check_range(start, u32::try_from(elements.len()).unwrap_or(u32::MAX))?;
        let bytes = bytemuck::cast_slice_mut(elements);
        store
            .isolate()
            .read_bytes(span.object, span.offset(start), bytes);
        Ok(())
    }

    /// Copies plain data of the host's to the elements from `start` on.
    ///
    /// # Errors
    /// As [`Self::read_slice`], and [`Error::Immutable`].
    pub fn write_slice<T: FieldValue + Pod>(
        self,
        store: &mut Store,
        start: u32,
        elements: &[T],
    ) -> Result<(), Error> {
        let span = self.span(store)?;
        check_elements::<T>(span.type_id, span.element)?;
        span.check_mutable()?;
        span.check_range(start, u32::try_from(elements.len()).unwrap_or(u32::MAX))?;
        let bytes = bytemuck::cast_slice(elements);
        store
            .isolate_mut()
            .write_bytes(span.object, span.offset(start), bytes);
        Ok(())
    }

    /// The elements in place, of plain data at most eight bytes wide: no copy, while the store is
    /// borrowed and nothing can move.
    ///
    /// # Errors
    /// [`Error::WrongElements`] and [`Error::ForeignReference`]; [`Error::Unaligned`] for `u128`.
    pub fn as_slice<T: FieldValue + Pod>(self, store: &mut Store) -> Result<&[T], Error> {
        Ok(self.elements_mut(store)?)
    }

    /// As [`Self::as_slice`], to be written.
    ///
    /// # Errors
    /// As [`Self::as_slice`], and [`Error::Immutable`].
    pub fn as_mut_slice<T: FieldValue + Pod>(self, store: &mut Store) -> Result<&mut [T], Error> {
        self.span(store)?.check_mutable()?;
        self.elements_mut(store)
    }

    fn elements_mut<T: FieldValue + Pod>(self, store: &mut Store) -> Result<&mut [T], Error> {
        let span = self.span(store)?;
        check_elements::<T>(span.type_id, span.element)?;
        let bytes =
            store
                .isolate_mut()
                .bytes_mut(span.object, span.offset(0), span.bytes(span.length));
        // Of a forged length, what the heap has.
        let whole = bytes.len() - bytes.len() % size_of::<T>();
        let bytes = bytes.get_mut(..whole).unwrap_or_default();
        bytemuck::try_cast_slice_mut(bytes).map_err(|_| Error::Unaligned {
            element: T::NAME,
            align_bytes: align_of::<T>(),
        })
    }
}
