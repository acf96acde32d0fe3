//! A case carried out on a heap and on the model in lock-step.
//!
//! Each step is made out once (which type, which variable, which element) from what the model
//! holds, then done on both. A step the heap refuses for want of room is left out of the model
//! too, if the refusal is plausible.

mod access;
mod allocate;
mod weak;

use crate::case::{Field, MAX_CALLS, MAX_VALUES, Pick, STATICS, Step, TestCase, VARIABLES, choose};
use crate::model::{Model, NodeId, NodeKind, Reference, Root, Value};
use crate::mutator::{Mutator, SetupError, Source};
use crate::schema::Schema;
use std::sync::Arc;
use windrow_core::{Collector, GcRef, HeapError, ObjectRef, TypeRegistry};

/// A heap that says it is full is believed only if this many times what is alive and asked for,
/// and [`ROOM_SLACK_BYTES`], exceed its limit: room for a copy reserve, fragments and tails.
pub(crate) const ROOM_FACTOR: u64 = 4;

/// See [`ROOM_FACTOR`].
pub(crate) const ROOM_SLACK_BYTES: u64 = 128 << 10;

/// Both heaps.
pub(crate) struct Run<'c> {
    pub(crate) case: &'c TestCase,
    pub(crate) schema: Schema,
    pub(crate) model: Model,
    pub(crate) mutator: Mutator,
    /// Allocations the heap refused for want of room.
    pub(crate) refusals: u64,
    /// Weak references and entries whose objects the heap found dead.
    pub(crate) found_dead: u64,
    /// Objects the heap queued for their finalizers.
    pub(crate) finalized: u64,
    /// Whether the collector claims to reclaim everything that is dead when asked to.
    pub(crate) is_exact: bool,
}

impl<'c> Run<'c> {
    /// Sets both up; `None` where the collector refuses so small a heap.
    pub(crate) fn new(
        collector: Arc<dyn Collector>,
        types: Arc<TypeRegistry>,
        case: &'c TestCase,
    ) -> Result<Option<Self>, String> {
        let properties = collector.properties();
        let is_exact = properties.collects && properties.reclaims_cycles;
        let schema = Schema::new(&case.types);
        let mutator = match Mutator::new(collector, types, &case.config, &schema) {
            Ok(mutator) => mutator,
            Err(SetupError::Heap(HeapError::HeapFull { .. }))
                if case.config.max_bytes <= ROOM_SLACK_BYTES =>
            {
                return Ok(None);
            }
            Err(SetupError::Heap(error)) => return Err(format!("no heap could be made: {error}")),
            Err(SetupError::Types(error)) => {
                return Err(format!("the types were refused: {error}"));
            }
        };
        Ok(Some(Self {
            case,
            schema,
            model: Model::default(),
            mutator,
            refusals: 0,
            found_dead: 0,
            finalized: 0,
            is_exact,
        }))
    }

    /// Does one step on both.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::AllocStruct { ty, into, init } => match self.schema.pick_struct(ty) {
                Some(ty) => self.allocate(ty, None, variable(into), init),
                None => Ok(()),
            },
            Step::AllocArray {
                ty,
                length,
                into,
                init,
            } => match self.schema.pick_array(ty) {
                Some(ty) => self.allocate(ty, Some(length), variable(into), init),
                None => Ok(()),
            },
            Step::AllocExtern { into } => self.allocate_extern(variable(into)),
            Step::Weak(step) => self.weak_step(step),
            Step::Garbage { ty, count } => self.garbage(ty, count),
            Step::Populate {
                array,
                index,
                count,
                ty,
                seed,
            } => self.populate(array, (index, count), ty, seed),
            Step::Bury {
                array,
                index,
                count,
                ty,
                seed,
            } => self.bury(array, (index, count), ty, seed),
            Step::ReadField {
                object,
                field,
                into,
            } => self.read_field(object, field, variable(into)),
            Step::WriteField {
                object,
                field,
                value,
                bits,
            } => self.write_field(object, field, variable(value), bits),
            Step::ReadElement { array, index, into } => {
                self.read_element(array, index, variable(into))
            }
            Step::WriteElement {
                array,
                index,
                value,
                bits,
            } => self.write_element(array, index, variable(value), bits),
            Step::CopyElements {
                from,
                from_index,
                to,
                to_index,
                count,
            } => self.copy_elements((from, from_index), (to, to_index), count),
            Step::FillElements {
                array,
                index,
                count,
                value,
                bits,
            } => self.fill_elements(array, (index, count), variable(value), bits),
            Step::Collect(kind) => self
                .mutator
                .collect(kind)
                .map_err(|error| format!("the collection failed: {error}")),
            _ => {
                self.move_reference(step);
                Ok(())
            }
        }
    }

    /// The steps that only move references between roots: they cannot fail.
    fn move_reference(&mut self, step: Step) {
        match step {
            Step::SetNull { variable: at } => {
                self.set_variable(variable(at), Reference::Null, GcRef::NULL)
            }
            Step::SetI31 {
                variable: at,
                value,
            } => {
                let value = value << 1 >> 1;
                self.set_variable(variable(at), Reference::I31(value), GcRef::from_i31(value));
            }
            Step::Assign { from, into } => {
                self.load(Root::Variable(variable(from)), variable(into))
            }
            Step::SetStatic { place, from } => {
                let (place, from) = (static_place(place), variable(from));
                self.model.statics[place] = self.model.variables[from];
                self.mutator.set_static(place, self.mutator.variable(from));
            }
            Step::LoadStatic { place, into } => {
                self.load(Root::Static(static_place(place)), variable(into))
            }
            Step::Call { args } => self.call([variable(args.0), variable(args.1)]),
            Step::Return { from, into } => {
                if let Some(caller) = self.model.callers.pop() {
                    let result = self.model.variables[variable(from)];
                    self.model.variables = caller;
                    self.model.variables[variable(into)] = result;
                    self.mutator
                        .return_from_call(variable(from), variable(into));
                }
            }
            Step::OpenScope => {
                self.model.scopes.push(self.model.scoped.len());
                self.mutator.open_scope();
            }
            Step::CloseScope => {
                if let Some(height) = self.model.scopes.pop() {
                    self.model.scoped.truncate(height);
                    self.mutator.close_scope(height);
                }
            }
            Step::PushHandle { from } => {
                self.model.scoped.push(self.model.variables[variable(from)]);
                self.mutator
                    .push_handle(self.mutator.variable(variable(from)));
            }
            Step::Own { from } => {
                self.model.owned.push(self.model.variables[variable(from)]);
                self.mutator.own(self.mutator.variable(variable(from)));
            }
            Step::LoadHandle { handle, into } => {
                if let Some(index) = choose(handle, self.model.scoped.len()) {
                    self.load(Root::Scoped(index), variable(into));
                }
            }
            Step::LoadOwned { handle, into } => {
                if let Some(index) = choose(handle, self.model.owned.len()) {
                    self.load(Root::Owned(index), variable(into));
                }
            }
            Step::DropOwned { handle } => {
                if let Some(index) = choose(handle, self.model.owned.len()) {
                    self.model.owned.remove(index);
                    self.mutator.drop_owned(index);
                }
            }
            Step::PushValue { from } if self.model.values.len() < MAX_VALUES => {
                self.model.values.push(self.model.variables[variable(from)]);
                self.mutator
                    .push_value(self.mutator.variable(variable(from)));
            }
            Step::PopValue { into } => {
                if let Some(last) = self.model.values.len().checked_sub(1) {
                    self.load(Root::Value(last), variable(into));
                    self.model.values.pop();
                    self.mutator.pop_value();
                }
            }
            Step::SetValue { slot, from } => {
                if let Some(index) = choose(slot, self.model.values.len()) {
                    self.model.values[index] = self.model.variables[variable(from)];
                    let value = self.mutator.variable(variable(from));
                    self.mutator.set_value(index, value);
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, args: [usize; 2]) {
        if self.model.callers.len() == MAX_CALLS {
            return;
        }
        let caller = self.model.variables;
        self.model.callers.push(caller);
        self.model.variables = Default::default();
        for (variable, arg) in self.model.variables.iter_mut().zip(args) {
            *variable = caller[arg];
        }
        self.mutator.call(args);
    }

    fn load(&mut self, from: Root, into: usize) {
        let expected = match from {
            Root::Variable(index) => self.model.variables[index],
            Root::Caller(depth, index) => self.model.callers[depth][index],
            Root::Static(index) => self.model.statics[index],
            Root::Scoped(index) => self.model.scoped[index],
            Root::Owned(index) => self.model.owned[index],
            Root::Value(index) => self.model.values[index],
            Root::Queued(index) => Reference::Node(self.model.weak.queue[index].0),
        };
        let found = self.mutator.root(from).unwrap_or_default();
        self.set_variable(into, expected, found);
    }

    fn set_variable(&mut self, index: usize, expected: Reference, found: GcRef) {
        self.model.variables[index] = expected;
        self.mutator.set_variable(index, found);
    }

    /// The variable a pick stands for among those that hold what is wanted, and its object.
    fn pick_holder(
        &self,
        pick: Pick,
        wanted: impl Fn(NodeKind) -> bool,
    ) -> Result<Option<Held>, String> {
        self.pick_variable(pick, wanted)
            .map(|variable| self.held(variable))
            .transpose()
    }

    /// The variable a pick stands for among those that hold what is wanted.
    fn pick_variable(&self, pick: Pick, wanted: impl Fn(NodeKind) -> bool) -> Option<usize> {
        let holders: Vec<usize> = (0..VARIABLES)
            .filter(|index| match self.model.variables[*index] {
                Reference::Node(node) => wanted(self.model.node(node).kind),
                _ => false,
            })
            .collect();
        choose(pick, holders.len()).map(|index| holders[index])
    }

    /// The object in a variable that holds one.
    fn held(&self, variable: usize) -> Result<Held, String> {
        let found = self.mutator.variable(variable);
        match (self.model.variables[variable], found.as_object()) {
            (Reference::Node(node), Some(object)) => Ok(Held { node, object }),
            _ => Err(format!(
                "variable {variable}: expected an object, found {found:?}"
            )),
        }
    }

    /// What to store in a cell, for both: the bits, or what a variable holds if the cell accepts it.
    fn value_for(&self, field: Field, from: usize, bits: u64) -> (Value, Source) {
        if !field.is_ref() {
            let bits = integer(field, bits, 0);
            return (Value::Bits(bits), Source::Bits(bits));
        }
        let reference = self.model.variables[from];
        if self.model.accepts(&self.schema, field, reference) {
            (Value::Ref(reference), Source::Variable(from))
        } else {
            (Value::Ref(Reference::Null), Source::Null)
        }
    }
}

/// An object a variable holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    node: NodeId,
    object: ObjectRef,
}

pub(crate) fn variable(pick: Pick) -> usize {
    usize::from(pick) % VARIABLES
}

pub(crate) fn static_place(pick: Pick) -> usize {
    usize::from(pick) % STATICS
}

/// An integer for the `index`-th cell of an object, as wide as the cell.
pub(crate) fn integer(field: Field, seed: u64, index: usize) -> u128 {
    let bits = u128::from(mix(seed, index)) << 64 | u128::from(mix(!seed, index));
    match field.bytes() {
        16 => bits,
        bytes => bits & ((1 << (bytes * 8)) - 1),
    }
}

/// A number made from two, each bit depending on all of theirs (SplitMix64's last steps).
pub(crate) fn mix(seed: u64, index: usize) -> u64 {
    let mut z = seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
