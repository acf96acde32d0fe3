//! References the host holds: rooted, typed by what they lead to, and never another store's.
//!
//! A [`Rooted`] handle belongs to a [`Scope`] and cannot outlive it: it is eight bytes, copied
//! freely, and costs a push when it is made and a look-up when it is used. An [`OwnedRooted`]
//! handle belongs to nobody, costs an entry of a table, and is turned into a scoped one to be used.
//! Both are roots: the object lives, and the handle follows it where it moves.
//!
//! A handle leads to something. What may be null is an `Option` of a handle.

use crate::{Error, Scope, Store};
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use windrow_core::{
    GcRef, Handles, HeapType, I31_MAX, I31_MIN, Isolate, ObjectRef, OwnedHandle, ScopedHandle,
    ShapeKind, TypeId,
};

mod sealed {
    pub trait Sealed {}
}

/// What a handle leads to, as its type says.
pub trait RefKind: sealed::Sealed + 'static {
    /// The kind, for people: "a struct".
    const NAME: &'static str;
    /// The widest type of fields whose references are all of this kind.
    #[doc(hidden)]
    const HEAP_TYPES: &'static [HeapType];

    /// Whether a reference, not null, is of this kind.
    #[doc(hidden)]
    fn admits(isolate: &Isolate, reference: GcRef) -> bool;
}

/// A kind all of whose references are also of kind `T`.
#[diagnostic::on_unimplemented(
    message = "not every `{Self}` is a `{T}`",
    label = "`upcast` goes to a wider kind only",
    note = "`Rooted::cast` checks, and gives `None` where the object is of another kind"
)]
pub trait SubKind<T: RefKind>: RefKind {}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, [$($heap_type:ident),*], $admits:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $kind {}

        impl sealed::Sealed for $kind {}

        impl RefKind for $kind {
            const NAME: &'static str = $name;
            const HEAP_TYPES: &'static [HeapType] = &[$(HeapType::$heap_type),*];

            #[inline]
            fn admits(isolate: &Isolate, reference: GcRef) -> bool {
                let admits: fn(&Isolate, Option<ObjectRef>) -> bool = $admits;
                admits(isolate, reference.as_object())
            }
        }

        impl SubKind<$kind> for $kind {}
    )*};
}

/// Whether an object is declared to be of a shape.
fn has_shape(isolate: &Isolate, object: Option<ObjectRef>, kind: ShapeKind) -> bool {
    object.is_some_and(|object| {
        let id = isolate.type_of(object);
        id.bits() >= TypeId::FIRST_DECLARED && isolate.tables().shape(id).kind == kind
    })
}

kinds! {
    /// Anything a reference can lead to: an `i31`, a struct, an array, a host value, an exception.
    AnyRef = "a reference", [], |_, _| true;
    /// What can be compared: an `i31`, a struct, an array.
    EqRef = "an i31, a struct or an array", [Eq, I31, Struct, Array, None], |isolate, object| {
        object.is_none_or(|object| isolate.type_of(object).bits() >= TypeId::FIRST_DECLARED)
    };
    /// A struct.
    StructRef = "a struct", [Struct, None], |isolate, object| {
        has_shape(isolate, object, ShapeKind::Struct)
    };
    /// An array.
    ArrayRef = "an array", [Array, None], |isolate, object| {
        has_shape(isolate, object, ShapeKind::Array)
    };
    /// An object that stands for a host value.
    ExternRef = "a host value", [NoExtern], |isolate, object| {
        object.is_some_and(|object| isolate.type_of(object) == TypeId::EXTERN)
    };
    /// An exception.
    ExnRef = "an exception", [Exn, NoExn], |isolate, object| {
        object.is_some_and(|object| isolate.type_of(object) == TypeId::EXN)
    };
}

macro_rules! sub_kinds {
    ($($sub:ident: $($kind:ident)*;)*) => {$($(
        impl SubKind<$kind> for $sub {}

        impl<'s> From<Rooted<'s, $sub>> for Rooted<'s, $kind> {
            fn from(handle: Rooted<'s, $sub>) -> Self {
                handle.upcast()
            }
        }
    )*)*};
}

sub_kinds! {
    EqRef: AnyRef;
    StructRef: EqRef AnyRef;
    ArrayRef: EqRef AnyRef;
    ExternRef: AnyRef;
    ExnRef: AnyRef;
}

/// An integer of 31 bits, which a reference holds in place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct I31(i32);

impl I31 {
    /// The smallest.
    pub const MIN: Self = Self(I31_MIN);
    /// The largest.
    pub const MAX: Self = Self(I31_MAX);

    /// The integer, or `None` where it does not fit.
    #[must_use]
    pub const fn new(value: i32) -> Option<Self> {
        if value >= I31_MIN && value <= I31_MAX {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The low 31 bits of an integer, as `ref.i31` takes them.
    #[must_use]
    pub const fn wrapping(value: i32) -> Self {
        Self(value << 1 >> 1)
    }

    /// The integer.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }
}

impl From<I31> for GcRef {
    fn from(value: I31) -> Self {
        Self::from_i31(value.0)
    }
}

/// Which store a handle belongs to: a number in the high half, zero in the low one.
pub(crate) type StoreId = NonZeroU64;

/// A root of a scope: an object, or an `i31`, that lives at least as long as the scope is open.
///
/// What the compiler stops: using a handle after its scope.
///
/// ```compile_fail
/// # use windrow::{ArrayRef, ArrayType, Config, FieldType, Store, StorageType};
/// # let mut store = Store::new(&Config::new())?;
/// # let bytes = store.types().register_array(ArrayType::new(FieldType::mutable(StorageType::I8)))?;
/// let mut scope = store.scope();
/// let array = ArrayRef::new_default(&mut scope, bytes, 8)?;
/// drop(scope);
/// array.len(&store); // The store is borrowed for as long as the handle is used.
/// # Ok::<(), windrow::Error>(())
/// ```
///
/// What it cannot stop, another store's handle, is [`Error::ForeignReference`] or a documented panic,
/// never another object.
pub struct Rooted<'s, T: RefKind = AnyRef> {
    /// The store in the high half and the handle in the low one, or an `i31` by itself. One word, so
    /// that what a call leaves in memory is read back as it was written: two halves read as a whole
    /// wait for the stores.
    bits: NonZeroU64,
    scope: PhantomData<&'s ()>,
    kind: PhantomData<fn() -> T>,
}

// What tells another store's handle apart costs no third word.
const _: () = assert!(size_of::<Option<Rooted<'static>>>() == 8);

impl<T: RefKind> Clone for Rooted<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: RefKind> Copy for Rooted<'_, T> {}

impl<T: RefKind> fmt::Debug for Rooted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rooted({}, {})", T::NAME, self.halves().1)
    }
}

impl From<I31> for Rooted<'_, AnyRef> {
    fn from(value: I31) -> Self {
        Self::of_i31(value)
    }
}

impl From<I31> for Rooted<'_, EqRef> {
    fn from(value: I31) -> Self {
        Self::of_i31(value)
    }
}

impl<'s, T: RefKind> Rooted<'s, T> {
    fn of_i31(value: I31) -> Self {
        Self {
            // An `i31` is odd, so the least number there is changes nothing.
            bits: NonZeroU64::MIN | u64::from(GcRef::from(value).bits()),
            scope: PhantomData,
            kind: PhantomData,
        }
    }

    /// A handle of a reference that is not null and of this kind.
    #[inline]
    pub(crate) fn new(scope: &mut Scope<'s>, reference: GcRef) -> Self {
        let handle = scope.isolate_mut().handles_mut().push(reference);
        Self {
            bits: scope.id() | u64::from(handle.index()),
            scope: PhantomData,
            kind: PhantomData,
        }
    }

    /// A handle of a reference, unless it is null. The reference is of this kind.
    #[inline]
    pub(crate) fn wrap(scope: &mut Scope<'s>, reference: GcRef) -> Option<Self> {
        if reference.is_null() {
            return None;
        }
        if reference.is_i31() {
            return Some(Self {
                bits: NonZeroU64::MIN | u64::from(reference.bits()),
                scope: PhantomData,
                kind: PhantomData,
            });
        }
        Some(Self::new(scope, reference))
    }

    const fn retyped<U: RefKind>(self) -> Rooted<'s, U> {
        Rooted {
            bits: self.bits,
            scope: PhantomData,
            kind: PhantomData,
        }
    }

    /// The raw reference, valid until the next safepoint: the next allocation or collection.
    ///
    /// # Errors
    /// [`Error::ForeignReference`] if the handle is another store's.
    #[inline]
    pub fn try_gc_ref(self, store: &Store) -> Result<GcRef, Error> {
        // No `ok_or`: it makes the error, and drops it, where there is none.
        match self.raw(store) {
            Some(reference) => Ok(reference),
            None => Err(Error::ForeignReference),
        }
    }

    /// The raw reference, or `None` if the handle is another store's.
    #[inline]
    fn raw(self, store: &Store) -> Option<GcRef> {
        self.raw_in(store.isolate().handles(), store.id())
    }

    /// The raw reference, or `None` if the handle is not of the store with this id and these handles.
    #[inline]
    pub(crate) fn raw_in(self, handles: &Handles, store: StoreId) -> Option<GcRef> {
        let (its_store, low) = self.halves();
        if its_store == store.get() {
            return handles.scoped(ScopedHandle::from_index(low));
        }
        (its_store == 0).then(|| GcRef::from_bits(low))
    }

    /// The store's id, zero for an `i31`, and the handle or the `i31`.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is what is wanted"
    )]
    const fn halves(self) -> (u64, u32) {
        let bits = self.bits.get();
        let low = bits as u32;
        (bits ^ low as u64, low)
    }

    /// The raw reference, valid until the next safepoint: the next allocation or collection.
    ///
    /// # Panics
    /// If the handle is another store's; see [`Self::try_gc_ref`].
    #[must_use]
    #[inline]
    pub fn gc_ref(self, store: &Store) -> GcRef {
        self.raw(store)
            .expect("a handle is used with the store it came from")
    }

    /// The object, for kinds that have no `i31`.
    #[inline]
    pub(crate) fn object(self, store: &Store) -> Result<ObjectRef, Error> {
        match self.raw(store).and_then(GcRef::as_object) {
            Some(object) => Ok(object),
            None => Err(self.no_object(store)),
        }
    }

    #[cold]
    fn no_object(self, store: &Store) -> Error {
        match self.raw(store) {
            Some(_) => Error::WrongKind {
                expected: T::NAME,
                found: "an i31",
            },
            None => Error::ForeignReference,
        }
    }

    /// The same reference, known for less: a struct as a reference to anything.
    #[must_use]
    pub const fn upcast<U: RefKind>(self) -> Rooted<'s, U>
    where
        T: SubKind<U>,
    {
        self.retyped()
    }

    /// The same reference as one to anything.
    #[must_use]
    pub const fn to_any(self) -> Rooted<'s, AnyRef> {
        self.retyped()
    }

    /// Whether the reference is of another kind too. Reads the object's header.
    ///
    /// # Panics
    /// If the handle is another store's; see [`Self::try_cast`].
    #[must_use]
    #[inline]
    pub fn is<U: RefKind>(self, store: &Store) -> bool {
        U::admits(store.isolate(), self.gc_ref(store))
    }

    /// The same reference as one of another kind, or `None` where it is not. Reads the object's
    /// header.
    ///
    /// # Panics
    /// If the handle is another store's; see [`Self::try_cast`].
    #[must_use]
    #[inline]
    pub fn cast<U: RefKind>(self, store: &Store) -> Option<Rooted<'s, U>> {
        self.is::<U>(store).then(|| self.retyped())
    }

    /// The same reference as one of another kind.
    ///
    /// # Errors
    /// [`Error::WrongKind`] saying what it is, [`Error::ForeignReference`].
    #[inline]
    pub fn try_cast<U: RefKind>(self, store: &Store) -> Result<Rooted<'s, U>, Error> {
        let reference = self.try_gc_ref(store)?;
        if U::admits(store.isolate(), reference) {
            return Ok(self.retyped());
        }
        Err(Error::WrongKind {
            expected: U::NAME,
            found: kind_name(store.isolate(), reference),
        })
    }

    /// The integer, if this is an `i31`.
    ///
    /// # Panics
    /// If the handle is another store's.
    #[must_use]
    #[inline]
    pub fn as_i31(self, store: &Store) -> Option<I31> {
        self.gc_ref(store).as_i31().map(I31)
    }

    /// The object's type; `None` for an `i31`. The built-in ones are [`TypeId::EXTERN`] and
    /// [`TypeId::EXN`].
    ///
    /// # Panics
    /// If the handle is another store's; see [`Self::try_type_id`].
    #[must_use]
    #[inline]
    pub fn type_id(self, store: &Store) -> Option<TypeId> {
        self.try_type_id(store)
            .expect("a handle is used with the store it came from")
    }

    /// The object's type; `None` for an `i31`.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    #[inline]
    pub fn try_type_id(self, store: &Store) -> Result<Option<TypeId>, Error> {
        let object = self.try_gc_ref(store)?.as_object();
        Ok(object.map(|object| store.isolate().type_of(object)))
    }

    /// Whether the reference is a value of a heap type, concrete ones included.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn matches(self, store: &Store, heap_type: HeapType) -> Result<bool, Error> {
        let reference = self.try_gc_ref(store)?;
        Ok(store.reference_matches(reference, heap_type))
    }

    /// Whether two handles lead to the same object or hold the same integer.
    ///
    /// # Panics
    /// If either is another store's; see [`Self::try_ref_eq`].
    #[must_use]
    #[inline]
    pub fn ref_eq<U: RefKind>(self, store: &Store, other: Rooted<'_, U>) -> bool {
        self.try_ref_eq(store, other)
            .expect("a handle is used with the store it came from")
    }

    /// Whether two handles lead to the same object or hold the same integer.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    #[inline]
    pub fn try_ref_eq<U: RefKind>(
        self,
        store: &Store,
        other: Rooted<'_, U>,
    ) -> Result<bool, Error> {
        Ok(self.try_gc_ref(store)? == other.try_gc_ref(store)?)
    }

    /// A handle that lasts until its last clone is dropped.
    ///
    /// # Panics
    /// If the handle is another store's; see [`Self::try_own`].
    #[must_use]
    pub fn own(self, store: &mut Store) -> OwnedRooted<T> {
        self.try_own(store)
            .expect("a handle is used with the store it came from")
    }

    /// A handle that lasts until its last clone is dropped.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn try_own(self, store: &mut Store) -> Result<OwnedRooted<T>, Error> {
        let reference = self.try_gc_ref(store)?;
        Ok(OwnedRooted::new(store, reference))
    }
}

/// What a reference leads to, for people.
pub(crate) fn kind_name(isolate: &Isolate, reference: GcRef) -> &'static str {
    let Some(object) = reference.as_object() else {
        return if reference.is_null() {
            "null"
        } else {
            "an i31"
        };
    };
    match isolate.type_of(object) {
        TypeId::EXTERN => ExternRef::NAME,
        TypeId::EXN => ExnRef::NAME,
        id => match isolate.tables().shape(id).kind {
            ShapeKind::Struct => StructRef::NAME,
            ShapeKind::Array => ArrayRef::NAME,
            ShapeKind::Invalid | ShapeKind::Function => "no object",
        },
    }
}

/// A root of no scope: its object lives until the last clone of the handle is dropped and a
/// collection follows, or until it is [released](Store::release).
///
/// `Send` and `Sync`; may outlive its store, and roots nothing then.
pub struct OwnedRooted<T: RefKind = AnyRef> {
    handle: OwnedHandle,
    kind: PhantomData<fn() -> T>,
}

impl<T: RefKind> Clone for OwnedRooted<T> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            kind: PhantomData,
        }
    }
}

impl<T: RefKind> fmt::Debug for OwnedRooted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedRooted({})", T::NAME)
    }
}

impl<T: RefKind> OwnedRooted<T> {
    pub(crate) fn new(store: &mut Store, reference: GcRef) -> Self {
        Self {
            handle: store.isolate_mut().handles_mut().own(reference),
            kind: PhantomData,
        }
    }

    /// The same root in a scope, to be used.
    ///
    /// # Panics
    /// If the handle is another store's; see [`Self::try_root`].
    #[must_use]
    pub fn root<'s>(&self, scope: &mut Scope<'s>) -> Rooted<'s, T> {
        self.try_root(scope)
            .expect("a handle is used with the store it came from")
    }

    /// The same root in a scope, to be used.
    ///
    /// # Errors
    /// [`Error::ForeignReference`] if the handle is another store's.
    pub fn try_root<'s>(&self, scope: &mut Scope<'s>) -> Result<Rooted<'s, T>, Error> {
        let reference = self.try_gc_ref(scope)?;
        Ok(Rooted::new(scope, reference))
    }

    /// The raw reference, valid until the next safepoint: the next allocation or collection.
    ///
    /// # Errors
    /// [`Error::ForeignReference`] if the handle is another store's.
    pub fn try_gc_ref(&self, store: &Store) -> Result<GcRef, Error> {
        match store.isolate().handles().owned(&self.handle) {
            Some(reference) => Ok(reference),
            None => Err(Error::ForeignReference),
        }
    }

    /// The same root as one of anything.
    #[must_use]
    pub fn to_any(self) -> OwnedRooted<AnyRef> {
        OwnedRooted {
            handle: self.handle,
            kind: PhantomData,
        }
    }

    pub(crate) fn into_handle(self) -> OwnedHandle {
        self.handle
    }
}
