//! What the homes hold: the places in stack slots that stack maps name or that get references.
//!
//! A home is looked at backwards from where it matters, a map that names it or a load, to the
//! stores and maps that it comes from. That is a step or two where homes are written before each
//! call, and never more than the stretch over which a home keeps its value.

use super::kinds::{Kind, Kinds};
use super::program::Program;
use super::{Problem, Violation, is_no_object};
use cranelift_codegen::ir::{
    Block, Function, Inst, InstructionData, Opcode, StackSlot, Value, ValueDef, types,
};
use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;
use std::cell::RefCell;

/// A word of a stack slot, by its offset.
pub(super) type Place = (StackSlot, i32);

/// What happens to a home.
#[derive(Clone, Copy, Debug)]
enum Event {
    Store(Value),
    Load(Value),
    /// A call's stack map names it.
    Named,
}

/// Where the contents of a home may come from.
#[derive(Default)]
struct Origins {
    stores: Vec<Value>,
    /// The function's entry.
    unset: bool,
    /// Safepoints on the way that do not name the home.
    crossed: Vec<Inst>,
}

/// The homes of a function.
pub(super) struct Homes<'a> {
    program: &'a Program<'a>,
    kinds: &'a Kinds,
    moves_objects: bool,
    /// What happens to each, with the numbers of the instructions, ascending.
    events: HashMap<Place, Vec<(u32, Event)>>,
    /// The homes that each value is stored to or loaded from.
    places: HashMap<Value, SmallVec<[Place; 1]>>,
    /// What homes were found to hold at calls, by the calls' numbers: a home that keeps its value
    /// over many calls is not looked at from the start each time.
    found: RefCell<HashMap<(Place, u32), Value>>,
}

/// The homes that a call's stack map names.
fn names(func: &Function, call: Inst) -> impl Iterator<Item = Place> + '_ {
    let entries = func.dfg.user_stack_map_entries(call).unwrap_or_default();
    let offset = |offset| i32::try_from(offset).unwrap_or(i32::MAX);
    entries
        .iter()
        .map(move |entry| (entry.slot, offset(entry.offset)))
}

/// Every place that some stack map names.
pub(super) fn named(program: &Program<'_>) -> HashSet<Place> {
    let calls = program.safepoints.iter();
    calls
        .flat_map(|(_, call)| names(program.func, *call))
        .collect()
}

/// Every place that a reference is stored to.
pub(super) fn stored(program: &Program<'_>, kinds: &Kinds) -> Vec<Place> {
    let stores = program.insts().filter(|inst| {
        let stored = program.args(*inst).next();
        program.func.dfg.insts[*inst].opcode().can_store()
            && stored.is_some_and(|value| kinds.of(value) == Kind::Reference)
    });
    let places = stores.filter_map(|inst| place_of(program.func, inst));
    places.collect()
}

/// The slot whose address a value is.
fn address(func: &Function, value: Value) -> Option<Place> {
    let ValueDef::Result(inst, _) = func.dfg.value_def(func.dfg.resolve_aliases(value)) else {
        return None;
    };
    match func.dfg.insts[inst] {
        InstructionData::StackAddr {
            stack_slot, offset, ..
        } => Some((stack_slot, offset.into())),
        _ => None,
    }
}

/// The place that an instruction loads or stores a word of.
pub(super) fn place_of(func: &Function, inst: Inst) -> Option<Place> {
    let (base, offset, word) = match func.dfg.insts[inst] {
        InstructionData::Load {
            opcode: Opcode::Load,
            arg,
            offset,
            ..
        } => (arg, offset, func.dfg.first_result(inst)),
        InstructionData::Store {
            opcode: Opcode::Store,
            args: [value, base],
            offset,
            ..
        } => (base, offset, value),
        _ => return None,
    };
    let (slot, start) = address(func, base)?;
    let is_word = func.dfg.value_type(word) == types::I32;
    is_word.then(|| (slot, start.wrapping_add(offset.into())))
}

impl<'a> Homes<'a> {
    /// # Errors
    /// [`Problem::Escapes`].
    pub(super) fn new(
        program: &'a Program<'a>,
        kinds: &'a Kinds,
        named: HashSet<Place>,
        moves_objects: bool,
    ) -> Result<Self, Violation> {
        let slots: HashSet<StackSlot> = named.iter().map(|(slot, _)| *slot).collect();
        let mut homes = Self {
            program,
            kinds,
            moves_objects,
            events: named.into_iter().map(|place| (place, Vec::new())).collect(),
            places: HashMap::new(),
            found: RefCell::default(),
        };
        if slots.is_empty() {
            return Ok(homes);
        }
        let func = program.func;
        for inst in program.insts() {
            let number = program.number(inst);
            let data = &func.dfg.insts[inst];
            let place = place_of(func, inst);
            if let Some(place) = place
                && let Some(events) = homes.events.get_mut(&place)
            {
                let (value, event) = match func.dfg.inst_results(inst) {
                    [loaded, ..] => (*loaded, Event::Load(*loaded)),
                    [] => {
                        let stored = data.arguments(&func.dfg.value_lists)[0];
                        let stored = func.dfg.resolve_aliases(stored);
                        (stored, Event::Store(stored))
                    }
                };
                events.push((number, event));
                let places = homes.places.entry(value).or_default();
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            let stored = match data {
                InstructionData::Store { args, .. } if place.is_some() => &args[..1],
                _ if place.is_some() => &[],
                _ => data.arguments(&func.dfg.value_lists),
            };
            for value in stored.iter().copied().chain(program.passed(inst)) {
                if let Some((slot, _)) = address(func, value)
                    && slots.contains(&slot)
                {
                    return Err(program.violation(inst, Problem::Escapes { slot }));
                }
            }
            for place in names(func, inst) {
                if let Some(events) = homes.events.get_mut(&place) {
                    events.push((number, Event::Named));
                }
            }
        }
        Ok(homes)
    }

    pub(super) const fn moves_objects(&self) -> bool {
        self.moves_objects
    }

    /// The events of a home in a block before a number, last first.
    fn before(
        &self,
        place: Place,
        block: Block,
        number: u32,
    ) -> impl Iterator<Item = (u32, Event)> + '_ {
        let events = self.events.get(&place).map_or(&[][..], Vec::as_slice);
        let end = events.partition_point(|(at, _)| *at < number);
        let start = self.program.span(block).0;
        events[..end]
            .iter()
            .rev()
            .copied()
            .take_while(move |(at, _)| *at > start)
    }

    /// Where what a home holds before an instruction comes from: stores, and maps unless `through`.
    fn origins(&self, place: Place, inst: Inst, through: bool) -> Origins {
        let program = self.program;
        let mut origins = Origins::default();
        let mut seen = HashSet::new();
        let mut todo = vec![(program.block(inst), program.number(inst))];
        while let Some((block, number)) = todo.pop() {
            let origin = self
                .before(place, block, number)
                .find(|(_, event)| match event {
                    Event::Store(_) => true,
                    Event::Named => !through,
                    Event::Load(_) => false,
                });
            let from = origin.map_or(program.span(block).0, |(at, _)| at);
            let between = program.safepoints_between(from, number).iter();
            let unnamed = between.filter(|(at, _)| !self.is_named(place, *at));
            origins.crossed.extend(unnamed.map(|(_, call)| *call));
            match origin {
                Some((_, Event::Store(value))) => origins.stores.push(value),
                Some(_) => {}
                None => {
                    origins.unset |= program.is_entry(block);
                    let from = program.predecessors(block);
                    let fresh = from.filter(|block| seen.insert(*block));
                    todo.extend(fresh.map(|block| (block, program.span(block).1)));
                }
            }
        }
        origins
    }

    /// Checks what maps name and what is loaded from homes.
    pub(super) fn check(&self) -> Result<(), Violation> {
        let func = self.program.func;
        for inst in self.program.insts() {
            for place in names(func, inst) {
                self.check_place(place, inst)?;
            }
            if let Some(place) = place_of(func, inst)
                && self.events.contains_key(&place)
                && !func.dfg.inst_results(inst).is_empty()
            {
                self.check_place(place, inst)?;
            }
        }
        Ok(())
    }

    /// Checks that a home holds a reference before an instruction, on every path.
    fn check_place(&self, place: Place, inst: Inst) -> Result<(), Violation> {
        let (slot, _) = place;
        let mut origins = self.origins(place, inst, false);
        let problem = if origins.unset {
            Some(Problem::Unset { slot })
        } else {
            self.foreign(&origins.stores, slot)
        };
        let problem = problem.or_else(|| {
            if origins.crossed.is_empty() {
                return None;
            }
            // Where objects stay, what another home kept alive meanwhile is still there.
            origins = self.origins(place, inst, true);
            let kept = !self.moves_objects
                && origins.crossed.iter().all(|call| {
                    origins.stores.iter().all(|value| {
                        is_no_object(self.program.func, *value) || self.holding(*call, *value) > 0
                    })
                });
            (!kept).then_some(Problem::Stale { slot })
        });
        problem.map_or(Ok(()), |problem| Err(self.program.violation(inst, problem)))
    }

    fn foreign(&self, stores: &[Value], slot: StackSlot) -> Option<Problem> {
        let mut stores = stores.iter().copied();
        let foreign = |value: &Value| {
            self.kinds.of(*value) != Kind::Reference && !is_no_object(self.program.func, *value)
        };
        stores
            .find(foreign)
            .map(|value| Problem::NotReference { slot, value })
    }

    /// How many homes that a call's stack map names hold this very value then, on every path.
    pub(super) fn holding(&self, call: Inst, value: Value) -> usize {
        let number = self.program.number(call);
        let places = self.places.get(&value).into_iter().flatten();
        places
            .filter(|place| self.is_named(**place, number))
            .filter(|place| self.place_holds(**place, call, value))
            .count()
    }

    /// Whether the call with a number has a stack map that names a home.
    fn is_named(&self, place: Place, number: u32) -> bool {
        let events = self.events.get(&place).map_or(&[][..], Vec::as_slice);
        let first = events.partition_point(|(at, _)| *at < number);
        matches!(events.get(first), Some((at, Event::Named)) if *at == number)
    }

    fn place_holds(&self, place: Place, call: Inst, value: Value) -> bool {
        let program = self.program;
        let mut seen = HashSet::new();
        let mut todo = vec![(program.block(call), program.number(call))];
        while let Some((block, number)) = todo.pop() {
            let mut holds = None;
            for (at, event) in self.before(place, block, number) {
                holds = match event {
                    Event::Store(stored) => Some(stored == value),
                    Event::Load(loaded) if loaded == value => Some(true),
                    Event::Named if self.moves_objects => Some(false),
                    Event::Named if self.found.borrow().get(&(place, at)) == Some(&value) => {
                        Some(true)
                    }
                    _ => continue,
                };
                break;
            }
            match holds {
                Some(true) => {}
                Some(false) => return false,
                None if program.is_entry(block) => return false,
                None => {
                    let from = program.predecessors(block);
                    let fresh = from.filter(|block| seen.insert(*block));
                    todo.extend(fresh.map(|block| (block, program.span(block).1)));
                }
            }
        }
        let at = (place, program.number(call));
        self.found.borrow_mut().insert(at, value);
        true
    }
}
