//! The steps that read and write objects, bounded by what the objects say of themselves.

use super::{Guest, Held};
use crate::case::{Pick, Step, choose};
use crate::mutator::{Cell, Found, Source};
use crate::run::variable;

/// A bulk operation whose count is a multiple of this takes all that the array claims to have.
const ALL_EVERY: u32 = 4;

/// An access at an index that is a multiple of this goes where offsets would come round to zero.
const WRAP_EVERY: u32 = 4;

/// How many elements the kit sets one by one, of however many an array claims.
const FILL_MAX: u32 = 20_000;

impl Guest<'_> {
    pub(super) fn access(&mut self, step: Step) {
        match step {
            Step::ReadField {
                object,
                field,
                into,
            } => {
                if let Some((held, cell)) = self.pick_field(object, field) {
                    self.read(held, cell, into);
                }
            }
            Step::WriteField {
                object,
                field,
                value,
                bits,
            } => {
                if let Some((held, cell)) = self.pick_field(object, field) {
                    self.write(held, cell, value, bits);
                }
            }
            Step::ReadElement { array, index, into } => {
                if let Some((held, index)) = self.pick_element(array, index) {
                    self.read(held, self.cell(held, index), into);
                }
            }
            Step::WriteElement {
                array,
                index,
                value,
                bits,
            } => {
                if let Some((held, index)) = self.pick_element(array, index) {
                    self.write(held, self.cell(held, index), value, bits);
                }
            }
            Step::CopyElements {
                from,
                from_index,
                to,
                to_index,
                count,
            } => self.copy((from, from_index), (to, to_index), count),
            Step::FillElements {
                array,
                index,
                count,
                value,
                bits,
            } => self.fill(array, (index, count), value, bits),
            _ => {}
        }
    }

    /// Cells of an object: fields of its type, or elements as it says.
    pub(super) fn len(&self, held: Held) -> u32 {
        if self.is_array(held.ty) {
            self.mutator.isolate.array_len(held.object)
        } else {
            u32::try_from(self.schema.fields(held.ty).len()).unwrap_or(0)
        }
    }

    pub(super) fn cell(&self, held: Held, index: u32) -> Cell {
        let index = index as usize;
        if self.is_array(held.ty) {
            self.mutator.element(&self.schema, held.ty, index)
        } else {
            self.mutator.field(&self.schema, held.ty, index)
        }
    }

    fn pick_field(&self, object: Pick, field: Pick) -> Option<(Held, Cell)> {
        let held = self.pick_held(object, |guest, ty| !guest.is_array(ty))?;
        let index = choose(field, self.len(held) as usize)?;
        Some((held, self.mutator.field(&self.schema, held.ty, index)))
    }

    fn pick_element(&self, array: Pick, index: u32) -> Option<(Held, u32)> {
        let held = self.pick_held(array, Self::is_array)?;
        let length = self.len(held);
        let index = u32::try_from(choose(index, length as usize)?).ok()?;
        let wrapping = self.wrapping_index(held);
        let is_there = index.is_multiple_of(WRAP_EVERY) && wrapping < length;
        Some((held, if is_there { wrapping } else { index }))
    }

    /// The element that would lie at the heap's start, if offsets came round: in no true array, but
    /// within many a forged length.
    fn wrapping_index(&self, held: Held) -> u32 {
        let first = self.cell(held, 0);
        let start = held.object.offset().wrapping_add(first.offset);
        0_u32.wrapping_sub(start) / first.field.bytes()
    }

    fn read(&mut self, held: Held, cell: Cell, into: Pick) {
        if let Found::Ref(found) = self.mutator.read(held.object, cell) {
            self.mutator.set_variable(variable(into), found);
        }
    }

    fn write(&mut self, held: Held, cell: Cell, value: Pick, bits: u64) {
        let source = self.value_for(cell.field, variable(value), bits);
        self.mutator.write(held.object, cell, source);
    }

    fn copy(&mut self, from: (Pick, u32), to: (Pick, u32), count: u32) {
        let Some((source, first)) = self.pick_element(from.0, from.1) else {
            return;
        };
        let elements = self.schema.element(source.ty);
        let wanted = |guest: &Self, ty| guest.schema.element(ty) == elements;
        let Some(target) = self.pick_held(to.0, wanted) else {
            return;
        };
        let Some(second) = choose(to.1, self.len(target) as usize) else {
            return;
        };
        let second = u32::try_from(second).unwrap_or(u32::MAX);
        let room = (self.len(source) - first).min(self.len(target) - second);
        let (from_cell, to_cell) = (self.cell(source, first), self.cell(target, second));
        self.mutator.copy(
            source.object,
            from_cell,
            target.object,
            to_cell,
            bulk(count, room),
        );
    }

    fn fill(&mut self, array: Pick, (index, count): (u32, u32), value: Pick, bits: u64) {
        let Some((held, first)) = self.pick_element(array, index) else {
            return;
        };
        let cell = self.cell(held, first);
        let source = self.value_for(cell.field, variable(value), bits);
        let mut count = bulk(count, self.len(held) - first);
        if cell.field.bytes() > 1 || !matches!(source, Source::Bits(_)) {
            count = count.min(FILL_MAX);
        }
        self.mutator.fill(held.object, cell, count, source);
    }
}

fn bulk(count: u32, room: u32) -> u32 {
    if count.is_multiple_of(ALL_EVERY) {
        room
    } else {
        count.min(room)
    }
}
