//! Segments: the items and bytes of an instance's, until they are dropped.

use crate::env::Repr;
use crate::module::ModuleInner;
use crate::trap::TrapKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use windrow::jit::{GcRef, RootKind, RootVisitor};

/// The items of an element segment: references or function ids, none once it was dropped.
#[derive(Debug)]
struct Elements {
    is_gc: bool,
    /// Locked only for moments in which nothing can collect.
    items: Mutex<Vec<u32>>,
}

/// The bytes of a data segment, which are the module's, until it is dropped.
#[derive(Debug)]
struct Data {
    bytes: Arc<[u8]>,
    dropped: AtomicBool,
}

/// The segments of an instance.
#[derive(Debug)]
pub(crate) struct Segments {
    elements: Vec<Elements>,
    data: Vec<Data>,
}

impl Segments {
    /// A module's segments; those of elements are empty at first.
    pub(crate) fn new(module: &ModuleInner) -> Self {
        let elements = module.env.element_types.iter().map(|ty| Elements {
            is_gc: module.env.ref_repr(*ty) == Repr::Gc,
            items: Mutex::default(),
        });
        let data = module.sections.data.iter().map(|data| Data {
            bytes: Arc::clone(&data.bytes),
            dropped: AtomicBool::new(false),
        });
        Self {
            elements: elements.collect(),
            data: data.collect(),
        }
    }

    /// The bytes of a data segment: none once it was dropped.
    pub(crate) fn bytes(&self, segment: u32) -> &[u8] {
        match self.data.get(segment as usize) {
            Some(data) if !data.dropped.load(Ordering::Relaxed) => &data.bytes,
            _ => &[],
        }
    }

    /// Drops a data segment.
    pub(crate) fn drop_data(&self, segment: u32) {
        if let Some(data) = self.data.get(segment as usize) {
            data.dropped.store(true, Ordering::Relaxed);
        }
    }

    /// Some items of an element segment. References are valid until the next safepoint.
    ///
    /// # Errors
    /// [`TrapKind::TableOutOfBounds`] if the segment has not that many items, or was dropped.
    pub(crate) fn items(
        &self,
        segment: u32,
        offset: u32,
        length: u32,
    ) -> Result<Vec<u32>, TrapKind> {
        let items = self.elements.get(segment as usize).map(Elements::lock);
        let start = offset as usize;
        let range = start.checked_add(length as usize).map(|end| start..end);
        let found = items
            .as_ref()
            .zip(range)
            .and_then(|(items, range)| items.get(range));
        found.map(<[u32]>::to_vec).ok_or(TrapKind::TableOutOfBounds)
    }

    /// Adds an item to an element segment.
    pub(crate) fn push_item(&self, segment: u32, item: u32) {
        if let Some(elements) = self.elements.get(segment as usize) {
            elements.lock().push(item);
        }
    }

    /// Drops an element segment: its items root nothing any more.
    pub(crate) fn drop_elements(&self, segment: u32) {
        if let Some(elements) = self.elements.get(segment as usize) {
            *elements.lock() = Vec::new();
        }
    }

    /// Shows the references that items are.
    pub(crate) fn visit(&self, visitor: &mut dyn RootVisitor) {
        for elements in self.elements.iter().filter(|elements| elements.is_gc) {
            for item in elements.lock().iter_mut() {
                let mut slot = GcRef::from_bits(*item);
                visitor.visit(RootKind::ElementSegment, &mut slot);
                *item = slot.bits();
            }
        }
    }
}

impl Elements {
    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
