//! Looking into a store: what is alive, why, and in which memory.

use crate::{Error, RefKind, Rooted, Store};
use std::io::Write;
use windrow_core::{HeapObject, MemoryKind, RetainingPath, SnapshotError, SnapshotSummary};

impl Store {
    /// Which memory the heap lives in: the one that was asked for, unless
    /// [`Config::fall_back_to_checked`](crate::Config::fall_back_to_checked) allowed another.
    #[must_use]
    pub const fn memory_kind(&self) -> MemoryKind {
        self.isolate().config().memory
    }

    /// Shows every object that something keeps alive, once, with type, size and references.
    ///
    /// Costs a trace, and memory of about a 32nd of the heap. The dead are left out, whether a
    /// collection has found them or not.
    ///
    /// # Errors
    /// [`HeapError`](crate::HeapError): what poisoned the heap, frames that cannot be followed, or no
    /// memory for the marks.
    pub fn visit_objects(&mut self, visit: impl FnMut(HeapObject<'_>)) -> Result<(), Error> {
        Ok(self.isolate_mut().visit_objects(visit)?)
    }

    /// Writes what is alive as a heap snapshot that Chrome's DevTools load (Memory, Load profile): a
    /// file named `*.heapsnapshot`.
    ///
    /// Types and fields go by the names they were given
    /// ([`TypeRegistry::set_type_name`](crate::TypeRegistry::set_type_name)); roots are grouped by kind;
    /// retaining paths lead from any object to them. Takes the time of four traces; output is buffered,
    /// and memory does not grow with it.
    ///
    /// # Errors
    /// [`SnapshotError::Write`] where `out` refuses, [`SnapshotError::Heap`] where the heap cannot be
    /// looked at.
    pub fn write_snapshot(
        &mut self,
        mut out: impl Write,
    ) -> Result<SnapshotSummary, SnapshotError> {
        self.isolate_mut().write_snapshot(&mut out)
    }

    /// The shortest path from a root to the object that a handle leads to; `None` for an `i31`. A handle
    /// of the object itself is the answer only where there is no other.
    ///
    /// Costs a trace up to the object, and about 20 bytes for each object on the way.
    ///
    /// # Errors
    /// [`Error::ForeignReference`]; [`HeapError`](crate::HeapError): what poisoned the heap, or frames
    /// that cannot be followed.
    pub fn why_alive<T: RefKind>(
        &mut self,
        object: Rooted<'_, T>,
    ) -> Result<Option<RetainingPath>, Error> {
        match object.try_gc_ref(self)?.as_object() {
            Some(object) => Ok(self.isolate_mut().why_alive(object)?),
            None => Ok(None),
        }
    }
}
