//! The references of one object, by the names a program has for their places.
//!
//! The one place that knows which references an object has besides the slots of its shape: whatever
//! goes by an object's life joins here, as a strong edge or a weak one.

use crate::header::{HEADER_BYTES, load_ref};
use crate::shape::ShapeKind;
use crate::trace::{object_bytes, slots};
use crate::{Header, HeapMemory, ObjectRef, TypeId, TypeRegistry, TypeTables, with_memory};
use hashbrown::HashMap;
use std::cell::RefCell;
use std::sync::Arc;

/// A reference from one object to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Edge {
    /// Where in the object it is.
    pub slot: EdgeSlot,
    /// Whether it keeps its target alive.
    pub strength: EdgeStrength,
    /// What it refers to.
    pub target: ObjectRef,
}

/// Where in an object a reference is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EdgeSlot {
    /// A struct's field, by index.
    Field(u32),
    /// An array's element, by index.
    Element(u32),
    /// An exception's arguments.
    Arguments,
    /// A cell of a traced host value, in the order in which it shows them.
    HostCell(u32),
    /// The value of a weak map's entry, seen from its key: alive as long as the key and the map are.
    WeakMapValue,
}

/// Whether a reference keeps its target alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EdgeStrength {
    /// It does.
    Strong,
    /// It does not.
    Weak,
}

/// A heap to look at, with what was looked up about its types.
pub(crate) struct View<'a> {
    memory: &'a HeapMemory,
    tables: &'a TypeTables,
    registry: &'a TypeRegistry,
    fields: RefCell<HashMap<TypeId, Arc<[u32]>>>,
    names: RefCell<HashMap<TypeId, Arc<str>>>,
    dependents: Dependents,
}

/// What is alive because an object is, without a reference in it: by object.
pub(crate) type Dependents = HashMap<ObjectRef, Vec<(EdgeSlot, ObjectRef)>>;

impl<'a> View<'a> {
    pub(crate) fn new(
        memory: &'a HeapMemory,
        tables: &'a TypeTables,
        registry: &'a TypeRegistry,
        dependents: Dependents,
    ) -> Self {
        Self {
            memory,
            tables,
            registry,
            fields: RefCell::default(),
            names: RefCell::default(),
            dependents,
        }
    }

    /// The header and bytes of what may be an object, if its header names a type that has objects and
    /// it does not claim more than the heap has.
    pub(crate) fn object(&self, object: ObjectRef) -> Option<(Header, u32)> {
        let header = Header::read(self.memory, object);
        let shape = self.tables.shape(header.type_id());
        let bytes = object_bytes(self.memory, shape, object).ok()?;
        Some((header, bytes))
    }

    /// Shows each reference of an object, wherever it leads. Nothing for what is no object.
    pub(crate) fn for_each_edge(&self, object: ObjectRef, visit: &mut dyn FnMut(Edge)) {
        let Some((header, bytes)) = self.object(object) else {
            return;
        };
        for (slot, target) in self.dependents.get(&object).into_iter().flatten() {
            visit(Edge {
                slot: *slot,
                strength: EdgeStrength::Strong,
                target: *target,
            });
        }
        let type_id = header.type_id();
        let shape = self.tables.shape(type_id);
        if !shape.has_refs() {
            return;
        }
        let fields = match shape.kind {
            ShapeKind::Struct if type_id != TypeId::EXN => Some(self.fields(type_id)),
            _ => None,
        };
        let slot_at = |at: u32| match &fields {
            Some(fields) => {
                let word = at.wrapping_sub(HEADER_BYTES) / 4;
                EdgeSlot::Field(fields.get(word as usize).copied().unwrap_or(u32::MAX))
            }
            None if shape.kind == ShapeKind::Array => {
                EdgeSlot::Element(at.wrapping_sub(shape.size_bytes) / 4)
            }
            None => EdgeSlot::Arguments,
        };
        with_memory!(self.memory, memory => {
            slots(memory, self.tables, header, shape, object, bytes).for_each(|slot| {
                if let Some(target) = load_ref(memory, slot).as_object() {
                    visit(Edge {
                        slot: slot_at(slot.wrapping_sub(object.offset())),
                        strength: EdgeStrength::Strong,
                        target,
                    });
                }
            });
        });
    }

    /// For each word of the struct type's body, the field that starts there.
    fn fields(&self, type_id: TypeId) -> Arc<[u32]> {
        let mut fields = self.fields.borrow_mut();
        let entry = fields.entry(type_id).or_insert_with(|| {
            let info = self.registry.try_sub_type(type_id);
            info.map(|info| info.fields_by_word())
                .unwrap_or_default()
                .into()
        });
        Arc::clone(entry)
    }

    /// The type's name, or its structure.
    pub(crate) fn type_name(&self, type_id: TypeId) -> Arc<str> {
        let mut names = self.names.borrow_mut();
        let entry = names
            .entry(type_id)
            .or_insert_with(|| self.registry.describe(type_id));
        Arc::clone(entry)
    }

    /// The name of a struct's field, or else its index.
    pub(crate) fn field_name(&self, type_id: TypeId, field: u32) -> Arc<str> {
        let name = self.registry.field_name(type_id, field);
        name.unwrap_or_else(|| field.to_string().into())
    }
}
