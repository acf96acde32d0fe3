//! A new object on its way to being whole.

use super::Isolate;
use crate::handles::Handles;
use crate::shape::TypeTables;
use crate::{GcRef, HeapMemory, Memory, ObjectRef};

/// A new object whose fields are written, and what it takes to know what goes where.
///
/// The isolate stays borrowed: nothing can be collected before every field is written.
#[derive(Debug)]
pub struct NewObject<'a> {
    /// The types.
    pub types: &'a TypeTables,
    /// What handles lead to.
    pub handles: &'a Handles,
    /// The object's slots.
    pub slots: NewSlots<'a>,
}

/// The slots of a new object: no store into them owes a barrier.
#[derive(Debug)]
pub struct NewSlots<'a> {
    memory: &'a mut HeapMemory,
    object: ObjectRef,
}

macro_rules! stores {
    ($($store:ident $int:ty),*) => {$(
        /// Writes the integer at `offset` bytes into the object.
        #[inline]
        pub fn $store(&mut self, offset: u32, value: $int) {
            self.memory.$store(self.object.offset().saturating_add(offset), value);
        }
    )*};
}

impl NewSlots<'_> {
    stores!(store_u8 u8, store_u16 u16, store_u32 u32, store_u64 u64, store_u128 u128);

    /// Writes the reference at `offset` bytes into the object.
    #[inline]
    pub fn store_ref(&mut self, offset: u32, value: GcRef) {
        self.store_u32(offset, value.bits());
    }
}

impl Isolate {
    /// Opens an object just allocated, to write its fields.
    #[inline]
    pub fn new_object(&mut self, object: ObjectRef) -> NewObject<'_> {
        NewObject {
            types: &self.tables,
            handles: &self.handles,
            slots: NewSlots {
                memory: &mut self.memory,
                object,
            },
        }
    }
}
