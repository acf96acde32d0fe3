//! The records of statepoints, and what they say in this crate's terms.
//!
//! LLVM writes of a `gc.statepoint`, in this order: three constants (the calling convention, flags,
//! the number of values for deoptimisation), those values, a pair of a base and a pointer derived
//! from it for every reference that is live, and the variables on the stack whose contents the
//! client named as live. The pairs are not counted. A variable is the only one of these that is an
//! address on the stack, so variables begin where the first such address does.

use super::{RawLocation, StackMapError, StackMapFunction, StackMapRecord};
use crate::code::Safepoint;
use crate::location::{Encoding, Location, Place};
use crate::registers::{RETURN_ADDRESS, Register};
use hashbrown::HashMap;
use smallvec::SmallVec;

/// The id that LLVM gives statepoints unless the call has the attribute `"statepoint-id"`.
///
/// A record does not say what made it. Whoever compiles code chose the ids of its stack maps and
/// patch points, and says by them which records are statepoints'; [`StackMapRecord::statepoint`]
/// refuses most others, but a stack map of zeros looks like a statepoint without references.
pub const STATEPOINT_ID: u64 = 0xabcd_ef00;

/// What LLVM writes for a reference that has no defined value.
const UNDEFINED: i64 = 0xfefe_fefe;

/// The parts of a statepoint's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statepoint<'a> {
    /// LLVM's number for the calling convention.
    pub calling_convention: i64,
    /// Bit 0: the call leaves for code of another collector; bit 1: values for deoptimisation may
    /// be in registers that calls do not preserve.
    pub flags: i64,
    /// The values for deoptimisation. References among them are among `pairs` too.
    pub deoptimisation: &'a [RawLocation],
    /// Base, derived pointer, base, derived pointer: an even number.
    pub pairs: &'a [RawLocation],
    /// Variables on the stack that hold a reference each.
    pub variables: &'a [RawLocation],
    record: StackMapRecord<'a>,
}

/// Sorts safepoints and drops repetitions.
pub(super) fn sort(safepoints: &mut Vec<Safepoint>) {
    safepoints.sort_by_key(|safepoint| safepoint.return_offset);
    safepoints.dedup();
}

impl StackMapFunction<'_> {
    /// Its safepoints in ascending order, of code without frame pointers, with return addresses
    /// relative to the function. See [`StackMaps::safepoints`](super::StackMaps::safepoints).
    ///
    /// # Errors
    /// Errors of [`StackMapRecord::statepoint`] and [`Statepoint::locations`].
    pub fn safepoints(
        &self,
        eight_bytes: Encoding,
        is_statepoint: impl Fn(u64) -> bool,
    ) -> Result<Vec<Safepoint>, StackMapError> {
        let mut safepoints = Vec::new();
        let range = (self.address(), 0);
        self.add_safepoints(range, eight_bytes, &is_statepoint, &mut safepoints)?;
        sort(&mut safepoints);
        Ok(safepoints)
    }

    /// Adds its safepoints, of a function `distance` bytes behind `start`.
    pub(super) fn add_safepoints(
        &self,
        (start, distance): (usize, usize),
        eight_bytes: Encoding,
        is_statepoint: &impl Fn(u64) -> bool,
        safepoints: &mut Vec<Safepoint>,
    ) -> Result<(), StackMapError> {
        for record in self.records().filter(|record| is_statepoint(record.id)) {
            let return_offset = u32::try_from(distance)
                .ok()
                .and_then(|distance| distance.checked_add(record.instruction_offset))
                .ok_or(StackMapError::FarCall {
                    offset: record.section_offset,
                    start,
                })?;
            safepoints.push(Safepoint {
                return_offset,
                // A walk without frame pointers finds the stack pointer by unwind tables.
                frame_bytes: None,
                locations: record.statepoint()?.locations(eight_bytes)?,
            });
        }
        Ok(())
    }
}

impl<'a> StackMapRecord<'a> {
    fn refuse(&self, reason: &'static str) -> StackMapError {
        StackMapError::Statepoint {
            offset: self.section_offset,
            id: self.id,
            reason,
        }
    }

    /// The parts of a statepoint's record. O(its locations).
    ///
    /// # Errors
    /// [`StackMapError::Statepoint`] if it has not the shape of one.
    pub fn statepoint(&self) -> Result<Statepoint<'a>, StackMapError> {
        let &[
            RawLocation::Constant(calling_convention),
            RawLocation::Constant(flags),
            RawLocation::Constant(values),
            ref rest @ ..,
        ] = self.locations
        else {
            return Err(self.refuse("it does not begin with three constants"));
        };
        let (deoptimisation, references) = usize::try_from(values)
            .ok()
            .and_then(|values| rest.split_at_checked(values))
            .ok_or_else(|| self.refuse("it has fewer values for deoptimisation than it says"))?;
        let is_variable = |location: &RawLocation| matches!(location, RawLocation::Direct { .. });
        let pairs = (references.iter().position(is_variable)).unwrap_or(references.len());
        let (pairs, variables) = references.split_at(pairs);
        if !pairs.len().is_multiple_of(2) {
            return Err(self.refuse("a reference has a base and no derived pointer"));
        }
        if !variables.iter().all(is_variable) {
            return Err(self.refuse("an address on the stack is not a reference"));
        }
        Ok(Statepoint {
            calling_convention,
            flags,
            deoptimisation,
            pairs,
            variables,
            record: *self,
        })
    }
}

impl Statepoint<'_> {
    /// Where the references are, each place once, derived pointers last. A place of eight bytes is
    /// encoded as `eight_bytes`, one of four as [`Encoding::Offset32`]; a pointer that is not its own
    /// base is [derived](Location::derived_from) from that, unless it is a base of others; constants,
    /// which are null or undefined, are left out with what is derived from them. A variable on the
    /// stack counts as one reference of eight bytes, for LLVM tells the size of its address alone.
    /// O(pairs).
    ///
    /// # Errors
    /// [`StackMapError::Register`] or [`StackMapError::ReferenceSize`] for a place that no collector
    /// can reach, [`StackMapError::Statepoint`] for other references that none can replace.
    pub fn locations(
        &self,
        eight_bytes: Encoding,
    ) -> Result<SmallVec<[Location; 4]>, StackMapError> {
        let mut places = Places::default();
        let sizes = || {
            let reason = "a place, or a pair, has references of two sizes";
            self.record.refuse(reason)
        };
        let mut derived = SmallVec::<[(Location, usize); 4]>::new();
        for pair in self.pairs.chunks_exact(2) {
            let base = self.place(&pair[0], eight_bytes)?;
            let pointer = self.place(&pair[1], eight_bytes)?;
            let Some(base) = base else { continue };
            let position = places.add(base).ok_or_else(sizes)?;
            if let Some(pointer) = pointer.filter(|pointer| *pointer != base) {
                if pointer.encoding() != base.encoding() {
                    return Err(sizes());
                }
                derived.push((pointer, position));
            }
        }
        for variable in self.variables {
            if let &RawLocation::Direct {
                register,
                bytes,
                offset,
            } = variable
            {
                let encoding = self.encoding(bytes, eight_bytes)?;
                let register = self.register(register)?;
                let variable = Location::memory(register, offset, encoding);
                places.add(variable).ok_or_else(sizes)?;
            }
        }
        for (pointer, position) in derived {
            let reason = "a derived pointer has its base behind 255 other references";
            let pointer = pointer.derived_from(position);
            let pointer = pointer.ok_or_else(|| self.record.refuse(reason))?;
            places.add(pointer).ok_or_else(sizes)?;
        }
        Ok(places.list)
    }

    /// The place of a reference; `None` for one that is never an object's.
    fn place(
        &self,
        location: &RawLocation,
        eight_bytes: Encoding,
    ) -> Result<Option<Location>, StackMapError> {
        let refuse = |reason| Err(self.record.refuse(reason));
        match *location {
            RawLocation::Constant(0 | UNDEFINED) => Ok(None),
            RawLocation::Constant(_) => refuse("a reference is a constant other than null"),
            RawLocation::Direct { .. } => refuse("an address on the stack is not a reference"),
            RawLocation::Indirect {
                register,
                bytes,
                offset,
            } => {
                let encoding = self.encoding(bytes, eight_bytes)?;
                let register = self.register(register)?;
                Ok(Some(Location::memory(register, offset, encoding)))
            }
            RawLocation::Register {
                register,
                bytes,
                bit_offset,
            } => {
                let encoding = self.encoding(bytes, eight_bytes)?;
                let register = self.register(register)?;
                if bit_offset != 0 || register == Register::STACK_POINTER {
                    return refuse("a reference is in a part of a register or the stack pointer");
                }
                Ok(Some(Location::register(register, encoding)))
            }
        }
    }

    fn encoding(&self, bytes: u16, eight_bytes: Encoding) -> Result<Encoding, StackMapError> {
        match bytes {
            4 => Ok(Encoding::Offset32),
            8 => Ok(eight_bytes),
            bytes => Err(StackMapError::ReferenceSize {
                offset: self.record.section_offset,
                bytes,
            }),
        }
    }

    fn register(&self, number: u16) -> Result<Register, StackMapError> {
        Register::from_dwarf(number)
            .filter(|_| number != RETURN_ADDRESS)
            .ok_or(StackMapError::Register {
                offset: self.record.section_offset,
                register: number,
            })
    }
}

/// A list of locations with each place once.
#[derive(Default)]
struct Places {
    list: SmallVec<[Location; 4]>,
    /// Their positions.
    positions: HashMap<Place, usize>,
}

impl Places {
    /// Adds a location, unless its place is known: what is derived from two bases points into the
    /// object that both refer to, and a base that is also derived from another is found anew without
    /// it. Returns its position, or `None` if the place has another encoding.
    fn add(&mut self, location: Location) -> Option<usize> {
        let next = self.list.len();
        let position = *self.positions.entry(location.place()).or_insert(next);
        if position == next {
            self.list.push(location);
        }
        (self.list[position].encoding() == location.encoding()).then_some(position)
    }
}
