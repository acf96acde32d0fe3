//! Which slots owe a barrier: a trusted bit for every four bytes of the heap.
//!
//! A collector arms the slots whose overwriting it wants to hear of, and disarms each when it has
//! heard. New memory is not armed, so stores into new objects cost a look at a bit and nothing else.
//! Compiled code reads the bits through the mutator state and never writes them.

use crate::{HeapError, SideTable};

/// Bytes of the heap that one bit stands for, as a power of two: a reference slot.
const SLOT_SHIFT: u32 = 2;

/// Bytes of the heap that one byte of the table stands for, as a power of two.
const BYTE_SHIFT: u32 = SLOT_SHIFT + 3;

/// The bits of one heap. A table of the whole 4 GiB takes memory where it is written.
#[derive(Debug, Default)]
pub struct LogBits {
    table: Option<SideTable<u8, BYTE_SHIFT>>,
}

const fn bit(slot: u32) -> u8 {
    1 << (slot >> SLOT_SHIFT & 7)
}

impl LogBits {
    /// Makes the table, with nothing armed. Without it nothing can be.
    ///
    /// The driver does so for a collector that asks for the log form of barriers; one whose barriers
    /// are calls may use the bits to hear of a slot once.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where there is no room for 128 MiB of address space.
    pub fn enable(&mut self) -> Result<(), HeapError> {
        if self.table.is_none() {
            self.table = Some(SideTable::zeroed()?);
        }
        Ok(())
    }

    /// The address of the table, zero without one.
    pub(crate) fn address(&self) -> usize {
        self.table.as_ref().map_or(0, SideTable::address)
    }

    /// Whether the slot at this offset owes a barrier.
    #[must_use]
    #[inline(always)]
    pub fn is_armed(&self, slot: u32) -> bool {
        self.table
            .as_ref()
            .is_some_and(|table| table.at(slot) & bit(slot) != 0)
    }

    /// Disarms a slot. Whether it was armed.
    #[inline(always)]
    pub fn take(&mut self, slot: u32) -> bool {
        let Some(table) = &mut self.table else {
            return false;
        };
        let (bits, bit) = (table.at(slot), bit(slot));
        let is_armed = bits & bit != 0;
        if is_armed {
            table.set(slot, bits & !bit);
        }
        is_armed
    }

    /// Disarms the slots of a range, calling `armed` with each that was. Where the range leaves the
    /// heap it ends.
    pub fn take_range(&mut self, first_slot: u32, count: u32, mut armed: impl FnMut(u32)) {
        let Some(table) = &mut self.table else {
            return;
        };
        let bytes = u64::from(count) << SLOT_SHIFT;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(!first_slot);
        let end = first_slot + bytes;
        let mut at = first_slot & !((1 << BYTE_SHIFT) - 1);
        for byte in table.range_mut(first_slot, bytes) {
            if *byte != 0 {
                for slot in (at..).step_by(1 << SLOT_SHIFT).take(8) {
                    if (first_slot..end).contains(&slot) && *byte & bit(slot) != 0 {
                        *byte &= !bit(slot);
                        armed(slot);
                    }
                }
            }
            at = at.wrapping_add(1 << BYTE_SHIFT);
        }
    }

    /// Arms every slot of `bytes` from `offset`, both multiples of eight.
    #[inline]
    pub fn arm(&mut self, offset: u32, bytes: u32) {
        self.change(offset, bytes, |byte, bits| *byte |= bits);
    }

    /// Disarms every slot of `bytes` from `offset`, both multiples of eight.
    #[inline]
    pub fn disarm(&mut self, offset: u32, bytes: u32) {
        self.change(offset, bytes, |byte, bits| *byte &= !bits);
    }

    /// Changes the bits of a range: of its first and last byte some, of the others all.
    #[inline]
    fn change(&mut self, offset: u32, bytes: u32, mut change: impl FnMut(&mut u8, u8)) {
        let Some(table) = &mut self.table else {
            return;
        };
        let Some((first, rest)) = table.range_mut(offset, bytes).split_first_mut() else {
            return;
        };
        let head = 0xff_u8 << (offset >> SLOT_SHIFT & 7);
        let end = offset.wrapping_add(bytes) >> SLOT_SHIFT & 7;
        let tail = if end == 0 { 0xff } else { !(0xff_u8 << end) };
        match rest.split_last_mut() {
            None => change(first, head & tail),
            Some((last, middle)) => {
                change(first, head);
                middle.iter_mut().for_each(|byte| change(byte, 0xff));
                change(last, tail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn ranges_are_armed_and_disarmed_to_the_slot(
            steps in prop::collection::vec((any::<bool>(), 0u32..100, 0u32..40), 1..40),
            base in prop::sample::select(vec![4096_u32, 0x8000_0000, 0xffff_0000]),
        ) {
            let mut bits = LogBits::default();
            bits.enable().unwrap();
            let mut model = HashSet::new();
            for (arms, offset, words) in steps {
                let (at, bytes) = (base + offset * 8, words * 8);
                let slots = (at..at + bytes).step_by(4);
                if arms {
                    bits.arm(at, bytes);
                    model.extend(slots);
                } else {
                    bits.disarm(at, bytes);
                    slots.for_each(|slot| { model.remove(&slot); });
                }
            }
            let (first, count) = (base + 36, 200);
            let mut taken = Vec::new();
            bits.take_range(first, count, |slot| taken.push(slot));
            let expected: Vec<u32> = (first..first + count * 4).step_by(4).filter(|slot| model.remove(slot)).collect();
            prop_assert_eq!(taken, expected);
            for slot in (base..base + 150 * 8).step_by(4) {
                prop_assert_eq!(bits.is_armed(slot), model.contains(&slot), "{:#x}", slot);
                prop_assert_eq!(bits.take(slot), model.contains(&slot));
                prop_assert!(!bits.is_armed(slot));
            }
        }
    }

    #[test]
    fn nothing_is_armed_without_a_table() {
        let mut bits = LogBits::default();
        bits.arm(4096, 64);
        assert!(!bits.is_armed(4096) && !bits.take(4096));
        assert_eq!(bits.address(), 0);
    }
}
