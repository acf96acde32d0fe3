//! The steps that allocate.

use super::{ROOM_FACTOR, ROOM_SLACK_BYTES, Run, integer, mix, variable};
use crate::case::{CELLS, Field, Init, Pick, VARIABLES};
use crate::model::{NodeKind, Reference, Value};
use crate::mutator::Source;
use crate::schema::EXTERN_BYTES;
use windrow_core::{GcRef, HeapError, ObjectRef};

impl Run<'_> {
    /// Allocates an object of a type and puts it into a variable.
    pub(super) fn allocate(
        &mut self,
        ty: usize,
        length: Option<u32>,
        into: usize,
        init: Init,
    ) -> Result<(), String> {
        let bytes = self.schema.object_bytes(ty, length.unwrap_or(0));
        let flying = match init {
            Init::InFlight(pick) => Some(self.take_off(variable(pick))),
            Init::Default | Init::Mixed(_) => None,
        };
        let mut in_flight = flying.map_or(GcRef::NULL, |flying| flying.found);
        let object = match self
            .mutator
            .allocate(ty, length, init == Init::Default, &mut in_flight)
        {
            Ok(object) => object,
            Err(error) => {
                if let Some(flying) = flying {
                    self.set_variable(flying.variable, flying.expected, in_flight);
                }
                return self.refused(bytes, &error);
            }
        };
        let expected = flying.map(|flying| flying.expected);
        let cells = self.initialise(ty, length, object, init, expected, in_flight);
        let kind = if length.is_some() {
            NodeKind::Array(ty)
        } else {
            NodeKind::Struct(ty)
        };
        let node = self.model.allocate(kind, cells, bytes);
        self.set_variable(into, Reference::Node(node), object.to_ref());
        Ok(())
    }

    /// Takes a reference out of its variable.
    fn take_off(&mut self, variable: usize) -> Flying {
        let flying = Flying {
            variable,
            expected: self.model.variables[variable],
            found: self.mutator.variable(variable),
        };
        self.set_variable(variable, Reference::Null, GcRef::NULL);
        flying
    }

    /// Writes the first values of every cell, and tells the model's.
    fn initialise(
        &mut self,
        ty: usize,
        length: Option<u32>,
        object: ObjectRef,
        init: Init,
        flying: Option<Reference>,
        in_flight: GcRef,
    ) -> Vec<Value> {
        let count = length.map_or(self.schema.fields(ty).len(), |length| length as usize);
        let mut cells = Vec::with_capacity(count);
        for index in 0..count {
            let cell = match length {
                Some(_) => self.mutator.element(&self.schema, ty, index),
                None => self.mutator.field(&self.schema, ty, index),
            };
            let (value, source) = self.first_value(cell.field, init, index, flying);
            if init != Init::Default {
                self.mutator.initialise(object, cell, source, in_flight);
            }
            cells.push(value);
        }
        cells
    }

    fn first_value(
        &self,
        field: Field,
        init: Init,
        index: usize,
        flying: Option<Reference>,
    ) -> (Value, Source) {
        let seed = match (init, flying) {
            (Init::Default, _) if field.is_ref() => {
                return (Value::Ref(Reference::Null), Source::Null);
            }
            (Init::Default, _) => return (Value::Bits(0), Source::Bits(0)),
            (_, Some(reference)) if field.is_ref() => {
                return if self.model.accepts(&self.schema, field, reference) {
                    (Value::Ref(reference), Source::InFlight)
                } else {
                    (Value::Ref(Reference::Null), Source::Null)
                };
            }
            (Init::Mixed(seed), _) => seed,
            (Init::InFlight(pick), _) => pick.into(),
        };
        if field.is_ref() {
            let from = usize::try_from(mix(seed, index) % VARIABLES as u64).expect("few variables");
            self.value_for(field, from, seed)
        } else {
            let bits = integer(field, seed, index);
            (Value::Bits(bits), Source::Bits(bits))
        }
    }

    pub(super) fn allocate_traced(&mut self, into: usize) -> Result<(), String> {
        match self.mutator.allocate_traced(self.model.next_tag()) {
            Ok(object) => {
                let node = self.model.allocate_traced(CELLS);
                self.set_variable(into, Reference::Node(node), object.to_ref());
                Ok(())
            }
            Err(error) => self.refused(EXTERN_BYTES, &error),
        }
    }

    pub(super) fn allocate_extern(&mut self, into: usize) -> Result<(), String> {
        match self.mutator.allocate_extern(self.model.next_tag()) {
            Ok(object) => {
                let node = self.model.allocate_extern();
                self.set_variable(into, Reference::Node(node), object.to_ref());
                Ok(())
            }
            Err(error) => self.refused(EXTERN_BYTES, &error),
        }
    }

    /// Allocates structs that nothing holds; the model only counts their bytes.
    pub(super) fn garbage(&mut self, ty: Pick, count: u16) -> Result<(), String> {
        let Some(ty) = self.schema.pick_struct(ty) else {
            return Ok(());
        };
        let bytes = self.schema.object_bytes(ty, 0);
        for _ in 0..count {
            if let Err(error) = self
                .mutator
                .allocate(ty, None, true, &mut GcRef::NULL.clone())
            {
                return self.refused(bytes, &error);
            }
            self.model.allocated_bytes += bytes;
        }
        Ok(())
    }

    /// Allocates structs and writes each into an element of the array a variable holds.
    pub(super) fn populate(
        &mut self,
        array: Pick,
        (index, count): (u32, u16),
        ty: Pick,
        seed: u64,
    ) -> Result<(), String> {
        let is_array = |kind| matches!(kind, NodeKind::Array(_));
        let Some(holder) = self.pick_variable(array, is_array) else {
            return Ok(());
        };
        let (Some(ty), node) = (self.schema.pick_struct(ty), self.held(holder)?.node) else {
            return Ok(());
        };
        let new = (holder + 1) % VARIABLES;
        let Some((first, _)) = self.element_of(node, index) else {
            return Ok(());
        };
        for index in first..self.len(node).min(first + usize::from(count)) {
            let refusals = self.refusals;
            self.allocate(ty, None, new, Init::Mixed(seed ^ index as u64))?;
            if self.refusals > refusals {
                break;
            }
            // The allocation may have moved the array.
            let held = self.held(holder)?;
            let cell = self.cell_of(node, index);
            self.write(held, index, cell, new, seed);
        }
        Ok(())
    }

    /// Allocates a struct and leaves it to a run of an array's elements.
    pub(super) fn bury(
        &mut self,
        array: Pick,
        (index, count): (u32, u16),
        ty: Pick,
        seed: u64,
    ) -> Result<(), String> {
        let is_array = |kind| matches!(kind, NodeKind::Array(_));
        let (Some(holder), Some(ty)) = (
            self.pick_variable(array, is_array),
            self.schema.pick_struct(ty),
        ) else {
            return Ok(());
        };
        let new = (holder + 1) % VARIABLES;
        self.set_variable(new, Reference::Null, GcRef::NULL);
        self.allocate(ty, None, new, Init::Mixed(seed))?;
        let node = self.held(holder)?.node;
        if let Some((first, _)) = self.element_of(node, index) {
            let held = self.held(holder)?;
            let cell = self.cell_of(node, first);
            let end = self.len(node).min(first + usize::from(count));
            self.fill_run(held, cell, first..end, new, seed);
        }
        self.set_variable(new, Reference::Null, GcRef::NULL);
        Ok(())
    }

    /// Judges a refused allocation: only a full heap may refuse, and only one that can be full.
    fn refused(&mut self, bytes: u64, error: &HeapError) -> Result<(), String> {
        let limit = self.case.config.max_bytes;
        if *error
            != (HeapError::HeapFull {
                needed_bytes: bytes,
                limit_bytes: limit,
            })
        {
            return Err(format!("an allocation of {bytes} bytes failed: {error}"));
        }
        // What waits for a finalizer is held, too.
        self.sync(false)?;
        let held = if self.is_exact {
            self.model.bytes_of(&self.model.reachable())
        } else {
            self.model.allocated_bytes
        };
        let room = held
            .saturating_add(bytes)
            .saturating_mul(ROOM_FACTOR)
            .saturating_add(ROOM_SLACK_BYTES);
        if room > limit {
            self.refusals += 1;
            return Ok(());
        }
        Err(format!(
            "{error}, with only {held} bytes held: there should be room"
        ))
    }
}

/// A reference that is in flight.
#[derive(Clone, Copy, Debug)]
struct Flying {
    variable: usize,
    expected: Reference,
    found: GcRef,
}
