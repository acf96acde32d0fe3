//! Exceptions: objects of their own type, with a tag and a struct of arguments.

use crate::{Error, ExnRef, Rooted, Scope, Store, StructRef};
use windrow_core::{EXN_PAYLOAD_OFFSET, EXN_TAG_OFFSET, GcRef, TypeId};

impl ExnRef {
    /// Makes an exception. What the number of a tag means is the runtime's business. A safepoint.
    ///
    /// # Errors
    /// [`HeapFull`](crate::HeapError::HeapFull) with the bytes needed and the limit;
    /// [`Error::ForeignReference`].
    pub fn new<'s>(
        scope: &mut Scope<'s>,
        tag: u32,
        arguments: Option<Rooted<'_, StructRef>>,
    ) -> Result<Rooted<'s, Self>, Error> {
        raw(scope, arguments)?;
        let exception = scope.isolate_mut().alloc_struct(TypeId::EXN, &mut [])?;
        // Where they lie by now: the allocation may have moved them.
        let arguments = raw(scope, arguments)?;
        let isolate = scope.isolate_mut();
        isolate.store_u32(exception, EXN_TAG_OFFSET, tag);
        isolate.init_ref(exception, EXN_PAYLOAD_OFFSET, arguments);
        Ok(Rooted::new(scope, exception.to_ref()))
    }
}

fn raw(store: &Store, arguments: Option<Rooted<'_, StructRef>>) -> Result<GcRef, Error> {
    arguments.map_or(Ok(GcRef::NULL), |arguments| arguments.try_gc_ref(store))
}

impl Rooted<'_, ExnRef> {
    /// The number of its tag.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn tag(self, store: &Store) -> Result<u32, Error> {
        let exception = self.object(store)?;
        Ok(store.isolate().load_u32(exception, EXN_TAG_OFFSET))
    }

    /// Its arguments, if it has any.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    pub fn arguments<'s>(
        self,
        scope: &mut Scope<'s>,
    ) -> Result<Option<Rooted<'s, StructRef>>, Error> {
        let exception = self.object(scope)?;
        let arguments = scope.isolate().load_ref(exception, EXN_PAYLOAD_OFFSET);
        Ok(Rooted::wrap(scope, arguments))
    }
}
