//! Objects as the host sees them: allocation, access, barriers.
//!
//! Every operation is safe for any reference and any offset: what a forged one reads is some
//! value, and never memory outside the heap. Types and mutability are the business of the layer
//! above; these are the operations compiled code performs, done by the host from the same data.

use super::{Isolate, heap_context};
use crate::collector::{CollectionKind, CollectionReason, GcHeap};
use crate::header::{ARRAY_LENGTH_OFFSET, HEADER_BYTES, load_ref};
use crate::host_data::HostData;
use crate::shape::{Shape, ShapeKind};
use crate::{
    Corruption, GcRef, Header, HeapError, HostValue, Memory, OBJECT_ALIGN, ObjectRef, TypeId,
    WriteBarrier, with_memory,
};

/// A host value that could not be put into the heap, handed back with the reason.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ExternError {
    /// Why.
    #[source]
    pub error: HeapError,
    /// The value.
    pub value: HostValue,
}

/// Where a part of an object lies. An offset made from a forged length may lead past the 4 GiB: it
/// ends there, where nothing is, and does not come round to the first page.
#[inline(always)]
fn place(object: ObjectRef, offset: u32) -> u32 {
    object.offset().saturating_add(offset)
}

/// The largest struct that is zeroed a word at a time: a call costs more.
const ZEROED_BY_WORDS: u32 = 128;

macro_rules! accessors {
    ($($load:ident $store:ident $int:ty),*) => {$(
        /// Reads the integer at `offset` bytes into `object`.
        #[must_use]
        #[inline]
        pub fn $load(&self, object: ObjectRef, offset: u32) -> $int {
            self.memory.$load(place(object, offset))
        }
        /// Writes the integer at `offset` bytes into `object`. Not for references.
        #[inline]
        pub fn $store(&mut self, object: ObjectRef, offset: u32, value: $int) {
            self.memory.$store(place(object, offset), value);
        }
    )*};
}

impl Isolate {
    /// Allocates a struct with every field zero (null).
    ///
    /// A safepoint: references not rooted, nor in `in_flight`, are stale afterwards.
    ///
    /// # Errors
    /// [`HeapError::HeapFull`], or what poisoned the heap.
    ///
    /// # Panics
    /// If `type_id` is not a struct type this isolate knows (see [`Self::sync_types`]).
    #[inline(always)]
    pub fn alloc_struct(
        &mut self,
        type_id: TypeId,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, HeapError> {
        let bytes = self.known_shape(type_id, ShapeKind::Struct).size_bytes;
        if bytes <= ZEROED_BY_WORDS
            && let Some(object) = self.allocate_at_cursor(bytes, self.header_for(type_id))
        {
            let body = object.offset() + HEADER_BYTES..object.offset() + bytes;
            with_memory!(&mut self.memory, memory => {
                for word in body.step_by(8) {
                    memory.store_u64(word, 0);
                }
            });
            return Ok(object);
        }
        self.alloc_struct_slowly(type_id, in_flight)
    }

    #[inline(never)]
    fn alloc_struct_slowly(
        &mut self,
        type_id: TypeId,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, HeapError> {
        let object = self.alloc_struct_uninit(type_id, in_flight)?;
        let bytes = self.tables.shape(type_id).size_bytes;
        self.memory
            .fill(object.offset() + HEADER_BYTES, bytes - HEADER_BYTES, 0);
        Ok(object)
    }

    /// Allocates a struct whose fields the caller writes before the next safepoint.
    ///
    /// # Errors
    /// As [`Self::alloc_struct`].
    ///
    /// # Panics
    /// As [`Self::alloc_struct`].
    pub fn alloc_struct_uninit(
        &mut self,
        type_id: TypeId,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, HeapError> {
        let bytes = self.known_shape(type_id, ShapeKind::Struct).size_bytes;
        self.alloc_structs_uninit(type_id, bytes, in_flight)
    }

    /// Allocates a struct and room for others behind it, `bytes` in all. The caller writes the headers of
    /// the others, as [`MutatorAbi::header_template`](crate::MutatorAbi::header_template) says, and all
    /// fields before the next safepoint.
    ///
    /// # Errors
    /// As [`Self::alloc_struct`].
    ///
    /// # Panics
    /// As [`Self::alloc_struct`], and if `bytes` are fewer than the struct's or no multiple of eight, or
    /// more than the struct's where the collector does not bump so many in line.
    pub fn alloc_structs_uninit(
        &mut self,
        type_id: TypeId,
        bytes: u32,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, HeapError> {
        let shape = self.known_shape(type_id, ShapeKind::Struct);
        assert!(
            bytes == shape.size_bytes
                || bytes > shape.size_bytes
                    && bytes.is_multiple_of(OBJECT_ALIGN)
                    && bytes <= self.bump_bytes,
            "a struct of {} bytes cannot be the first of structs of {bytes}",
            shape.size_bytes
        );
        self.allocate(bytes.into(), self.header_for(type_id), in_flight)
    }

    /// Allocates an array with every element zero (null). A safepoint.
    ///
    /// # Errors
    /// [`HeapError::HeapFull`], or what poisoned the heap.
    ///
    /// # Panics
    /// If `type_id` is not an array type this isolate knows.
    pub fn alloc_array(
        &mut self,
        type_id: TypeId,
        length: u32,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, HeapError> {
        let object = self.alloc_array_uninit(type_id, length, in_flight)?;
        let shape = self.tables.shape(type_id);
        let bytes =
            u32::try_from(shape.array_bytes(length)).expect("an allocated array fits the heap");
        let body = ARRAY_LENGTH_OFFSET + 4;
        self.memory.fill(object.offset() + body, bytes - body, 0);
        Ok(object)
    }

    /// Allocates an array, its length set, whose elements the caller writes before the next
    /// safepoint.
    ///
    /// # Errors
    /// As [`Self::alloc_array`].
    ///
    /// # Panics
    /// As [`Self::alloc_array`].
    pub fn alloc_array_uninit(
        &mut self,
        type_id: TypeId,
        length: u32,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, HeapError> {
        let bytes = self
            .known_shape(type_id, ShapeKind::Array)
            .array_bytes(length);
        let object = self.allocate(bytes, self.header_for(type_id), in_flight)?;
        self.memory
            .store_u32(object.offset() + ARRAY_LENGTH_OFFSET, length);
        Ok(object)
    }

    /// Allocates an object that stands for a host value. A safepoint.
    ///
    /// # Errors
    /// [`ExternError`] with the value handed back.
    pub fn alloc_extern(
        &mut self,
        value: HostValue,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, ExternError> {
        self.alloc_extern_sized(value, 0, in_flight)
    }

    /// Allocates an object that stands for a host value which takes about `bytes` bytes outside the
    /// heap. A safepoint.
    ///
    /// Values that take more than their budget, 64 MiB or twice what survived, cause a collection.
    ///
    /// # Errors
    /// [`ExternError`] with the value handed back.
    pub fn alloc_extern_sized(
        &mut self,
        value: HostValue,
        bytes: u32,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, ExternError> {
        if !self.host_data.has_room() {
            return Err(ExternError {
                error: HeapError::HostDataExhausted {
                    limit: HostData::MAX,
                },
                value,
            });
        }
        let object = self
            .make_room_outside(bytes, in_flight)
            .and_then(|()| self.alloc_struct(TypeId::EXTERN, in_flight));
        match object {
            Ok(object) => {
                if value.is_traced() {
                    self.watched.insert(object);
                }
                let id = self.host_data.insert(object, value, bytes);
                self.store_u32(object, HEADER_BYTES, id);
                Ok(object)
            }
            Err(error) => Err(ExternError { error, value }),
        }
    }

    /// Collects if host values take more than their budget with `bytes` more.
    fn make_room_outside(&mut self, bytes: u32, in_flight: &mut [GcRef]) -> Result<(), HeapError> {
        let collects = self.config.collector.properties().collects && !self.is_gc_forbidden();
        if !self.host_data.is_over_budget(bytes) || !collects {
            return Ok(());
        }
        let reason = CollectionReason::HostValues;
        self.collect_for(reason, CollectionKind::Automatic, in_flight)?;
        if self.host_data.is_over_budget(bytes) {
            self.collect_for(reason, CollectionKind::Full, in_flight)?;
        }
        self.host_data.set_budget();
        Ok(())
    }

    /// The host value an `externref` object stands for, or `None` for any other object.
    ///
    /// # Errors
    /// [`Corruption::HostData`] where the object's id is not its own, which poisons the heap; what
    /// poisoned it before.
    pub fn host_value(&self, object: ObjectRef) -> Result<Option<&HostValue>, HeapError> {
        self.check()?;
        if self.type_of(object) != TypeId::EXTERN {
            return Ok(None);
        }
        let id = self.load_u32(object, HEADER_BYTES);
        match self.host_data.value(id, object) {
            Some(value) => Ok(Some(value)),
            None => {
                let offset = object.offset();
                let forged = HeapError::Corrupt(Corruption::HostData { offset, id });
                Err(self.poisoned.get_or_init(|| forged).clone())
            }
        }
    }

    /// The host value an `externref` object stands for, or `None` for any other object.
    ///
    /// # Errors
    /// As [`Self::host_value`].
    pub fn host_value_mut(
        &mut self,
        object: ObjectRef,
    ) -> Result<Option<&mut HostValue>, HeapError> {
        if self.host_value(object)?.is_none() {
            return Ok(None);
        }
        let id = self.load_u32(object, HEADER_BYTES);
        Ok(self.host_data.value_mut(id, object))
    }

    /// How many host values the heap keeps alive.
    #[must_use]
    pub const fn host_values(&self) -> usize {
        self.host_data.len()
    }

    /// What host values take outside the heap, in bytes, as [`Self::alloc_extern_sized`] was told.
    #[must_use]
    pub const fn host_value_bytes(&self) -> u64 {
        self.host_data.bytes()
    }

    /// The type id in an object's header. Untrusted, but in range for every table.
    #[must_use]
    #[inline]
    pub fn type_of(&self, object: ObjectRef) -> TypeId {
        Header::read(&self.memory, object).type_id()
    }

    /// An array's length in elements, as the object says.
    #[must_use]
    #[inline]
    pub fn array_len(&self, array: ObjectRef) -> u32 {
        self.load_u32(array, ARRAY_LENGTH_OFFSET)
    }

    accessors!(
        load_u8 store_u8 u8, load_u16 store_u16 u16, load_u32 store_u32 u32, load_u64 store_u64 u64,
        load_u128 store_u128 u128
    );

    /// Reads the reference at `offset` bytes into `object`.
    #[must_use]
    #[inline]
    pub fn load_ref(&self, object: ObjectRef, offset: u32) -> GcRef {
        load_ref(&self.memory, place(object, offset))
    }

    /// Writes a reference into an object just allocated: no barrier.
    #[inline]
    pub fn init_ref(&mut self, object: ObjectRef, offset: u32, value: GcRef) {
        self.memory.store_u32(place(object, offset), value.bits());
    }

    /// Writes a reference at `offset` bytes into `object`, with the barrier the collector asks for.
    #[inline]
    pub fn write_ref(&mut self, object: ObjectRef, offset: u32, value: GcRef) {
        self.write_barrier(Some(object), place(object, offset), value);
        self.init_ref(object, offset, value);
    }

    /// The barrier owed before `value` is stored in the slot at `slot`: of `owner`, or, where
    /// that is `None`, of a global or a table. Never a safepoint.
    #[inline]
    pub fn write_barrier(&mut self, owner: Option<ObjectRef>, slot: u32, value: GcRef) {
        let is_owed = match self.abi.write_barrier {
            WriteBarrier::None => false,
            WriteBarrier::Call => true,
            WriteBarrier::Log { .. } => owner.is_some() && self.log_bits.is_armed(slot),
        };
        if is_owed {
            self.call_barrier(owner, slot, value);
        }
    }

    #[inline(never)]
    fn call_barrier(&mut self, owner: Option<ObjectRef>, slot: u32, value: GcRef) {
        if self.poisoned.get().is_none() {
            self.heap
                .write_barrier(&mut heap_context!(self), owner, slot, value);
        }
    }

    /// The barrier owed before `count` references of `owner` from `first_slot` on are
    /// overwritten. Never a safepoint.
    pub fn range_barrier(&mut self, owner: ObjectRef, first_slot: u32, count: u32) {
        if self.abi.has_write_barrier() && self.poisoned.get().is_none() {
            GcHeap::range_barrier(
                &mut *self.heap,
                &mut heap_context!(self),
                owner,
                first_slot,
                count,
            );
        }
    }

    /// Copies `bytes` bytes between or inside objects, as `memmove` does. Barriers are the caller's.
    #[inline]
    pub fn copy_bytes(
        &mut self,
        from: ObjectRef,
        from_offset: u32,
        to: ObjectRef,
        to_offset: u32,
        bytes: u32,
    ) {
        let (from, to) = (place(from, from_offset), place(to, to_offset));
        self.memory.copy(from, to, bytes);
    }

    /// Copies host bytes into an object. Not for references.
    #[inline]
    pub fn write_bytes(&mut self, object: ObjectRef, offset: u32, bytes: &[u8]) {
        self.memory.write_bytes(place(object, offset), bytes);
    }

    /// Copies bytes of an object to the host.
    #[inline]
    pub fn read_bytes(&self, object: ObjectRef, offset: u32, bytes: &mut [u8]) {
        self.memory.read_bytes(place(object, offset), bytes);
    }

    /// `bytes` bytes of an object, in place: what the heap has of them. Not for references.
    #[inline]
    pub fn bytes_mut(&mut self, object: ObjectRef, offset: u32, bytes: u32) -> &mut [u8] {
        self.memory.bytes_mut(place(object, offset), bytes)
    }

    /// Fills `bytes` bytes of an object. Not for references other than null.
    #[inline]
    pub fn fill_bytes(&mut self, object: ObjectRef, offset: u32, bytes: u32, byte: u8) {
        self.memory.fill(place(object, offset), bytes, byte);
    }

    #[inline]
    fn header_for(&self, type_id: TypeId) -> u64 {
        self.abi.header_template | u64::from(type_id.bits())
    }

    #[inline]
    fn known_shape(&self, type_id: TypeId, kind: ShapeKind) -> &Shape {
        let shape = self.tables.shape(type_id);
        if type_id.bits() >= self.tables.len() || shape.kind != kind {
            unknown_type(type_id, kind);
        }
        shape
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn unknown_type(type_id: TypeId, kind: ShapeKind) -> ! {
    panic!(
        "type {} is no {kind:?} type this isolate knows; call sync_types after registering one",
        type_id.bits()
    );
}
