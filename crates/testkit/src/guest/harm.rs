//! Harms done, and looks taken afterwards.
//!
//! A harm is a plain store into the heap (or into a variable), as a bug in compiled code would make
//! it: no barrier, no care for what is there.

use super::{Guest, Held};
use crate::case::{Field, Pick, choose};
use crate::damage::{Damage, Forged, Harm, Look};
use crate::mutator::Found;
use crate::run::variable;
use windrow_core::{
    ARRAY_LENGTH_OFFSET, Corruption, FIRST_OBJECT_OFFSET, FunctionId, GC_WORD_OFFSET, GcRef,
    HEADER_BYTES, HeapError, ObjectRef, TypeId, Zeal,
};

impl Guest<'_> {
    /// Does a harm and looks. Whether there was anything to harm.
    pub(crate) fn suffer(&mut self, damage: Damage) -> Result<bool, String> {
        let objects = self.reachable();
        let is_done = self.harm(&objects, damage.victim, damage.harm)?;
        self.is_harmed |= is_done;
        if is_done {
            match damage.look {
                Look::Away => {}
                Look::Read => self.read_everything()?,
                Look::Verify => self.verify()?,
                Look::Collect(kind) => self.collect(kind)?,
            }
        }
        Ok(is_done)
    }

    fn harm(&mut self, objects: &[ObjectRef], victim: Pick, harm: Harm) -> Result<bool, String> {
        let object = pick_of(victim, objects);
        Ok(match harm {
            Harm::HeaderBits { mask } => object.is_some_and(|object| {
                let header = self.mutator.isolate.load_u64(object, 0);
                self.mutator.isolate.store_u64(object, 0, header ^ mask);
                true
            }),
            Harm::TypeId { id } => self.set_type(object, TypeId::from_bits(id)),
            Harm::OtherType { like } => {
                let like = pick_of(like, objects).map(|other| self.mutator.isolate.type_of(other));
                like.is_some_and(|id| self.set_type(object, id))
            }
            Harm::CollectorWord { forged } => {
                let bits = self.forge(objects, object, forged);
                self.store(object, GC_WORD_OFFSET, bits.bits())
            }
            Harm::Length { length } => {
                let arrays = self.those(objects, |guest, held| guest.is_array(held.ty));
                let array = pick_of(victim, &arrays).map(|held| held.object);
                self.store(array, ARRAY_LENGTH_OFFSET, length)
            }
            Harm::Slot { cell, forged } => {
                let holders = self.those(objects, |guest, held| guest.slot(held, cell).is_some());
                let Some(held) = pick_of(victim, &holders) else {
                    return Ok(false);
                };
                let bits = self.forge(objects, Some(held.object), forged);
                match self.slot(held, cell) {
                    Some(offset) => self.store(Some(held.object), offset, bits.bits()),
                    None => false,
                }
            }
            Harm::Root {
                variable: at,
                forged,
            } => {
                let bits = self.forge(objects, object, forged);
                self.mutator.set_variable(variable(at), bits);
                true
            }
            Harm::HostId { id } => {
                let stand_ins = self.stand_ins(objects);
                self.store(pick_of(victim, &stand_ins), HEADER_BYTES, id)
            }
            Harm::CopiedHostId { from } => {
                let stand_ins = self.stand_ins(objects);
                let (to, from) = (pick_of(victim, &stand_ins), pick_of(from, &stand_ins));
                return self.copy_host_id(from, to);
            }
            Harm::Bytes { at, bits } => self.store_anywhere(at, bits),
        })
    }

    fn set_type(&mut self, object: Option<ObjectRef>, id: TypeId) -> bool {
        let Some(object) = object else {
            return false;
        };
        let flags = self.mutator.isolate.load_u32(object, 0) & !TypeId::MAX;
        self.store(Some(object), 0, flags | id.bits())
    }

    fn store(&mut self, object: Option<ObjectRef>, offset: u32, bits: u32) -> bool {
        object.is_some_and(|object| {
            self.mutator.isolate.store_u32(object, offset, bits);
            true
        })
    }

    /// Stores somewhere in what the heap has committed, and a little beyond.
    fn store_anywhere(&mut self, at: u32, bits: u64) -> bool {
        let room = self.mutator.isolate.stats().committed_bytes + 4096;
        let distance = u32::try_from(u64::from(at) % room).unwrap_or(0) & !7;
        ObjectRef::from_offset(FIRST_OBJECT_OFFSET.saturating_add(distance)).is_some_and(|place| {
            self.mutator.isolate.store_u64(place, 0, bits);
            true
        })
    }

    /// Copies the id of a host value to another object, which must be refused it.
    fn copy_host_id(
        &mut self,
        from: Option<ObjectRef>,
        to: Option<ObjectRef>,
    ) -> Result<bool, String> {
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(false);
        };
        let isolate = &mut self.mutator.isolate;
        if from == to || isolate.host_value(from).is_err() {
            return Ok(false);
        }
        let id = isolate.load_u32(from, HEADER_BYTES);
        isolate.store_u32(to, HEADER_BYTES, id);
        self.is_harmed = true;
        let offset = to.offset();
        let refused = HeapError::Corrupt(Corruption::HostData { offset, id });
        match self.mutator.tag_of(to) {
            Err(error) if error == refused => Ok(true),
            other => Err(format!(
                "the id {id} of {from:?}, copied into {to:?}, was answered with {other:?}"
            )),
        }
    }

    fn those(&self, objects: &[ObjectRef], wanted: impl Fn(&Self, Held) -> bool) -> Vec<Held> {
        let held = objects.iter().filter_map(|object| self.describe(*object));
        held.filter(|held| wanted(self, *held)).collect()
    }

    fn stand_ins(&self, objects: &[ObjectRef]) -> Vec<ObjectRef> {
        let isolate = &self.mutator.isolate;
        let is_one = |object: &&ObjectRef| isolate.type_of(**object) == TypeId::EXTERN;
        objects.iter().filter(is_one).copied().collect()
    }

    /// Offset of a reference slot of an object, if it has any.
    fn slot(&self, held: Held, pick: Pick) -> Option<u32> {
        if let Some(element) = self.schema.element(held.ty) {
            let index = choose(pick, self.len(held) as usize).filter(|_| element.is_ref())?;
            return Some(self.mutator.element(&self.schema, held.ty, index).offset);
        }
        let fields = self.schema.fields(held.ty);
        let refs: Vec<usize> = (0..fields.len())
            .filter(|index| matches!(fields[*index], Field::Ref(_)))
            .collect();
        let index = pick_of(pick, &refs)?;
        Some(self.mutator.field(&self.schema, held.ty, index).offset)
    }

    fn forge(&self, objects: &[ObjectRef], itself: Option<ObjectRef>, forged: Forged) -> GcRef {
        let place = |pick| pick_of(pick, objects).map_or(FIRST_OBJECT_OFFSET, ObjectRef::offset);
        GcRef::from_bits(match forged {
            Forged::Itself => itself.map_or(0, ObjectRef::offset),
            Forged::Object(pick) => place(pick),
            Forged::Inside { object, words } => place(object).wrapping_add(u32::from(words) * 8),
            Forged::Misaligned { object, bits } => place(object) | u32::from(bits & 6),
            Forged::Edge { distance } => distance.cast_unsigned(),
            Forged::Poison => u32::from_le_bytes([Zeal::POISON; 4]),
            Forged::Bits(bits) => bits,
        })
    }

    /// Reads what the roots lead to: types, lengths, cells, host values, functions.
    pub(crate) fn read_everything(&mut self) -> Result<(), String> {
        for object in self.reachable() {
            self.read_as_if_typed(object);
            for found in self.cells(object) {
                let Found::Bits(bits) = found else {
                    continue;
                };
                let [a, b, c, d, ..] = bits.to_le_bytes();
                let id = FunctionId::from_bits(u32::from_le_bytes([a, b, c, d]));
                if self.mutator.isolate.function(id).is_some() {
                    return Err(format!("{id:?} names a function, and there is none"));
                }
            }
            self.host_value(object)?;
        }
        Ok(())
    }
}

impl Guest<'_> {
    /// Reads an object as code does that was told its type and looks at no header.
    fn read_as_if_typed(&self, object: ObjectRef) {
        let isolate = &self.mutator.isolate;
        let mut bytes = [0; 40];
        let elements = [0, 1, isolate.array_len(object).wrapping_sub(1)];
        let wrapping = 0_u32.wrapping_sub(object.offset());
        let elements = elements.map(|index| index.wrapping_mul(8).wrapping_add(16));
        for offset in elements.into_iter().chain([12, wrapping, wrapping ^ 8]) {
            let reference = isolate.load_ref(object, offset);
            isolate.read_bytes(object, offset, &mut bytes);
            let word = isolate.load_u128(object, offset).to_le_bytes();
            // Which of them are inside what is usable is the memory's business.
            std::hint::black_box((reference, word, bytes));
        }
    }
}

fn pick_of<T: Copy>(pick: Pick, of: &[T]) -> Option<T> {
    choose(pick, of.len()).map(|index| of[index])
}
