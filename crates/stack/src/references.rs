//! The references of suspended frames, shown in place.

use crate::live::SuspendedStack;
use crate::location::{Encoding, Location};
use crate::registers::Registers;
use crate::walk::{Frames, StackMemory, WalkError, WalkFault};
use smallvec::SmallVec;
use windrow_core::{GcRef, RootKind, RootVisitor};

impl Frames<'_, SuspendedStack> {
    /// Shows every reference that the frames hold to `visitor`, and stores back what it leaves there;
    /// pointers derived from a reference move with it. `heap_base` is the address of the heap, for code
    /// that holds 64-bit pointers. How many frames there were.
    ///
    /// # Errors
    /// [`WalkError`] where frames cannot be followed, or a reference not found. What was shown stays
    /// changed.
    pub fn visit_roots(
        self,
        heap_base: usize,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, WalkError> {
        self.visit_with(HeapRoots { heap_base, visitor })
    }

    /// As [`Self::visit_roots`] for a heap of one's own: shows the word in each place as it is, be it
    /// an address or an offset.
    ///
    /// # Errors
    /// As above.
    pub fn visit_words(self, visit: impl FnMut(&mut usize)) -> Result<u64, WalkError> {
        self.visit_with(Words(visit))
    }

    fn visit_with(self, visitor: impl PlaceVisitor) -> Result<u64, WalkError> {
        match self.goes_by_tables() {
            true => self.visit_all::<true>(visitor),
            false => self.visit_all::<false>(visitor),
        }
    }

    fn visit_all<const TABLES: bool>(
        mut self,
        mut visitor: impl PlaceVisitor,
    ) -> Result<u64, WalkError> {
        let stack = self.memory();
        while self.advance::<TABLES>()? {
            let frame = self.frame();
            let references = References {
                stack,
                registers: self.registers(),
            };
            references
                .visit(frame.locations, &mut visitor)
                .map_err(|fault| WalkError {
                    frame: self.walked() - 1,
                    pc: frame.pc.address(),
                    fp: frame.fp,
                    fault,
                })?;
        }
        Ok(self.walked())
    }
}

/// Sees the places of references.
trait PlaceVisitor {
    /// Shows what lies in a place, and stores what becomes of it.
    fn visit(&mut self, references: &References<'_>, place: Location) -> Result<(), WalkFault>;
}

/// Shows references of a heap at some address.
struct HeapRoots<'a> {
    heap_base: usize,
    visitor: &'a mut dyn RootVisitor,
}

/// Shows words.
struct Words<F>(F);

impl PlaceVisitor for HeapRoots<'_> {
    #[inline(always)]
    fn visit(&mut self, references: &References<'_>, place: Location) -> Result<(), WalkFault> {
        match place.encoding() {
            Encoding::Offset32 => {
                let address = references.address(place)?;
                let before = references.stack.reference(address);
                let before = before.ok_or(WalkFault::Unreadable)?;
                let mut slot = before;
                self.visitor.visit(RootKind::Frame, &mut slot);
                if slot != before {
                    references.stack.replace_reference(address, slot);
                }
                Ok(())
            }
            Encoding::BasePlusOffset64 => {
                let before = references.load(place)?;
                let mut slot = self.decode(before)?;
                self.visitor.visit(RootKind::Frame, &mut slot);
                references.store(place, self.encode(slot))
            }
        }
    }
}

impl HeapRoots<'_> {
    fn decode(&self, word: usize) -> Result<GcRef, WalkFault> {
        if word == 0 {
            return Ok(GcRef::NULL);
        }
        u32::try_from(word.wrapping_sub(self.heap_base))
            .map(GcRef::from_bits)
            .map_err(|_| WalkFault::WildPointer)
    }

    fn encode(&self, reference: GcRef) -> usize {
        match reference.bits() {
            0 => 0,
            bits => self.heap_base.wrapping_add(bits as usize),
        }
    }
}

impl<F: FnMut(&mut usize)> PlaceVisitor for Words<F> {
    fn visit(&mut self, references: &References<'_>, place: Location) -> Result<(), WalkFault> {
        let before = references.load(place)?;
        let mut word = before;
        (self.0)(&mut word);
        if word == before {
            return Ok(());
        }
        references.store(place, word)
    }
}

/// The references of one frame.
struct References<'a> {
    stack: &'a SuspendedStack,
    registers: &'a Registers,
}

impl References<'_> {
    #[inline(always)]
    fn visit(
        &self,
        locations: &[Location],
        visitor: &mut impl PlaceVisitor,
    ) -> Result<(), WalkFault> {
        // Derived pointers come last.
        if locations.last().is_some_and(|last| last.base().is_some()) {
            return self.visit_with_derived(locations, visitor);
        }
        locations
            .iter()
            .try_for_each(|location| visitor.visit(self, *location))
    }

    /// As [`Self::visit`], and moves what is derived along with its base.
    #[cold]
    fn visit_with_derived(
        &self,
        locations: &[Location],
        visitor: &mut impl PlaceVisitor,
    ) -> Result<(), WalkFault> {
        let mut before = SmallVec::<[usize; 16]>::new();
        for location in locations {
            before.push(self.load(*location)?);
        }
        for (position, location) in locations.iter().enumerate() {
            let Some(base) = location.base() else {
                visitor.visit(self, *location)?;
                continue;
            };
            let moved = self.load(locations[base])?.wrapping_sub(before[base]);
            self.store(*location, before[position].wrapping_add(moved))?;
        }
        Ok(())
    }

    /// Where in memory a location lies.
    #[inline(always)]
    fn address(&self, location: Location) -> Result<usize, WalkFault> {
        location
            .address(self.registers)
            .ok_or(WalkFault::UnknownRegister)
    }

    /// What lies there, whatever it is.
    fn load(&self, location: Location) -> Result<usize, WalkFault> {
        let address = self.address(location)?;
        match location.encoding() {
            Encoding::Offset32 => self
                .stack
                .reference(address)
                .map(|reference| reference.bits() as usize),
            Encoding::BasePlusOffset64 => self.stack.word(address),
        }
        .ok_or(WalkFault::Unreadable)
    }

    fn store(&self, location: Location, word: usize) -> Result<(), WalkFault> {
        let address = self.address(location)?;
        match location.encoding() {
            #[expect(clippy::cast_possible_truncation, reason = "offsets wrap at 32 bits")]
            Encoding::Offset32 => self
                .stack
                .replace_reference(address, GcRef::from_bits(word as u32)),
            Encoding::BasePlusOffset64 => self.stack.replace_word(address, word),
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "shows references in memory of its own")]
mod tests;
