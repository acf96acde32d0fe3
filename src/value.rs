//! Values as the host holds them.

use crate::{AnyRef, Error, I31, OwnedRooted, RefKind, Rooted, Scope, Store};
use windrow_core::{FunctionId, GcRef, HostValue};

/// A reference of any type that needs no scope.
///
/// An object stays alive as long as a clone of its handle does.
#[derive(Clone, Debug)]
pub enum Ref {
    /// The null reference.
    Null,
    /// An integer of 31 bits.
    I31(i32),
    /// An object: a struct, an array, an exception, or the stand-in of a host value.
    Object(OwnedRooted<AnyRef>),
}

impl Ref {
    /// Whether this is the null reference.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The host value it stands for, or `None` where it stands for none.
    ///
    /// # Errors
    /// [`Error::ForeignReference`], or [`HeapError::Corrupt`](crate::HeapError::Corrupt) where the
    /// heap's bytes were tampered with.
    pub fn host_value<'a>(&self, store: &'a Store) -> Result<Option<&'a HostValue>, Error> {
        match store.try_resolve(self)?.as_object() {
            Some(object) => Ok(store.isolate().host_value(object)?),
            None => Ok(None),
        }
    }

    /// The same reference in a scope, to be used; `None` for null.
    ///
    /// # Panics
    /// If it is another store's.
    #[must_use]
    pub fn root<'s>(&self, scope: &mut Scope<'s>) -> Option<Rooted<'s, AnyRef>> {
        let reference = scope.resolve(self);
        Rooted::wrap(scope, reference)
    }
}

impl<T: RefKind> From<OwnedRooted<T>> for Ref {
    fn from(reference: OwnedRooted<T>) -> Self {
        Self::Object(reference.to_any())
    }
}

/// A value of any type, with references held as `R` says. Floats are their bits, so that the
/// payload of a NaN is kept.
///
/// `Val` needs no scope; [`ScopedVal`] is what objects of the heap are made of and read as.
#[derive(Clone, Copy, Debug)]
pub enum Val<R = Ref> {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
    /// A vector of 128 bits.
    V128(u128),
    /// A function of the store, or null.
    Func(FunctionId),
    /// A reference in the `any`, `extern` or `exn` hierarchy.
    Ref(R),
}

/// A value whose reference, if it is one and not null, is rooted in a scope.
pub type ScopedVal<'s> = Val<Option<Rooted<'s, AnyRef>>>;

impl<R> Val<R> {
    /// The integer, if this is an `i32`.
    #[must_use]
    pub const fn as_i32(&self) -> Option<i32> {
        match self {
            Self::I32(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if this is an `i64`.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::I64(value) => Some(*value),
            _ => None,
        }
    }

    /// The float, if this is an `f32`.
    #[must_use]
    pub const fn as_f32(&self) -> Option<f32> {
        match self {
            Self::F32(bits) => Some(f32::from_bits(*bits)),
            _ => None,
        }
    }

    /// The float, if this is an `f64`.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F64(bits) => Some(f64::from_bits(*bits)),
            _ => None,
        }
    }

    /// The vector, if this is a `v128`.
    #[must_use]
    pub const fn as_v128(&self) -> Option<u128> {
        match self {
            Self::V128(bits) => Some(*bits),
            _ => None,
        }
    }

    /// The function, if this is one; it may be null.
    #[must_use]
    pub const fn as_func(&self) -> Option<FunctionId> {
        match self {
            Self::Func(id) => Some(*id),
            _ => None,
        }
    }

    /// The same value with its reference, if it is one, held another way.
    #[inline]
    pub(crate) fn try_map_ref<S, E>(
        self,
        map: impl FnOnce(R) -> Result<S, E>,
    ) -> Result<Val<S>, E> {
        Ok(match self {
            Self::I32(value) => Val::I32(value),
            Self::I64(value) => Val::I64(value),
            Self::F32(bits) => Val::F32(bits),
            Self::F64(bits) => Val::F64(bits),
            Self::V128(bits) => Val::V128(bits),
            Self::Func(id) => Val::Func(id),
            Self::Ref(reference) => Val::Ref(map(reference)?),
        })
    }
}

impl<'s> ScopedVal<'s> {
    /// The null reference of the `any`, `extern` and `exn` hierarchies.
    pub const NULL: Self = Self::Ref(None);

    /// The reference, if this is one and not null.
    #[must_use]
    pub const fn as_ref(&self) -> Option<Rooted<'s, AnyRef>> {
        match self {
            Self::Ref(reference) => *reference,
            _ => None,
        }
    }

    /// Whether this is a null reference, to a function or anything else.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Ref(None)) || matches!(self, Self::Func(id) if id.is_null())
    }

    /// The same value without a scope.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn own(self, store: &mut Store) -> Result<Val, Error> {
        self.try_map_ref(|reference| match reference {
            Some(reference) => {
                let reference = reference.try_gc_ref(store)?;
                Ok(store.hold(reference))
            }
            None => Ok(Ref::Null),
        })
    }

    /// The same value with a raw reference, valid until the next safepoint.
    #[inline]
    pub(crate) fn raw(self, store: &Store) -> Result<Val<GcRef>, Error> {
        self.try_map_ref(|reference| match reference {
            Some(reference) => reference.try_gc_ref(store),
            None => Ok(GcRef::NULL),
        })
    }
}

impl Val {
    /// The same value in a scope.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn root<'s>(&self, scope: &mut Scope<'s>) -> Result<ScopedVal<'s>, Error> {
        let raw = self.raw(scope)?;
        Ok(raw.wrap(scope))
    }

    /// The same value with a raw reference, valid until the next safepoint.
    pub(crate) fn raw(&self, store: &Store) -> Result<Val<GcRef>, Error> {
        Ok(match self {
            Self::I32(value) => Val::I32(*value),
            Self::I64(value) => Val::I64(*value),
            Self::F32(bits) => Val::F32(*bits),
            Self::F64(bits) => Val::F64(*bits),
            Self::V128(bits) => Val::V128(*bits),
            Self::Func(id) => Val::Func(*id),
            Self::Ref(reference) => Val::Ref(store.try_resolve(reference)?),
        })
    }
}

impl Val<GcRef> {
    #[inline]
    pub(crate) fn wrap<'s>(self, scope: &mut Scope<'s>) -> ScopedVal<'s> {
        match self {
            Self::I32(value) => Val::I32(value),
            Self::I64(value) => Val::I64(value),
            Self::F32(bits) => Val::F32(bits),
            Self::F64(bits) => Val::F64(bits),
            Self::V128(bits) => Val::V128(bits),
            Self::Func(id) => Val::Func(id),
            Self::Ref(reference) => Val::Ref(Rooted::wrap(scope, reference)),
        }
    }
}

macro_rules! from_number {
    ($($number:ty, $variant:ident, $of:expr;)*) => {$(
        impl<R> From<$number> for Val<R> {
            fn from(value: $number) -> Self {
                Self::$variant($of(value))
            }
        }
    )*};
}

from_number! {
    i32, I32, std::convert::identity;
    i64, I64, std::convert::identity;
    f32, F32, f32::to_bits;
    f64, F64, f64::to_bits;
    FunctionId, Func, std::convert::identity;
}

impl<'s, T: RefKind> From<Rooted<'s, T>> for ScopedVal<'s> {
    fn from(reference: Rooted<'s, T>) -> Self {
        Self::Ref(Some(reference.to_any()))
    }
}

impl From<I31> for ScopedVal<'_> {
    fn from(value: I31) -> Self {
        Rooted::<AnyRef>::from(value).into()
    }
}

impl<'s, T: RefKind> From<Option<Rooted<'s, T>>> for ScopedVal<'s> {
    fn from(reference: Option<Rooted<'s, T>>) -> Self {
        Self::Ref(reference.map(Rooted::to_any))
    }
}
