//! Weak references, weak maps, finalizers and traced host values of a heap that may be harmed.

use super::Guest;
use crate::case::{CELLS, Pick, VARIABLES, WeakStep, choose};
use crate::run::variable;
use windrow_core::{GcRef, ObjectRef};

impl Guest<'_> {
    /// Does one such step. Any variable that seems to hold an object will do for one.
    pub(super) fn weak_step(&mut self, step: WeakStep) -> Result<(), String> {
        match step {
            WeakStep::AllocTraced { into } => {
                let tag = self.tags;
                self.tags += 1;
                let object = self.ask("an allocation", |mutator| mutator.allocate_traced(tag))?;
                match object {
                    Some(object) => self.mutator.set_variable(variable(into), object.to_ref()),
                    None => self.tags = tag,
                }
            }
            WeakStep::WriteCell {
                holder,
                cell,
                value,
            } => {
                let value = self.mutator.variable(variable(value));
                if let Some(holder) = self.any_object(holder) {
                    self.mutator
                        .write_cell(holder, usize::from(cell) % CELLS, value);
                }
            }
            WeakStep::ReadCell { holder, cell, into } => {
                let holder = self.any_object(holder);
                let found =
                    holder.and_then(|at| self.mutator.read_cell(at, usize::from(cell) % CELLS));
                if let Some(found) = found {
                    self.mutator.set_variable(variable(into), found);
                }
            }
            WeakStep::Refer { object } => {
                if let Some(object) = self.any_object(object) {
                    let made = self.ask("a weak reference", |mutator| mutator.refer(object))?;
                    self.references += usize::from(made.is_some());
                }
            }
            WeakStep::Follow { weak, into } => {
                if let Some(index) = choose(weak, self.references) {
                    let found = self.ask("a weak reference", |mutator| mutator.follow(index))?;
                    let found = found.flatten().map_or(GcRef::NULL, ObjectRef::to_ref);
                    self.mutator.set_variable(variable(into), found);
                }
            }
            WeakStep::DropWeak { weak } => {
                if let Some(index) = choose(weak, self.references) {
                    self.mutator.drop_weak(index);
                    self.references -= 1;
                }
            }
            WeakStep::Register { object } => {
                if let Some(object) = self.any_object(object) {
                    self.ask("a finalizer", |mutator| {
                        mutator.isolate.register_finalizer(object, 0)
                    })?;
                }
            }
            WeakStep::Finalize { into } => {
                let next = self.ask("the next finalizer", |mutator| {
                    mutator.isolate.next_finalizable()
                })?;
                if let Some((object, _)) = next.flatten() {
                    self.mutator.set_variable(variable(into), object.to_ref());
                }
            }
            _ => return self.map_step(step),
        }
        Ok(())
    }

    fn map_step(&mut self, step: WeakStep) -> Result<(), String> {
        let (map, key) = match step {
            WeakStep::NewMap => {
                self.mutator.new_map();
                self.maps += 1;
                return Ok(());
            }
            WeakStep::DropMap { map } => {
                if let Some(map) = choose(map, self.maps) {
                    self.mutator.drop_map(map);
                    self.maps -= 1;
                }
                return Ok(());
            }
            WeakStep::MapInsert { map, key, .. }
            | WeakStep::MapGet { map, key, .. }
            | WeakStep::MapRemove { map, key } => (choose(map, self.maps), self.any_object(key)),
            _ => return Ok(()),
        };
        let (Some(map), Some(key)) = (map, key) else {
            return Ok(());
        };
        match step {
            WeakStep::MapInsert { value, .. } => {
                let value = self.mutator.variable(variable(value));
                self.ask("an entry", |mutator| mutator.map_insert(map, key, value))?;
            }
            WeakStep::MapGet { into, .. } => {
                let found = self.ask("an entry", |mutator| mutator.map_get(map, key))?;
                let found = found.flatten().unwrap_or_default();
                self.mutator.set_variable(variable(into), found);
            }
            _ => {
                self.ask("an entry", |mutator| mutator.map_remove(map, key))?;
            }
        }
        Ok(())
    }

    /// An object some variable seems to hold.
    fn any_object(&self, pick: Pick) -> Option<ObjectRef> {
        let held: Vec<ObjectRef> = (0..VARIABLES)
            .filter_map(|index| self.mutator.variable(index).as_object())
            .collect();
        choose(pick, held.len()).map(|index| held[index])
    }
}
