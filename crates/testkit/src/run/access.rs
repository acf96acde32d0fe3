//! The steps that read and write objects.

use super::{Held, Run};
use crate::case::{Pick, choose};
use crate::model::{NodeId, NodeKind, Value};
use crate::mutator::{Cell, Found};
use std::ops::Range;

impl Run<'_> {
    pub(super) fn read_field(
        &mut self,
        object: Pick,
        field: Pick,
        into: usize,
    ) -> Result<(), String> {
        match self.pick_field(object, field)? {
            Some((held, index, cell)) => self.read(held, index, cell, into),
            None => Ok(()),
        }
    }

    pub(super) fn write_field(
        &mut self,
        object: Pick,
        field: Pick,
        from: usize,
        bits: u64,
    ) -> Result<(), String> {
        if let Some((held, index, cell)) = self.pick_field(object, field)? {
            self.write(held, index, cell, from, bits);
        }
        Ok(())
    }

    pub(super) fn read_element(
        &mut self,
        array: Pick,
        index: u32,
        into: usize,
    ) -> Result<(), String> {
        match self.pick_element(array, index)? {
            Some((held, index, cell)) => self.read(held, index, cell, into),
            None => Ok(()),
        }
    }

    pub(super) fn write_element(
        &mut self,
        array: Pick,
        index: u32,
        from: usize,
        bits: u64,
    ) -> Result<(), String> {
        if let Some((held, index, cell)) = self.pick_element(array, index)? {
            self.write(held, index, cell, from, bits);
        }
        Ok(())
    }

    pub(super) fn copy_elements(
        &mut self,
        from: (Pick, u32),
        to: (Pick, u32),
        count: u32,
    ) -> Result<(), String> {
        let Some((source, first, from_cell)) = self.pick_element(from.0, from.1)? else {
            return Ok(());
        };
        let wanted = |kind| match kind {
            NodeKind::Array(ty) => self.schema.element(ty) == Some(from_cell.field),
            _ => false,
        };
        let Some(target) = self.pick_holder(to.0, wanted)? else {
            return Ok(());
        };
        let Some((second, to_cell)) = self.element_of(target.node, to.1) else {
            return Ok(());
        };
        let room = (self.len(source.node) - first).min(self.len(target.node) - second);
        let count = count.min(u32::try_from(room).expect("lengths are 32 bits"));
        self.mutator
            .copy(source.object, from_cell, target.object, to_cell, count);
        self.model
            .copy(source.node, first, target.node, second, count as usize);
        Ok(())
    }

    pub(super) fn fill_elements(
        &mut self,
        array: Pick,
        (index, count): (u32, u32),
        from: usize,
        bits: u64,
    ) -> Result<(), String> {
        let Some((held, first, cell)) = self.pick_element(array, index)? else {
            return Ok(());
        };
        let room = self.len(held.node) - first;
        let end = first + room.min(count as usize);
        self.fill_run(held, cell, first..end, from, bits);
        Ok(())
    }

    /// Sets a run of elements, the first of which lies at `cell`, on both.
    pub(super) fn fill_run(
        &mut self,
        held: Held,
        cell: Cell,
        run: Range<usize>,
        from: usize,
        bits: u64,
    ) {
        let (value, source) = self.value_for(cell.field, from, bits);
        let count = u32::try_from(run.len()).expect("lengths are 32 bits");
        self.mutator.fill(held.object, cell, count, source);
        self.model.node_mut(held.node).cells[run].fill(value);
    }

    pub(super) fn len(&self, node: NodeId) -> usize {
        self.model.node(node).cells.len()
    }

    fn pick_field(&self, object: Pick, field: Pick) -> Result<Option<(Held, usize, Cell)>, String> {
        let Some(held) = self.pick_holder(object, |kind| matches!(kind, NodeKind::Struct(_)))?
        else {
            return Ok(None);
        };
        let index = choose(field, self.len(held.node));
        Ok(index.map(|index| (held, index, self.cell_of(held.node, index))))
    }

    fn pick_element(&self, array: Pick, index: u32) -> Result<Option<(Held, usize, Cell)>, String> {
        let Some(held) = self.pick_holder(array, |kind| matches!(kind, NodeKind::Array(_)))? else {
            return Ok(None);
        };
        Ok(self
            .element_of(held.node, index)
            .map(|(index, cell)| (held, index, cell)))
    }

    /// The element a pick stands for, if the array has any.
    pub(super) fn element_of(&self, node: NodeId, index: u32) -> Option<(usize, Cell)> {
        let index = choose(index, self.len(node))?;
        Some((index, self.cell_of(node, index)))
    }

    /// Where a cell of a struct or an array lies.
    pub(super) fn cell_of(&self, node: NodeId, index: usize) -> Cell {
        match self.model.node(node).kind {
            NodeKind::Struct(ty) => self.mutator.field(&self.schema, ty, index),
            NodeKind::Array(ty) => self.mutator.element(&self.schema, ty, index),
            NodeKind::Extern(_) | NodeKind::Traced(_) => {
                unreachable!("a host value has no fields")
            }
        }
    }

    /// Reads a cell on both: an integer is compared at once, a reference goes to a variable.
    fn read(&mut self, held: Held, index: usize, cell: Cell, into: usize) -> Result<(), String> {
        let expected = self.model.node(held.node).cells[index];
        match (expected, self.mutator.read(held.object, cell)) {
            (Value::Ref(expected), Found::Ref(found)) => {
                self.set_variable(into, expected, found);
                Ok(())
            }
            (Value::Bits(expected), Found::Bits(found)) if expected == found => Ok(()),
            (expected, found) => Err(format!(
                "cell {index} of {:?}: expected {expected:x?}, found {found}",
                held.object
            )),
        }
    }

    pub(super) fn write(&mut self, held: Held, index: usize, cell: Cell, from: usize, bits: u64) {
        let (value, source) = self.value_for(cell.field, from, bits);
        self.mutator.write(held.object, cell, source);
        self.model.node_mut(held.node).cells[index] = value;
    }
}
