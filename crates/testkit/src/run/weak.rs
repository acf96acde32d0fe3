//! The steps with traced host values, weak references, weak maps and finalizers, and what the model
//! learns of collections.

use super::{Held, Run, variable};
use crate::case::{CELLS, Pick, WeakStep, choose};
use crate::model::{Entry, NodeId, NodeKind, Reference, Value};
use std::collections::HashSet;
use windrow_core::{GcRef, HeapError};

fn failed(error: &HeapError) -> String {
    format!("a sound heap answered: {error}")
}

impl Run<'_> {
    pub(super) fn weak_step(&mut self, step: WeakStep) -> Result<(), String> {
        match step {
            WeakStep::AllocTraced { into } => self.allocate_traced(variable(into)),
            WeakStep::WriteCell {
                holder,
                cell,
                value,
            } => self.write_cell(holder, usize::from(cell) % CELLS, variable(value)),
            WeakStep::ReadCell { holder, cell, into } => {
                self.read_cell(holder, usize::from(cell) % CELLS, variable(into))
            }
            WeakStep::Refer { object } => {
                let Some(held) = self.pick_holder(object, |_| true)? else {
                    return Ok(());
                };
                self.model.weak.references.push(Some(held.node));
                self.mutator
                    .refer(held.object)
                    .map_err(|error| failed(&error))
            }
            WeakStep::Follow { weak, into } => self.follow(weak, variable(into)),
            WeakStep::DropWeak { weak } => {
                if let Some(index) = choose(weak, self.model.weak.references.len()) {
                    self.model.weak.references.remove(index);
                    self.mutator.drop_weak(index);
                }
                Ok(())
            }
            WeakStep::Register { object } => {
                let Some(held) = self.pick_holder(object, |_| true)? else {
                    return Ok(());
                };
                let tag = self.model.weak.tags;
                self.model.weak.tags += 1;
                self.model.weak.registered.push((held.node, tag));
                let isolate = &mut self.mutator.isolate;
                isolate
                    .register_finalizer(held.object, tag)
                    .map_err(|error| failed(&error))
            }
            WeakStep::Finalize { into } => self.finalize(variable(into)),
            _ => self.map_step(step),
        }
    }

    fn map_step(&mut self, step: WeakStep) -> Result<(), String> {
        let (map, key) = match step {
            WeakStep::NewMap => {
                self.model.weak.maps.push(Vec::new());
                self.mutator.new_map();
                return Ok(());
            }
            WeakStep::DropMap { map } => {
                if let Some(map) = choose(map, self.model.weak.maps.len()) {
                    self.model.weak.maps.remove(map);
                    self.mutator.drop_map(map);
                }
                return Ok(());
            }
            WeakStep::MapInsert { map, key, .. }
            | WeakStep::MapGet { map, key, .. }
            | WeakStep::MapRemove { map, key } => (map, key),
            _ => return Ok(()),
        };
        let Some(map) = choose(map, self.model.weak.maps.len()) else {
            return Ok(());
        };
        let Some(key) = self.pick_holder(key, |_| true)? else {
            return Ok(());
        };
        match step {
            WeakStep::MapInsert { value, .. } => self.map_insert(map, key, variable(value)),
            WeakStep::MapGet { into, .. } => self.map_get(map, key, variable(into)),
            _ => self.map_remove(map, key),
        }
    }

    fn write_cell(&mut self, holder: Pick, cell: usize, from: usize) -> Result<(), String> {
        let Some(held) = self.pick_holder(holder, is_traced)? else {
            return Ok(());
        };
        self.model.node_mut(held.node).cells[cell] = Value::Ref(self.model.variables[from]);
        let value = self.mutator.variable(from);
        if !self.mutator.write_cell(held.object, cell, value) {
            return Err(format!("{:?} stands for no value with cells", held.object));
        }
        Ok(())
    }

    fn read_cell(&mut self, holder: Pick, cell: usize, into: usize) -> Result<(), String> {
        let Some(held) = self.pick_holder(holder, is_traced)? else {
            return Ok(());
        };
        let Some(found) = self.mutator.read_cell(held.object, cell) else {
            return Err(format!("{:?} stands for no value with cells", held.object));
        };
        if let Value::Ref(expected) = self.model.node(held.node).cells[cell] {
            self.set_variable(into, expected, found);
        }
        Ok(())
    }

    fn follow(&mut self, weak: Pick, into: usize) -> Result<(), String> {
        let Some(index) = choose(weak, self.model.weak.references.len()) else {
            return Ok(());
        };
        let found = self.mutator.follow(index).map_err(|error| failed(&error))?;
        let expected = self.model.weak.references[index];
        if found.is_some() != expected.is_some() {
            return Err(format!(
                "weak reference {index} leads to {found:?}, and no collection ran since it led to {expected:?}"
            ));
        }
        let expected = expected.map_or(Reference::Null, Reference::Node);
        self.set_variable(into, expected, found.map_or(GcRef::NULL, |it| it.to_ref()));
        Ok(())
    }

    fn map_insert(&mut self, map: usize, key: Held, from: usize) -> Result<(), String> {
        let value = self.model.variables[from];
        let entry = self.model.weak.find(map, key.node);
        let found = self.mutator.variable(from);
        let before = self
            .mutator
            .map_insert(map, key.object, found)
            .map_err(|error| failed(&error))?;
        if before.is_some() != entry.is_some() {
            return Err(format!(
                "weak map {map}: inserting {:?} replaced {before:?}, expected entry {entry:?}",
                key.object
            ));
        }
        match entry {
            Some(entry) => self.model.weak.maps[map][entry].value = value,
            None => self.model.weak.maps[map].push(Entry {
                key: key.node,
                value,
            }),
        }
        Ok(())
    }

    fn map_get(&mut self, map: usize, key: Held, into: usize) -> Result<(), String> {
        let found = self.mutator.map_get(map, key.object);
        let found = found.map_err(|error| failed(&error))?;
        let entry = self.model.weak.find(map, key.node);
        if found.is_some() != entry.is_some() {
            return Err(format!(
                "weak map {map}: {:?} has {found:?}, expected entry {entry:?}",
                key.object
            ));
        }
        let expected = entry.map(|entry| self.model.weak.maps[map][entry].value);
        self.set_variable(
            into,
            expected.unwrap_or_default(),
            found.unwrap_or_default(),
        );
        Ok(())
    }

    fn map_remove(&mut self, map: usize, key: Held) -> Result<(), String> {
        let entry = self.model.weak.find(map, key.node);
        let removed = self.mutator.map_remove(map, key.object);
        let removed = removed.map_err(|error| failed(&error))?;
        if removed.is_some() != entry.is_some() {
            return Err(format!(
                "weak map {map}: removing {:?} took {removed:?}, expected entry {entry:?}",
                key.object
            ));
        }
        if let Some(entry) = entry {
            self.model.weak.maps[map].remove(entry);
            self.mutator.forget_key(map, entry);
        }
        Ok(())
    }

    fn finalize(&mut self, into: usize) -> Result<(), String> {
        let found = self.mutator.isolate.next_finalizable();
        let found = found.map_err(|error| failed(&error))?;
        let queue = &mut self.model.weak.queue;
        let expected = (!queue.is_empty()).then(|| queue.remove(0));
        if found.map(|(_, tag)| tag) != expected.map(|(_, tag)| tag) {
            return Err(format!(
                "the next finalizer is {found:?}, expected {expected:?}"
            ));
        }
        let expected = expected.map_or(Reference::Null, |(node, _)| Reference::Node(node));
        let found = found.map_or(GcRef::NULL, |(object, _)| object.to_ref());
        self.set_variable(into, expected, found);
        Ok(())
    }

    /// Learns what collections found dead since the last time: nothing that is alive, and everything
    /// that is dead where one `must_be_exact`.
    ///
    /// Dead is what was dead before finalizers brought anything back.
    pub(crate) fn sync(&mut self, must_be_exact: bool) -> Result<(), String> {
        let alive = self.model.reachable();
        self.sync_references(&alive, must_be_exact)?;
        for map in 0..self.model.weak.maps.len() {
            self.sync_map(map, &alive, must_be_exact)?;
        }
        self.sync_finalizers(&alive, must_be_exact)
    }

    fn sync_references(
        &mut self,
        alive: &HashSet<NodeId>,
        must_be_exact: bool,
    ) -> Result<(), String> {
        for index in 0..self.model.weak.references.len() {
            let found = self.mutator.follow(index).map_err(|error| failed(&error))?;
            let what = format!("weak reference {index}");
            let node = self.model.weak.references[index];
            if is_cleared(&what, node, found.is_some(), alive, must_be_exact)? {
                self.found_dead += u64::from(node.is_some());
                self.model.weak.references[index] = None;
            }
        }
        Ok(())
    }

    fn sync_map(
        &mut self,
        map: usize,
        alive: &HashSet<NodeId>,
        must_be_exact: bool,
    ) -> Result<(), String> {
        for entry in (0..self.model.weak.maps[map].len()).rev() {
            let key = self.mutator.map_key(map, entry);
            let key = key.map_err(|error| failed(&error))?;
            let what = format!("entry {entry} of weak map {map}");
            let node = self.model.weak.maps[map][entry].key;
            if is_cleared(&what, Some(node), key.is_some(), alive, must_be_exact)? {
                self.found_dead += 1;
                self.model.weak.maps[map].remove(entry);
                self.mutator.forget_key(map, entry);
            } else if let Some(key) = key {
                let value = self.mutator.map_get(map, key);
                if value.map_err(|error| failed(&error))?.is_none() {
                    return Err(format!("{what}: its key is at {key:?} and has no entry"));
                }
            }
        }
        let (found, expected) = (self.mutator.map_len(map), self.model.weak.maps[map].len());
        if found != Ok(expected) {
            return Err(format!(
                "weak map {map} has {found:?} entries, expected {expected}"
            ));
        }
        Ok(())
    }

    fn sync_finalizers(
        &mut self,
        alive: &HashSet<NodeId>,
        must_be_exact: bool,
    ) -> Result<(), String> {
        let weak = &mut self.model.weak;
        let queued = self.mutator.isolate.finalizable().map(|(_, tag)| tag);
        let queued: Vec<u64> = queued.collect();
        let before: Vec<u64> = weak.queue.iter().map(|(_, tag)| *tag).collect();
        let Some(new) = queued.strip_prefix(&before[..]) else {
            return Err(format!("finalizers {before:?} were queued, now {queued:?}"));
        };
        let dead = weak
            .registered
            .iter()
            .filter(|(node, _)| !alive.contains(node));
        let dead: Vec<u64> = dead.map(|(_, tag)| *tag).collect();
        if must_be_exact && dead != new {
            return Err(format!("finalizers {new:?} were queued, expected {dead:?}"));
        }
        for tag in new {
            let place = weak.registered.iter().position(|(_, of)| of == tag);
            let Some(place) = place.filter(|_| dead.contains(tag)) else {
                return Err(format!(
                    "finalizer {tag} was queued, and its object is alive"
                ));
            };
            weak.queue.push(weak.registered.remove(place));
            self.finalized += 1;
        }
        Ok(())
    }
}

fn is_traced(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Traced(_))
}

/// Whether something weak to `node` (`None` if it was cleared before) was cleared, and rightly so.
fn is_cleared(
    what: &str,
    node: Option<NodeId>,
    leads_on: bool,
    alive: &HashSet<NodeId>,
    must_be_exact: bool,
) -> Result<bool, String> {
    match node {
        None if leads_on => Err(format!("{what} was cleared and leads to an object again")),
        Some(node) if !leads_on && alive.contains(&node) => {
            Err(format!("{what} was cleared, and its object is alive"))
        }
        Some(node) if leads_on && must_be_exact && !alive.contains(&node) => {
            Err(format!("{what} was not cleared, and its object is dead"))
        }
        _ => Ok(!leads_on),
    }
}
