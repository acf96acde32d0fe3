//! Stack maps as LLVM writes them: the section `.llvm_stackmaps`, version 3.
//!
//! Every module that LLVM compiles contributes a table, and a linker puts them one behind another:
//! ```text
//! header       version, numbers of functions, constants and records
//! functions    address, stack size, number of records
//! constants    those too large for a location
//! records      of one function after another: id, place in the function, locations, live registers
//! ```
//! [`StackMaps::parse`] checks all of it and keeps functions, records and locations in three lists,
//! about as large as the section. Records of `gc.statepoint` calls become [safepoints](Safepoint)
//! with [`StackMaps::safepoints`], whose frames are walked by unwind tables; others are there to be read.
//!
//! The addresses are what the linker and the loader made of them: parse the section as it lies in
//! memory, not in a file whose addresses are still to be relocated. Nothing here reads the code.
//!
//! Format: *Stack maps and patch points in LLVM*, "Stack Map Format"; *Garbage Collection
//! Safepoints in LLVM*, "Stack Map Format".

mod error;
mod reader;
mod statepoint;

pub use error::StackMapError;
pub use statepoint::{STATEPOINT_ID, Statepoint};

use crate::code::Safepoint;
use crate::location::Encoding;
use reader::Reader;
use std::ops::Range;

/// The version of the format that is read.
const VERSION: u8 = 3;
/// Sizes in bytes of a function's entry, a constant, the smallest record, a location and a live
/// register.
const FUNCTION_BYTES: usize = 24;
const CONSTANT_BYTES: usize = 8;
const RECORD_BYTES: usize = 24;
const LOCATION_BYTES: usize = 12;
const LIVE_OUT_BYTES: usize = 4;

/// Where a value is while a call runs, in LLVM's terms. Registers go by their numbers in DWARF.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RawLocation {
    /// In a register.
    Register {
        /// The register.
        register: u16,
        /// The value's size in bytes.
        bytes: u16,
        /// Where it begins in the register, in bits.
        bit_offset: i32,
    },
    /// The value is an address on the stack, of a variable, this far from what the register holds.
    Direct {
        /// The register.
        register: u16,
        /// The address's size in bytes.
        bytes: u16,
        /// Distance in bytes.
        offset: i32,
    },
    /// In memory, this far from what the register holds.
    Indirect {
        /// The register.
        register: u16,
        /// The value's size in bytes.
        bytes: u16,
        /// Distance in bytes.
        offset: i32,
    },
    /// Known to the compiler.
    Constant(i64),
}

/// A register whose value the code behind a call needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LiveOut {
    /// The register's number in DWARF.
    pub register: u16,
    /// How many bytes of it.
    pub bytes: u8,
}

/// What LLVM says of one place in the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackMapRecord<'a> {
    /// What the client called it.
    pub id: u64,
    /// Where it is, in bytes from the function's start: of a statepoint, where its call returns to.
    pub instruction_offset: u32,
    /// Where the values are that the client asked for.
    pub locations: &'a [RawLocation],
    /// Registers that are live behind it. Statepoints have none.
    pub live_outs: &'a [LiveOut],
    /// Where the record is in the section, for errors.
    section_offset: usize,
}

/// A function with its records.
#[derive(Clone, Copy, Debug)]
pub struct StackMapFunction<'a> {
    maps: &'a StackMaps,
    entry: &'a FunctionEntry,
}

impl<'a> StackMapFunction<'a> {
    /// Address of the first byte; zero if the linker left the function out.
    #[must_use]
    pub fn address(&self) -> usize {
        self.entry.address
    }

    /// Bytes of the frame, from below the return address down to the stack pointer, without the
    /// arguments that a call pushes. `None` if it differs from call to call.
    #[must_use]
    pub fn stack_bytes(&self) -> Option<u64> {
        (self.entry.stack_bytes != u64::MAX).then_some(self.entry.stack_bytes)
    }

    /// Its records, in the order of the section.
    pub fn records(&self) -> impl ExactSizeIterator<Item = StackMapRecord<'a>> + use<'a> {
        let maps = self.maps;
        let entries = &maps.records[self.entry.records.clone()];
        entries.iter().map(|entry| StackMapRecord {
            id: entry.id,
            instruction_offset: entry.instruction_offset,
            locations: &maps.locations[entry.locations.clone()],
            live_outs: &maps.live_outs[entry.live_outs.clone()],
            section_offset: entry.section_offset,
        })
    }
}

/// The stack maps of a section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StackMaps {
    functions: Vec<FunctionEntry>,
    records: Vec<RecordEntry>,
    locations: Vec<RawLocation>,
    live_outs: Vec<LiveOut>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct FunctionEntry {
    address: usize,
    stack_bytes: u64,
    records: Range<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct RecordEntry {
    id: u64,
    instruction_offset: u32,
    section_offset: usize,
    locations: Range<usize>,
    live_outs: Range<usize>,
}

impl StackMaps {
    /// Reads a section: the tables of any number of modules, padded with zeros to multiples of eight
    /// bytes. Costs time and memory in proportion to its size, whatever its bytes say.
    ///
    /// # Errors
    /// Any [`StackMapError`] but those of statepoints: the bytes are no such section.
    pub fn parse(section: &[u8]) -> Result<Self, StackMapError> {
        let mut maps = Self::default();
        let mut reader = Reader::new(section);
        while reader.skip_padding() {
            maps.read_table(&mut reader)?;
        }
        Ok(maps)
    }

    /// The functions with records, in the order of the section.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = StackMapFunction<'_>> {
        let maps = self;
        (self.functions.iter()).map(move |entry| StackMapFunction { maps, entry })
    }

    /// The safepoints of the functions that begin in the `len` bytes of code from `start`, in
    /// ascending order, with return addresses relative to `start`: what a
    /// [`CodeRange`](crate::CodeRange) needs. Records of ids that `is_statepoint` denies are left
    /// out; see [`STATEPOINT_ID`]. References of eight bytes are encoded as `eight_bytes`. Costs
    /// O(records).
    ///
    /// # Errors
    /// Errors of [`StackMapFunction::safepoints`], and [`StackMapError::FarCall`].
    pub fn safepoints(
        &self,
        start: usize,
        len: usize,
        eight_bytes: Encoding,
        is_statepoint: impl Fn(u64) -> bool,
    ) -> Result<Vec<Safepoint>, StackMapError> {
        let mut safepoints = Vec::new();
        for function in self.functions() {
            let Some(distance) = function.address().checked_sub(start) else {
                continue;
            };
            if distance < len {
                function.add_safepoints(
                    (start, distance),
                    eight_bytes,
                    &is_statepoint,
                    &mut safepoints,
                )?;
            }
        }
        statepoint::sort(&mut safepoints);
        Ok(safepoints)
    }

    fn read_table(&mut self, reader: &mut Reader<'_>) -> Result<(), StackMapError> {
        let offset = reader.offset();
        let [version, reserved @ ..] = reader.bytes::<4>("a header")?;
        if version != VERSION || reserved != [0; 3] {
            return Err(StackMapError::Header {
                offset,
                version,
                reserved,
            });
        }
        let functions = reader.u32("a header")?;
        let constants = reader.u32("a header")?;
        let records = reader.u32("a header")?;
        let first_record = self.records.len();
        let functions = self.read_functions(reader, functions)?;
        let constants = read_constants(reader, constants)?;
        self.read_records(reader, records, &constants)?;
        // Each function's records end where those of the next begin, the last one's with the table.
        let last = self.functions[functions].last();
        if last.map_or(first_record, |last| last.records.end) == self.records.len() {
            return Ok(());
        }
        Err(StackMapError::RecordCount { offset, records })
    }

    /// Returns which of the functions they are. Their records are yet to be read.
    fn read_functions(
        &mut self,
        reader: &mut Reader<'_>,
        count: u32,
    ) -> Result<Range<usize>, StackMapError> {
        const WHAT: &str = "the functions";
        let count = reader.expect(count, FUNCTION_BYTES, WHAT)?;
        let first = self.functions.len();
        self.functions.reserve(count);
        let mut next = self.records.len();
        for _ in 0..count {
            let offset = reader.offset();
            let address = reader.u64(WHAT)?;
            let address =
                usize::try_from(address).map_err(|_| StackMapError::Address { offset, address })?;
            let stack_bytes = reader.u64(WHAT)?;
            // A forged count saturates, and is found when the records are counted.
            let records = usize::try_from(reader.u64(WHAT)?).unwrap_or(usize::MAX);
            let end = next.saturating_add(records);
            self.functions.push(FunctionEntry {
                address,
                stack_bytes,
                records: next..end,
            });
            next = end;
        }
        Ok(first..self.functions.len())
    }

    fn read_records(
        &mut self,
        reader: &mut Reader<'_>,
        count: u32,
        constants: &[i64],
    ) -> Result<(), StackMapError> {
        let count = reader.expect(count, RECORD_BYTES, "the records")?;
        self.records.reserve(count);
        for _ in 0..count {
            let record = self.read_record(reader, constants)?;
            self.records.push(record);
        }
        Ok(())
    }

    fn read_record(
        &mut self,
        reader: &mut Reader<'_>,
        constants: &[i64],
    ) -> Result<RecordEntry, StackMapError> {
        const WHAT: &str = "a record";
        let section_offset = reader.offset();
        let id = reader.u64(WHAT)?;
        let instruction_offset = reader.u32(WHAT)?;
        let _reserved = reader.u16(WHAT)?;
        let count = reader.u16(WHAT)?;
        reader.expect(count.into(), LOCATION_BYTES, "a record's locations")?;
        let first_location = self.locations.len();
        for _ in 0..count {
            self.locations.push(read_location(reader, constants)?);
        }
        reader.align(WHAT)?;
        let _padding = reader.u16(WHAT)?;
        let count = reader.u16(WHAT)?;
        reader.expect(count.into(), LIVE_OUT_BYTES, "a record's live registers")?;
        let first_live_out = self.live_outs.len();
        for _ in 0..count {
            let register = reader.u16(WHAT)?;
            let [_reserved, bytes] = reader.bytes(WHAT)?;
            self.live_outs.push(LiveOut { register, bytes });
        }
        reader.align(WHAT)?;
        Ok(RecordEntry {
            id,
            instruction_offset,
            section_offset,
            locations: first_location..self.locations.len(),
            live_outs: first_live_out..self.live_outs.len(),
        })
    }
}

fn read_constants(reader: &mut Reader<'_>, count: u32) -> Result<Vec<i64>, StackMapError> {
    const WHAT: &str = "the constants";
    let count = reader.expect(count, CONSTANT_BYTES, WHAT)?;
    (0..count)
        .map(|_| reader.u64(WHAT).map(u64::cast_signed))
        .collect()
}

fn read_location(reader: &mut Reader<'_>, constants: &[i64]) -> Result<RawLocation, StackMapError> {
    const WHAT: &str = "a location";
    let at = reader.offset();
    let [kind, _reserved] = reader.bytes(WHAT)?;
    let bytes = reader.u16(WHAT)?;
    let register = reader.u16(WHAT)?;
    let _reserved = reader.u16(WHAT)?;
    let offset = reader.u32(WHAT)?.cast_signed();
    Ok(match kind {
        1 => RawLocation::Register {
            register,
            bytes,
            bit_offset: offset,
        },
        2 => RawLocation::Direct {
            register,
            bytes,
            offset,
        },
        3 => RawLocation::Indirect {
            register,
            bytes,
            offset,
        },
        4 => RawLocation::Constant(offset.into()),
        5 => usize::try_from(offset)
            .ok()
            .and_then(|index| constants.get(index))
            .map(|constant| RawLocation::Constant(*constant))
            .ok_or(StackMapError::ConstantIndex {
                offset: at,
                index: offset,
                constants: constants.len(),
            })?,
        kind => return Err(StackMapError::LocationKind { offset: at, kind }),
    })
}

#[cfg(test)]
mod tests;
