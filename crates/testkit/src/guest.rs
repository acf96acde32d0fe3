//! The guest: a mutator that believes the heap.
//!
//! It carries out the steps of a case with no model beside it: what an object is, how long an array
//! is and where a reference leads is what the heap's bytes say, as for compiled code. So it follows
//! corruption wherever that leads, and everything it asks of the heap must be answered sensibly:
//! with a value, a full heap, or an error that stays.

mod access;
mod allocate;
mod harm;
mod ask;
mod weak;

pub(crate) use ask::Answers;

use crate::case::{Field, MAX_CALLS, MAX_VALUES, Pick, Step, Target, TestCase, VARIABLES, choose};
use crate::model::Root;
use crate::mutator::{Found, Mutator, SetupError, Source};
use crate::run::{integer, static_place, variable};
use crate::schema::Schema;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use windrow_core::{Collector, GcRef, HeapError, ObjectRef, TypeId};

/// How many objects are looked at where everything reachable is.
const OBJECTS_MAX: usize = 300;

/// How many cells of an object are looked at.
const CELLS_MAX: u32 = 200;

/// A mutator and what it knows of itself.
pub(crate) struct Guest<'c> {
    case: &'c TestCase,
    schema: Schema,
    pub(crate) mutator: Mutator,
    types: HashMap<TypeId, usize>,
    /// Host values made so far.
    pub(crate) tags: usize,
    /// Calls that are open.
    calls: usize,
    scopes: Vec<usize>,
    scoped: usize,
    owned: usize,
    values: usize,
    references: usize,
    maps: usize,
    /// Whether the heap was harmed: before, nothing may be wrong with it.
    is_harmed: bool,
    pub(crate) answers: Answers,
}

/// An object as the heap describes it.
#[derive(Clone, Copy, Debug)]
struct Held {
    object: ObjectRef,
    ty: usize,
}

impl<'c> Guest<'c> {
    /// A guest in a new heap; `None` where the collector refuses so small a heap.
    pub(crate) fn new(
        collector: Arc<dyn Collector>,
        case: &'c TestCase,
    ) -> Result<Option<Self>, String> {
        let schema = Schema::new(&case.types);
        let mutator = match Mutator::new(collector, Arc::default(), &case.config, &schema) {
            Ok(mutator) => mutator,
            Err(SetupError::Heap(HeapError::HeapFull { .. })) => return Ok(None),
            Err(SetupError::Heap(error)) => return Err(format!("no heap could be made: {error}")),
            Err(SetupError::Types(error)) => return Err(format!("no types: {error}")),
        };
        let types = (0..schema.types().len())
            .map(|ty| (mutator.type_id(ty), ty))
            .collect();
        Ok(Some(Self {
            case,
            schema,
            mutator,
            types,
            tags: 0,
            calls: 0,
            scopes: Vec::new(),
            scoped: 0,
            owned: 0,
            values: 0,
            references: 0,
            maps: 0,
            is_harmed: false,
            answers: Answers::default(),
        }))
    }

    /// Does one step.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::AllocStruct { .. }
            | Step::AllocArray { .. }
            | Step::AllocExtern { .. }
            | Step::Garbage { .. }
            | Step::Populate { .. }
            | Step::Bury { .. } => self.allocation(step),
            Step::ReadField { .. }
            | Step::WriteField { .. }
            | Step::ReadElement { .. }
            | Step::WriteElement { .. }
            | Step::CopyElements { .. }
            | Step::FillElements { .. } => {
                self.access(step);
                Ok(())
            }
            Step::Weak(step) => self.weak_step(step),
            Step::Collect(kind) => self.collect(kind),
            _ => {
                self.move_reference(step);
                Ok(())
            }
        }
    }

    /// The steps that only move references between roots.
    fn move_reference(&mut self, step: Step) {
        match step {
            Step::SetNull { variable: at } => self.mutator.set_variable(variable(at), GcRef::NULL),
            Step::SetI31 {
                variable: at,
                value,
            } => self
                .mutator
                .set_variable(variable(at), GcRef::from_i31(value)),
            Step::Assign { from, into } => self.load(Root::Variable(variable(from)), into),
            Step::SetStatic { place, from } => {
                let value = self.mutator.variable(variable(from));
                self.mutator.set_static(static_place(place), value);
            }
            Step::LoadStatic { place, into } => self.load(Root::Static(static_place(place)), into),
            Step::Call { args } if self.calls < MAX_CALLS => {
                self.calls += 1;
                self.mutator.call([variable(args.0), variable(args.1)]);
            }
            Step::Return { from, into } if self.calls > 0 => {
                self.calls -= 1;
                self.mutator
                    .return_from_call(variable(from), variable(into));
            }
            Step::OpenScope => {
                self.scopes.push(self.scoped);
                self.mutator.open_scope();
            }
            Step::CloseScope => {
                if let Some(height) = self.scopes.pop() {
                    self.scoped = height;
                    self.mutator.close_scope(height);
                }
            }
            Step::PushHandle { from } => {
                let value = self.mutator.variable(variable(from));
                self.mutator.push_handle(value);
                self.scoped += 1;
            }
            Step::Own { from } => {
                let value = self.mutator.variable(variable(from));
                self.mutator.own(value);
                self.owned += 1;
            }
            Step::LoadHandle { handle, into } => {
                if let Some(index) = choose(handle, self.scoped) {
                    self.load(Root::Scoped(index), into);
                }
            }
            Step::LoadOwned { handle, into } => {
                if let Some(index) = choose(handle, self.owned) {
                    self.load(Root::Owned(index), into);
                }
            }
            Step::DropOwned { handle } => {
                if let Some(index) = choose(handle, self.owned) {
                    self.mutator.drop_owned(index);
                    self.owned -= 1;
                }
            }
            Step::PushValue { from } if self.values < MAX_VALUES => {
                let value = self.mutator.variable(variable(from));
                self.mutator.push_value(value);
                self.values += 1;
            }
            Step::PopValue { into } => {
                if let Some(last) = self.values.checked_sub(1) {
                    self.load(Root::Value(last), into);
                    self.mutator.pop_value();
                    self.values = last;
                }
            }
            Step::SetValue { slot, from } => {
                if let Some(index) = choose(slot, self.values) {
                    let value = self.mutator.variable(variable(from));
                    self.mutator.set_value(index, value);
                }
            }
            _ => {}
        }
    }

    fn load(&mut self, from: Root, into: Pick) {
        let value = self.mutator.root(from).unwrap_or_default();
        self.mutator.set_variable(variable(into), value);
    }

    /// What the header of an object says it is, if that is a type of the case.
    fn describe(&self, object: ObjectRef) -> Option<Held> {
        let isolate = &self.mutator.isolate;
        // As tables do, with whatever bits the id has too many.
        let id = TypeId::from_bits(isolate.type_of(object).bits() & isolate.tables().mask());
        let ty = *self.types.get(&id)?;
        Some(Held { object, ty })
    }

    /// The object a pick stands for among those in variables that seem to be what is wanted.
    fn pick_held(&self, pick: Pick, wanted: impl Fn(&Self, usize) -> bool) -> Option<Held> {
        let held: Vec<Held> = (0..VARIABLES)
            .filter_map(|index| self.mutator.variable(index).as_object())
            .filter_map(|object| self.describe(object))
            .filter(|held| wanted(self, held.ty))
            .collect();
        choose(pick, held.len()).map(|index| held[index])
    }

    fn is_array(&self, ty: usize) -> bool {
        self.schema.element(ty).is_some()
    }

    /// What to store in a cell: bits, or what a variable holds if its header says it may be there.
    fn value_for(&self, field: Field, from: usize, bits: u64) -> Source {
        let Field::Ref(target) = field else {
            return Source::Bits(integer(field, bits, 0));
        };
        let reference = self.mutator.variable(from);
        let fits = match target {
            Target::Any | Target::Extern => true,
            Target::Type(sup) => reference
                .as_object()
                .and_then(|object| self.describe(object))
                .is_some_and(|held| self.schema.is_subtype(held.ty, sup.into())),
        };
        if fits {
            Source::Variable(from)
        } else {
            Source::Null
        }
    }

    fn roots(&self) -> impl Iterator<Item = Root> + use<> {
        let variables = (0..VARIABLES).map(Root::Variable);
        let statics = (0..crate::case::STATICS).map(Root::Static);
        let scoped = (0..self.scoped).map(Root::Scoped);
        let owned = (0..self.owned).map(Root::Owned);
        variables.chain(statics).chain(scoped).chain(owned)
    }

    /// The first objects the roots lead to, breadth first.
    fn reachable(&self) -> Vec<ObjectRef> {
        let mut objects = Vec::new();
        let mut seen = HashSet::new();
        let mut to_visit: VecDeque<GcRef> = self
            .roots()
            .filter_map(|root| self.mutator.root(root))
            .collect();
        while let Some(reference) = to_visit.pop_front() {
            let Some(object) = reference.as_object().filter(|object| seen.insert(*object)) else {
                continue;
            };
            objects.push(object);
            if objects.len() == OBJECTS_MAX {
                break;
            }
            to_visit.extend(
                self.cells(object)
                    .into_iter()
                    .filter_map(|found| match found {
                        Found::Ref(reference) => Some(reference),
                        Found::Bits(_) => None,
                    }),
            );
        }
        objects
    }

    /// What the first cells of an object hold.
    fn cells(&self, object: ObjectRef) -> Vec<Found> {
        let Some(held) = self.describe(object) else {
            return Vec::new();
        };
        (0..self.len(held).min(CELLS_MAX))
            .map(|index| self.mutator.read(object, self.cell(held, index)))
            .collect()
    }
}
