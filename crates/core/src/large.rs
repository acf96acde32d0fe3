//! Large objects: runs of pages that never move.
//!
//! Sizes and marks live outside the sandbox; what an object's header says of its size is compared
//! with them. What is freed keeps its memory until the second [`LargeObjects::trim`] after that, for
//! objects that take its place: to give pages back and touch them anew costs more than to fill them.

use crate::{GcRef, HeapError, Memory, ObjectRef, PAGE_BYTES, PageSpace};
use hashbrown::HashMap;

#[derive(Clone, Copy, Debug)]
struct Large {
    pages: u32,
    bytes: u32,
    marked: bool,
}

/// The large objects of one heap.
#[derive(Debug, Default)]
pub struct LargeObjects {
    objects: HashMap<ObjectRef, Large>,
    occupied_bytes: u64,
    pages: u64,
    /// Runs freed since the last trim, and before it. Parts of them may have been taken again.
    freed: Vec<Run>,
    idle: Vec<Run>,
}

/// A first page and how many there are.
type Run = (u32, u32);

impl LargeObjects {
    /// Pages an object of `bytes` takes.
    #[must_use]
    pub const fn pages_for(bytes: u32) -> u32 {
        bytes.div_ceil(PAGE_BYTES)
    }

    /// Allocates `bytes`, leaving `keep_pages` above the frontier untouched, and writes the header.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where memory cannot grow; `Ok(None)` where no run is free.
    pub fn allocate(
        &mut self,
        memory: &mut impl Memory,
        space: &mut PageSpace,
        bytes: u32,
        header: u64,
        keep_pages: u32,
    ) -> Result<Option<ObjectRef>, HeapError> {
        let pages = Self::pages_for(bytes);
        let Some(start) = space.take(pages, keep_pages) else {
            return Ok(None);
        };
        let offset = start * PAGE_BYTES;
        let Some(object) = ObjectRef::from_offset(offset) else {
            return Ok(None);
        };
        if let Err(error) =
            memory.grow_to(u64::from(offset) + u64::from(pages) * u64::from(PAGE_BYTES))
        {
            space.give(start, pages);
            return Err(error);
        }
        memory.store_u64(offset, header);
        self.objects.insert(
            object,
            Large {
                pages,
                bytes,
                marked: false,
            },
        );
        self.occupied_bytes += u64::from(bytes);
        self.pages += u64::from(pages);
        Ok(Some(object))
    }

    /// Marks an object. `Some(true)` the first time, `Some(false)` after, `None` where no large
    /// object starts.
    #[inline]
    pub fn mark(&mut self, object: ObjectRef) -> Option<bool> {
        self.objects
            .get_mut(&object)
            .map(|large| !std::mem::replace(&mut large.marked, true))
    }

    /// Whether `object` is a large object that was marked.
    #[must_use]
    pub fn is_marked(&self, object: ObjectRef) -> bool {
        self.objects.get(&object).is_some_and(|large| large.marked)
    }

    /// Bytes of a large object, or `None` where none starts.
    #[must_use]
    pub fn bytes_of(&self, object: ObjectRef) -> Option<u32> {
        self.objects.get(&object).map(|large| large.bytes)
    }

    /// Gives memory back to the system that nobody uses: what was freed before the last call, and what
    /// was freed since if it is more than `keep_bytes`. To be called once a collection.
    pub fn trim(&mut self, memory: &mut impl Memory, space: &PageSpace, keep_bytes: u64) {
        let freed: u64 = self.freed.iter().map(|(_, pages)| u64::from(*pages)).sum();
        let keep = if freed * u64::from(PAGE_BYTES) <= keep_bytes {
            std::mem::take(&mut self.freed)
        } else {
            self.idle.append(&mut self.freed);
            Vec::new()
        };
        for (start, pages) in std::mem::replace(&mut self.idle, keep) {
            space.visit_free(start, pages, |start, pages| {
                memory.decommit(start * PAGE_BYTES, pages * PAGE_BYTES);
            });
        }
    }

    /// Frees one object; `freed` as for [`Self::sweep`]. Nothing happens where none starts.
    pub fn free(
        &mut self,
        space: &mut PageSpace,
        object: ObjectRef,
        mut freed: impl FnMut(ObjectRef, u32),
    ) {
        if let Some(large) = self.objects.remove(&object) {
            self.give_back(space, object, large);
            freed(object, large.pages * PAGE_BYTES);
        }
    }

    /// Frees what is not marked and clears the marks, calling `freed` with each dead object and
    /// the bytes of its pages. Linear in the number of large objects.
    pub fn sweep(&mut self, space: &mut PageSpace, mut freed: impl FnMut(ObjectRef, u32)) {
        let mut objects = std::mem::take(&mut self.objects);
        objects.retain(|object, large| {
            if std::mem::replace(&mut large.marked, false) {
                return true;
            }
            self.give_back(space, *object, *large);
            freed(*object, large.pages * PAGE_BYTES);
            false
        });
        self.objects = objects;
    }

    fn give_back(&mut self, space: &mut PageSpace, object: ObjectRef, large: Large) {
        let start = object.offset() / PAGE_BYTES;
        space.give(start, large.pages);
        self.freed.push((start, large.pages));
        self.occupied_bytes -= u64::from(large.bytes);
        self.pages -= u64::from(large.pages);
    }

    /// Bytes in large objects.
    #[must_use]
    pub const fn occupied_bytes(&self) -> u64 {
        self.occupied_bytes
    }

    /// Bytes of the pages large objects take.
    #[must_use]
    pub const fn committed_bytes(&self) -> u64 {
        self.pages * PAGE_BYTES as u64
    }

    /// The large objects with their sizes in bytes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectRef, u32)> + '_ {
        self.objects
            .iter()
            .map(|(object, large)| (*object, large.bytes))
    }

    /// Whether a large object starts where `reference` points.
    #[must_use]
    pub fn contains(&self, reference: GcRef) -> bool {
        reference
            .as_object()
            .is_some_and(|object| self.objects.contains_key(&object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeapMemory, MemoryKind};

    #[test]
    fn memory_of_the_dead_waits_for_two_trims_and_the_living_keep_theirs() {
        const BYTES: u32 = 16 * PAGE_BYTES;
        let (memory, _state) = HeapMemory::new(MemoryKind::Checked).unwrap();
        let HeapMemory::Checked(mut memory) = memory else {
            panic!("checked memory was asked for");
        };
        let (mut large, mut space) = (LargeObjects::default(), PageSpace::new());
        let make = |large: &mut LargeObjects, space: &mut PageSpace, memory: &mut _| {
            let made = large.allocate(memory, space, BYTES, 0, 0);
            made.unwrap().unwrap()
        };
        let neighbour = make(&mut large, &mut space, &mut memory);
        let object = make(&mut large, &mut space, &mut memory);
        let last = object.offset() + BYTES - 8;
        memory.store_u64(neighbour.offset() + 8, 5);

        // Kept for what takes its place before the second trim, whatever was freed twice.
        memory.store_u64(last, 7);
        large.free(&mut space, object, |_, _| ());
        large.trim(&mut memory, &space, BYTES.into());
        assert_eq!(memory.load_u64(last), 7);
        assert_eq!(make(&mut large, &mut space, &mut memory), object);
        large.trim(&mut memory, &space, BYTES.into());
        assert_eq!(memory.load_u64(last), 7, "it lives");

        large.free(&mut space, object, |_, _| ());
        large.trim(&mut memory, &space, BYTES.into());
        assert_eq!(memory.load_u64(last), 7);
        large.trim(&mut memory, &space, BYTES.into());
        assert_eq!(memory.load_u64(last), 0);

        // More than may be kept goes at once.
        assert_eq!(make(&mut large, &mut space, &mut memory), object);
        memory.store_u64(last, 7);
        large.free(&mut space, object, |_, _| ());
        large.trim(&mut memory, &space, u64::from(BYTES) - 1);
        assert_eq!(memory.load_u64(last), 0);
        assert_eq!(memory.load_u64(neighbour.offset() + 8), 5);
        assert!(large.contains(neighbour.to_ref()));
    }
}
