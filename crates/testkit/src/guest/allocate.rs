//! The steps that allocate.

use super::{Guest, Held};
use crate::case::{Field, Init, Pick, Step, VARIABLES};
use crate::mutator::Source;
use crate::run::{integer, mix, variable};
use windrow_core::GcRef;

impl Guest<'_> {
    pub(super) fn allocation(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::AllocStruct { ty, into, init } => match self.schema.pick_struct(ty) {
                Some(ty) => self.allocate(ty, None, into, init),
                None => Ok(()),
            },
            Step::AllocArray {
                ty,
                length,
                into,
                init,
            } => match self.schema.pick_array(ty) {
                Some(ty) => self.allocate(ty, Some(length), into, init),
                None => Ok(()),
            },
            Step::AllocExtern { into } => self.allocate_extern(into),
            Step::Garbage { ty, count } => self.garbage(ty, count),
            Step::Populate {
                array,
                index,
                count,
                ty,
                seed,
            } => self.populate(array, (index, count), ty, seed),
            _ => Ok(()),
        }
    }

    fn allocate(
        &mut self,
        ty: usize,
        length: Option<u32>,
        into: Pick,
        init: Init,
    ) -> Result<(), String> {
        let flying = match init {
            Init::InFlight(pick) => Some(variable(pick)),
            Init::Default | Init::Mixed(_) => None,
        };
        let mut in_flight = flying.map_or(GcRef::NULL, |from| self.mutator.variable(from));
        if let Some(from) = flying {
            self.mutator.set_variable(from, GcRef::NULL);
        }
        let is_zeroed = init == Init::Default;
        let answer = self.ask("an allocation", |mutator| {
            mutator.allocate(ty, length, is_zeroed, &mut in_flight)
        })?;
        if let Some(from) = flying {
            self.mutator.set_variable(from, in_flight);
        }
        let Some(object) = answer else {
            return Ok(());
        };
        let held = Held { object, ty };
        match init {
            Init::Default => {}
            Init::Mixed(seed) => self.initialise(held, |index| {
                usize::try_from(mix(seed, index) % VARIABLES as u64).unwrap_or(0)
            }),
            Init::InFlight(pick) => self.initialise(held, |_| variable(pick)),
        }
        self.mutator.set_variable(variable(into), object.to_ref());
        Ok(())
    }

    /// Writes the first value of every cell; `from` tells the variable a reference is taken from.
    fn initialise(&mut self, held: Held, from: impl Fn(usize) -> usize) {
        for index in 0..self.len(held) {
            let cell = self.cell(held, index);
            let source = match cell.field {
                Field::Ref(_) => self.value_for(cell.field, from(index as usize), 0),
                field => Source::Bits(integer(field, 1, index as usize)),
            };
            self.mutator
                .initialise(held.object, cell, source, GcRef::NULL);
        }
    }

    fn allocate_extern(&mut self, into: Pick) -> Result<(), String> {
        let tag = self.tags;
        let answer = self.ask("an allocation", |mutator| mutator.allocate_extern(tag))?;
        if let Some(object) = answer {
            self.tags += 1;
            self.mutator.set_variable(variable(into), object.to_ref());
        }
        Ok(())
    }

    fn garbage(&mut self, ty: Pick, count: u16) -> Result<(), String> {
        let Some(ty) = self.schema.pick_struct(ty) else {
            return Ok(());
        };
        for _ in 0..count {
            let answer = self.ask("an allocation", |mutator| {
                mutator.allocate(ty, None, true, &mut GcRef::NULL.clone())
            })?;
            if answer.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn populate(
        &mut self,
        array: Pick,
        (index, count): (u32, u16),
        ty: Pick,
        seed: u64,
    ) -> Result<(), String> {
        let holders: Vec<Pick> = (0..)
            .take(VARIABLES)
            .filter(|pick| self.array_in(*pick).is_some())
            .collect();
        let (Some(holder), Some(ty)) = (
            crate::case::choose(array, holders.len()).map(|index| holders[index]),
            self.schema.pick_struct(ty),
        ) else {
            return Ok(());
        };
        let new = (holder + 1) % Pick::try_from(VARIABLES).unwrap_or(1);
        for step in 0..u32::from(count) {
            self.allocate(ty, None, new, Init::Mixed(seed ^ u64::from(step)))?;
            // The allocation may have moved the array, or the array may be none any more.
            let Some(held) = self.array_in(holder) else {
                break;
            };
            let at = index.wrapping_add(step);
            if at >= self.len(held) {
                break;
            }
            let cell = self.cell(held, at);
            let source = self.value_for(cell.field, variable(new), seed);
            self.mutator.write(held.object, cell, source);
        }
        Ok(())
    }

    fn array_in(&self, pick: Pick) -> Option<Held> {
        let object = self.mutator.variable(variable(pick)).as_object()?;
        self.describe(object).filter(|held| self.is_array(held.ty))
    }
}
