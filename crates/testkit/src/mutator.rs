//! The mutator: carries out on an isolate what the model does beside it.
//!
//! It does what compiled code would, through the isolate's own operations: barriers before stores
//! of references, none for the first stores into a new object, roots in sources that are visited
//! in place. It believes the model about types and lengths and keeps no account of its own.

mod setup;
mod weak;

use crate::case::{CaseConfig, Field, Kind, STATICS, VARIABLES};
use crate::ledger::{Ledger, Probe};
use crate::model::Root;
use crate::schema::Schema;
use setup::{definition, isolate_config, offsets};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use weak::{TracedProbe, WeakHandles};
use windrow_core::{
    ActivationList, CollectionKind, Collector, GcRef, HeapError, HostValue, Isolate, ObjectRef,
    OwnedHandle, RootKind, RootSource, RootVisitor, ScopeMark, ScopedHandle, SubTypeDef, TypeError,
    TypeId, TypeRegistry,
};

/// A new cell's first value, or a value to store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// Bits of an integer.
    Bits(u128),
    /// The reference in a variable.
    Variable(usize),
    /// The reference in flight.
    InFlight,
    /// Null.
    Null,
}

/// A field of a struct or an element of an array, as the heap sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) offset: u32,
    pub(crate) field: Field,
}

impl Cell {
    /// The cell `count` elements further on.
    fn after(self, count: u32) -> Self {
        let distance = count.wrapping_mul(self.field.bytes());
        Self {
            offset: self.offset.wrapping_add(distance),
            ..self
        }
    }
}

/// What was found in a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    Bits(u128),
    Ref(GcRef),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits(bits) => write!(f, "{bits:#x}"),
            Self::Ref(reference) => write!(f, "{reference:?}"),
        }
    }
}

/// The roots that are no handles.
#[derive(Debug, Default)]
struct Slots {
    variables: [GcRef; VARIABLES],
    /// The variables of callers, outermost first.
    callers: Vec<[GcRef; VARIABLES]>,
    statics: [GcRef; STATICS],
    /// The embedder's value stack.
    values: Vec<GcRef>,
}

/// What a variable is to a collector: all the kinds that are read and written without a barrier.
const VARIABLE_KINDS: [RootKind; 4] = [
    RootKind::ValueStack,
    RootKind::Frame,
    RootKind::HostCall,
    RootKind::Exception,
];

/// What a static is: all the kinds that are written with a barrier.
const STATIC_KINDS: [RootKind; 3] = [RootKind::Global, RootKind::Table, RootKind::ElementSegment];

/// The kind of root a collector sees in place of `root`.
pub(crate) fn root_kind(root: Root) -> RootKind {
    match root {
        Root::Variable(index) => VARIABLE_KINDS[index % VARIABLE_KINDS.len()],
        Root::Caller(..) => RootKind::Frame,
        Root::Static(index) => STATIC_KINDS[index % STATIC_KINDS.len()],
        Root::Scoped(_) => RootKind::ScopedHandle,
        Root::Owned(_) => RootKind::OwnedHandle,
        Root::Value(_) => RootKind::ValueStack,
        Root::Queued(_) => RootKind::Finalizable,
    }
}

/// The slots as the isolate sees them.
struct SlotSource(Arc<Mutex<Slots>>);

impl RootSource for SlotSource {
    fn visit_roots(
        &mut self,
        _: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        let mut slots = lock(&self.0);
        let Slots {
            variables,
            callers,
            statics,
            values,
        } = &mut *slots;
        for (index, slot) in variables.iter_mut().enumerate() {
            visitor.visit(root_kind(Root::Variable(index)), slot);
        }
        for (index, slot) in statics.iter_mut().enumerate() {
            visitor.visit(root_kind(Root::Static(index)), slot);
        }
        for slot in callers.iter_mut().rev().flatten() {
            visitor.visit(RootKind::Frame, slot);
        }
        for slot in values {
            visitor.visit(RootKind::ValueStack, slot);
        }
        Ok(callers.len() as u64)
    }
}

fn lock(slots: &Mutex<Slots>) -> MutexGuard<'_, Slots> {
    slots.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a mutator could not be made.
#[derive(Debug)]
pub(crate) enum SetupError {
    Heap(HeapError),
    Types(TypeError),
}

/// An isolate with the roots of a case.
pub(crate) struct Mutator {
    pub(crate) isolate: Isolate,
    pub(crate) ledger: Ledger,
    ids: Vec<TypeId>,
    /// Where the fields of each type lie; for an array type, where its first element lies.
    offsets: Vec<Vec<u32>>,
    slots: Arc<Mutex<Slots>>,
    scopes: Vec<ScopeMark>,
    scoped: Vec<ScopedHandle>,
    owned: Vec<OwnedHandle>,
    weak: WeakHandles,
}

impl Mutator {
    pub(crate) fn new(
        collector: Arc<dyn Collector>,
        types: Arc<TypeRegistry>,
        config: &CaseConfig,
        schema: &Schema,
    ) -> Result<Self, SetupError> {
        let isolate_config = isolate_config(collector, types, config);
        let group: Vec<SubTypeDef> = schema.types().iter().map(definition).collect();
        let ids = isolate_config
            .types
            .register_group(&group)
            .map_err(SetupError::Types)?;
        let offsets = ids
            .iter()
            .map(|id| offsets(&isolate_config.types.sub_type(*id)))
            .collect();
        let mut isolate = Isolate::new(isolate_config).map_err(SetupError::Heap)?;
        let slots = Arc::new(Mutex::new(Slots::default()));
        isolate.add_root_source(Box::new(SlotSource(Arc::clone(&slots))));
        let ledger = Ledger::default();
        let (scopes, scoped, owned) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            isolate,
            ledger,
            ids,
            offsets,
            slots,
            scopes,
            scoped,
            owned,
            weak: WeakHandles::default(),
        })
    }

    /// The id a type of the case got.
    pub(crate) fn type_id(&self, ty: usize) -> TypeId {
        self.ids[ty]
    }

    /// Where a field lies.
    pub(crate) fn field(&self, schema: &Schema, ty: usize, index: usize) -> Cell {
        Cell {
            offset: self.offsets[ty][index],
            field: schema.fields(ty)[index],
        }
    }

    /// Where an element lies. As compiled code does, in arithmetic that wraps: an index within a
    /// forged length may be any.
    pub(crate) fn element(&self, schema: &Schema, ty: usize, index: usize) -> Cell {
        let field = schema.element(ty).expect("the type is an array's");
        self.elements(ty, field).after(to_u32(index))
    }

    /// The first element of an array type with such elements.
    fn elements(&self, ty: usize, field: Field) -> Cell {
        Cell {
            offset: self.offsets[ty][0],
            field,
        }
    }

    /// Allocates a struct, or an array where there is a length: zeroed, or for the caller to fill.
    pub(crate) fn allocate(
        &mut self,
        ty: usize,
        length: Option<u32>,
        zeroed: bool,
        in_flight: &mut GcRef,
    ) -> Result<ObjectRef, HeapError> {
        let (id, in_flight) = (self.ids[ty], std::slice::from_mut(in_flight));
        match (length, zeroed) {
            (None, true) => self.isolate.alloc_struct(id, in_flight),
            (None, false) => self.isolate.alloc_struct_uninit(id, in_flight),
            (Some(length), true) => self.isolate.alloc_array(id, length, in_flight),
            (Some(length), false) => self.isolate.alloc_array_uninit(id, length, in_flight),
        }
    }

    /// Allocates the stand-in of the host value `tag`.
    pub(crate) fn allocate_extern(&mut self, tag: usize) -> Result<ObjectRef, HeapError> {
        let probe = HostValue::new(self.ledger.probe(tag));
        self.allocate_host_value(tag, probe)
    }

    fn allocate_host_value(
        &mut self,
        tag: usize,
        value: HostValue,
    ) -> Result<ObjectRef, HeapError> {
        self.isolate
            .alloc_extern(value, &mut [])
            .map_err(|refused| {
                self.ledger.take_back(tag, refused.value);
                refused.error
            })
    }

    /// The tag of the host value an object stands for.
    pub(crate) fn tag_of(&self, object: ObjectRef) -> Result<Option<usize>, HeapError> {
        let value = self.isolate.host_value(object)?;
        Ok(value
            .and_then(|value| match value.downcast_ref::<TracedProbe>() {
                Some(traced) => Some(&traced.probe),
                None => value.downcast_ref::<Probe>(),
            })
            .map(Probe::tag))
    }

    /// Reads a cell.
    pub(crate) fn read(&self, object: ObjectRef, cell: Cell) -> Found {
        let (isolate, at) = (&self.isolate, cell.offset);
        Found::Bits(match cell.field {
            Field::I8 => isolate.load_u8(object, at).into(),
            Field::I16 => isolate.load_u16(object, at).into(),
            Field::I32 => isolate.load_u32(object, at).into(),
            Field::I64 | Field::F64 => isolate.load_u64(object, at).into(),
            Field::V128 => isolate.load_u128(object, at),
            Field::Ref(_) => return Found::Ref(isolate.load_ref(object, at)),
        })
    }

    /// Stores into a cell of an object just allocated: no barrier.
    pub(crate) fn initialise(
        &mut self,
        object: ObjectRef,
        cell: Cell,
        source: Source,
        in_flight: GcRef,
    ) {
        match source {
            Source::Bits(bits) => self.store_bits(object, cell, bits),
            _ => {
                let value = self.resolve(source, in_flight);
                self.isolate.init_ref(object, cell.offset, value);
            }
        }
    }

    /// Stores into a cell, with the barrier owed.
    pub(crate) fn write(&mut self, object: ObjectRef, cell: Cell, source: Source) {
        match source {
            Source::Bits(bits) => self.store_bits(object, cell, bits),
            _ => {
                let value = self.resolve(source, GcRef::NULL);
                self.isolate.write_ref(object, cell.offset, value);
            }
        }
    }

    fn store_bits(&mut self, object: ObjectRef, cell: Cell, bits: u128) {
        let (isolate, at) = (&mut self.isolate, cell.offset);
        let bytes = bits.to_le_bytes();
        match cell.field {
            Field::I8 | Field::I16 | Field::I32 | Field::I64 | Field::F64 => {
                isolate.write_bytes(object, at, &bytes[..cell.field.bytes() as usize]);
            }
            Field::V128 => isolate.store_u128(object, at, bits),
            Field::Ref(_) => unreachable!("a reference is no bits"),
        }
    }

    fn resolve(&self, source: Source, in_flight: GcRef) -> GcRef {
        match source {
            Source::Variable(index) => self.variable(index),
            Source::InFlight => in_flight,
            Source::Bits(_) | Source::Null => GcRef::NULL,
        }
    }

    /// Copies a run of elements, as `memmove` does, with one barrier for the whole run.
    pub(crate) fn copy(
        &mut self,
        from: ObjectRef,
        from_cell: Cell,
        to: ObjectRef,
        to_cell: Cell,
        count: u32,
    ) {
        if to_cell.field.is_ref() {
            let first = to.offset().saturating_add(to_cell.offset);
            self.isolate.range_barrier(to, first, count);
        }
        let bytes = count.saturating_mul(to_cell.field.bytes());
        self.isolate
            .copy_bytes(from, from_cell.offset, to, to_cell.offset, bytes);
    }

    /// Sets a run of elements, with one barrier for the whole run.
    pub(crate) fn fill(&mut self, array: ObjectRef, first: Cell, count: u32, source: Source) {
        if first.field.is_ref() {
            let slot = array.offset().saturating_add(first.offset);
            self.isolate.range_barrier(array, slot, count);
        }
        match (first.field, source) {
            (Field::I8, Source::Bits(bits)) => {
                self.isolate
                    .fill_bytes(array, first.offset, count, bits.to_le_bytes()[0]);
            }
            _ => {
                for index in 0..count {
                    self.initialise(array, first.after(index), source, GcRef::NULL);
                }
            }
        }
    }

    pub(crate) fn variable(&self, index: usize) -> GcRef {
        lock(&self.slots).variables[index]
    }

    pub(crate) fn set_variable(&mut self, index: usize, value: GcRef) {
        lock(&self.slots).variables[index] = value;
    }

    /// Leaves the variables in a frame; the callee has `args`.
    pub(crate) fn call(&mut self, args: [usize; 2]) {
        let mut slots = lock(&self.slots);
        let caller = slots.variables;
        slots.callers.push(caller);
        slots.variables = Default::default();
        for (variable, arg) in slots.variables.iter_mut().zip(args) {
            *variable = caller[arg];
        }
    }

    /// Takes the caller's variables back, with a result in one of them.
    pub(crate) fn return_from_call(&mut self, from: usize, into: usize) {
        let mut slots = lock(&self.slots);
        let result = slots.variables[from];
        slots.variables = slots.callers.pop().expect("the model says a call is open");
        slots.variables[into] = result;
    }

    pub(crate) fn set_static(&mut self, index: usize, value: GcRef) {
        self.isolate.write_barrier(None, 0, value);
        lock(&self.slots).statics[index] = value;
    }

    pub(crate) fn open_scope(&mut self) {
        self.scopes.push(self.isolate.handles().open_scope());
    }

    /// Closes the innermost scope, which leaves `height` handles.
    pub(crate) fn close_scope(&mut self, height: usize) {
        let mark = self.scopes.pop().expect("the model says a scope is open");
        self.isolate.handles_mut().close_scope(mark);
        self.scoped.truncate(height);
    }

    pub(crate) fn push_handle(&mut self, value: GcRef) {
        let handle = self.isolate.handles_mut().push(value);
        self.scoped.push(handle);
    }

    pub(crate) fn own(&mut self, value: GcRef) {
        let handle = self.isolate.handles_mut().own(value);
        self.owned.push(handle);
    }

    pub(crate) fn drop_owned(&mut self, index: usize) {
        self.owned.remove(index);
    }

    pub(crate) fn push_value(&mut self, value: GcRef) {
        lock(&self.slots).values.push(value);
    }

    pub(crate) fn pop_value(&mut self) {
        lock(&self.slots).values.pop();
    }

    pub(crate) fn set_value(&mut self, index: usize, value: GcRef) {
        lock(&self.slots).values[index] = value;
    }

    /// What a root holds; `None` where a handle lost its reference.
    pub(crate) fn root(&self, root: Root) -> Option<GcRef> {
        match root {
            Root::Variable(index) => Some(self.variable(index)),
            Root::Caller(depth, index) => Some(lock(&self.slots).callers[depth][index]),
            Root::Static(index) => Some(lock(&self.slots).statics[index]),
            Root::Scoped(index) => self.isolate.handles().scoped(self.scoped[index]),
            Root::Owned(index) => self.isolate.handles().owned(&self.owned[index]),
            Root::Value(index) => lock(&self.slots).values.get(index).copied(),
            Root::Queued(index) => {
                let mut queue = self.isolate.finalizable();
                queue.nth(index).map(|(reference, _)| reference)
            }
        }
    }

    pub(crate) fn collect(&mut self, kind: Kind) -> Result<(), HeapError> {
        self.isolate.collect(match kind {
            Kind::Automatic => CollectionKind::Automatic,
            Kind::Full => CollectionKind::Full,
        })
    }
}

fn to_u32(index: usize) -> u32 {
    u32::try_from(index).expect("objects have fewer cells than the heap has bytes")
}
