//! Alias regions: what kinds of memory never overlap.
//!
//! Cranelift keeps a loaded or stored value in a register until something is stored to the same
//! region, or a call is made. Two fields at different offsets never share an address (objects do
//! not overlap), so each offset has a region of its own; likewise elements of different sizes.
//! Offsets share a few dozen regions, because the analysis keeps a word per region and block.
//! A corrupt heap may break the rule; then a program sees stale values, inside the sandbox.

use cranelift_codegen::ir::{AliasRegion, AliasRegionData, Function, MemFlagsData};
use std::borrow::Cow;

/// A kind of memory that overlaps no other kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Region {
    /// The allocation words of the mutator state: cursor and limit.
    Allocation,
    /// The words that say where memory is: heap base and length.
    Memory,
    /// The words that say where tables are: types, functions.
    Tables,
    /// The words of the innermost activation.
    Activation,
    /// Entries of the type tables.
    Types,
    /// Entries of the function table.
    Functions,
    /// Object headers.
    Header,
    /// Array lengths.
    Length,
    /// The bits that say which slots owe a barrier.
    LogBits,
    /// Struct fields at this offset.
    Field(u32),
    /// Array elements of this log2 of bytes.
    Elements(u8),
    /// The home of the reference variable with this index.
    Home(u32),
    /// Whatever the client keeps apart from all of these, by a number of its own.
    Client(u32),
}

const HOMES: u32 = 16;
const FIELDS: u32 = 32;
const FIRST_ELEMENTS: u32 = 16;
const FIRST_HOME: u32 = 32;
const FIRST_FIELD: u32 = 64;
const FIRST_CLIENT: u32 = 256;

impl Region {
    /// The region's number within a function. Several offsets, and several homes, share one.
    const fn id(self) -> u32 {
        match self {
            Self::Allocation => 0,
            Self::Memory => 1,
            Self::Tables => 2,
            Self::Activation => 3,
            Self::Types => 4,
            Self::Functions => 5,
            Self::Header => 6,
            Self::Length => 7,
            Self::LogBits => 8,
            Self::Elements(log2) => FIRST_ELEMENTS + log2 as u32 % 8,
            Self::Home(index) => FIRST_HOME + index % HOMES,
            Self::Field(offset) => FIRST_FIELD + (offset / 4) % FIELDS,
            Self::Client(number) => FIRST_CLIENT.saturating_add(number),
        }
    }

    fn description(self) -> Cow<'static, str> {
        match self {
            Self::Allocation => "allocation".into(),
            Self::Memory => "memory".into(),
            Self::Tables => "tables".into(),
            Self::Activation => "activation".into(),
            Self::Types => "types".into(),
            Self::Functions => "functions".into(),
            Self::Header => "header".into(),
            Self::Length => "length".into(),
            Self::LogBits => "log bits".into(),
            Self::Elements(log2) => format!("elements of {} bytes", 1_u32 << (log2 % 8)).into(),
            Self::Home(index) => format!("home {}", index % HOMES).into(),
            Self::Field(offset) => format!("field {}", (offset / 4) % FIELDS).into(),
            Self::Client(number) => format!("client {number}").into(),
        }
    }

    /// The region in `func`, made on first use.
    pub fn declare(self, func: &mut Function) -> AliasRegion {
        let regions = &mut func.dfg.alias_regions;
        match regions.get(self.id()) {
            Some(region) => region,
            None => regions.insert(AliasRegionData {
                user_id: self.id(),
                description: self.description(),
            }),
        }
    }

    /// Flags of an access to trusted memory in this region: aligned, and it never traps.
    pub fn trusted(self, func: &mut Function) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.declare(func)))
    }
}
