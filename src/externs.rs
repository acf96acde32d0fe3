//! Host values in the heap: any value of the host's, behind a reference like any other.
//!
//! The value itself stays outside; the heap holds a number, and the entry behind the number knows
//! which object it belongs to. It is dropped once: after the collection that finds its object dead,
//! or with the store.

use crate::{Error, ExternRef, Rooted, Scope, Store};
use std::any::Any;
use windrow_core::{HeapError, HostValue};

/// A host value that could not be put into the heap, handed back with the reason. `?` makes it an
/// [`Error`] and drops the value.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct ExternError<T> {
    /// Why.
    #[source]
    pub error: HeapError,
    /// The value.
    pub value: T,
}

impl<T> From<ExternError<T>> for Error {
    /// Why, without the value, which is dropped.
    fn from(refused: ExternError<T>) -> Self {
        refused.error.into()
    }
}

impl ExternRef {
    /// Puts a value of the host's into the heap. A safepoint.
    ///
    /// # Errors
    /// [`HeapFull`](HeapError::HeapFull) or what else stands against it, with the value handed back.
    pub fn new<'s, T: Any + Send + Sync>(
        scope: &mut Scope<'s>,
        value: T,
    ) -> Result<Rooted<'s, Self>, ExternError<HostValue>> {
        Self::from_host_value(scope, HostValue::new(value), 0)
    }

    /// Puts a host value that is boxed already into the heap, and says that it takes about `bytes`
    /// bytes outside. A safepoint.
    ///
    /// Values that take more than their budget together, 64 MiB or twice what survived, cause a
    /// collection. A box may be put into several stores.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_host_value<'s>(
        scope: &mut Scope<'s>,
        value: HostValue,
        bytes: u32,
    ) -> Result<Rooted<'s, Self>, ExternError<HostValue>> {
        let isolate = scope.isolate_mut();
        match isolate.alloc_extern_sized(value, bytes, &mut []) {
            Ok(object) => Ok(Rooted::new(scope, object.to_ref())),
            Err(refused) => Err(ExternError {
                error: refused.error,
                value: refused.value,
            }),
        }
    }
}

impl Rooted<'_, ExternRef> {
    /// The value's box.
    ///
    /// # Errors
    /// [`Error::ForeignReference`]; [`HeapError::Corrupt`] where the heap was tampered with.
    pub fn host_value(self, store: &Store) -> Result<&HostValue, Error> {
        let object = self.object(store)?;
        let value = store.isolate().host_value(object)?;
        value.ok_or(Error::WrongKind {
            expected: "a host value",
            found: "another object",
        })
    }

    /// The value, if it is a `T`.
    ///
    /// # Errors
    /// As [`Self::host_value`].
    pub fn data<T: Any>(self, store: &Store) -> Result<Option<&T>, Error> {
        Ok(self.host_value(store)?.downcast_ref())
    }

    /// The value, to be changed, if it is a `T` and no other box of it is left.
    ///
    /// # Errors
    /// As [`Self::host_value`].
    pub fn data_mut<T: Any>(self, store: &mut Store) -> Result<Option<&mut T>, Error> {
        let object = self.object(store)?;
        let value = store.isolate_mut().host_value_mut(object)?;
        Ok(value.and_then(HostValue::downcast_mut))
    }
}
