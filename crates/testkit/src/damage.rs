//! Damage: what befalls the bytes of a heap while a mutator uses it, as plain data.
//!
//! The heap is untrusted: whatever its bytes, the host stays safe. So the damage is whatever an
//! attacker could write, or a compiler with a bug: headers, lengths, references, ids, bytes. Like a
//! step, a harm picks what it befalls among what there is, and does nothing where there is nothing.

use crate::case::{Kind, Pick, TestCase};

/// A case, and what befalls its heap meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CorruptCase {
    /// What the mutator does.
    pub case: TestCase,
    /// What befalls the heap.
    pub damage: Vec<Damage>,
}

/// One harm, and when it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Damage {
    /// Picks the step before which it is done, or the end.
    pub before: Pick,
    /// Picks the object harmed, among those that can be harmed so.
    pub victim: Pick,
    /// What is done.
    pub harm: Harm,
    /// How the mutator goes on.
    pub look: Look,
}

/// What is done to an object that the roots lead to, or to a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Harm {
    /// Flips bits of its header.
    HeaderBits {
        /// Which.
        mask: u64,
    },
    /// Gives it any type id.
    TypeId {
        /// The id; the low 24 bits count.
        id: u32,
    },
    /// Gives it the type of another object.
    OtherType {
        /// Picks that one.
        like: Pick,
    },
    /// Writes the collector's header word: an object that seems to have been forwarded.
    CollectorWord {
        /// Where to.
        forged: Forged,
    },
    /// Writes the length of an array.
    Length {
        /// The length in elements.
        length: u32,
    },
    /// Writes a reference slot of the object.
    Slot {
        /// Picks it.
        cell: Pick,
        /// What it holds then.
        forged: Forged,
    },
    /// Writes a variable of the mutator.
    Root {
        /// Picks it.
        variable: Pick,
        /// What it holds then.
        forged: Forged,
    },
    /// Writes the id in an object that stands for a host value.
    HostId {
        /// The id.
        id: u32,
    },
    /// Copies the id of another such object.
    CopiedHostId {
        /// Picks that one.
        from: Pick,
    },
    /// Writes eight bytes anywhere in the heap.
    Bytes {
        /// Picks where.
        at: u32,
        /// The bytes.
        bits: u64,
    },
}

impl Harm {
    /// What it is called in figures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HeaderBits { .. } => "header bits",
            Self::TypeId { .. } => "type id",
            Self::OtherType { .. } => "another's type",
            Self::CollectorWord { .. } => "collector word",
            Self::Length { .. } => "length",
            Self::Slot { .. } => "slot",
            Self::Root { .. } => "root",
            Self::HostId { .. } => "host id",
            Self::CopiedHostId { .. } => "copied host id",
            Self::Bytes { .. } => "bytes",
        }
    }
}

/// A reference that is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Forged {
    /// To the object that is harmed.
    Itself,
    /// To some object.
    Object(Pick),
    /// To the middle of some object, or past its end.
    Inside {
        /// Picks the object.
        object: Pick,
        /// Eight bytes each, from its start.
        words: u8,
    },
    /// To some object, and not aligned.
    Misaligned {
        /// Picks the object.
        object: Pick,
        /// Picks the low bits.
        bits: u8,
    },
    /// To where the largest offsets and the smallest meet.
    Edge {
        /// Bytes from zero; negative ones are counted down from 4 GiB.
        distance: i32,
    },
    /// What dead space is filled with.
    Poison,
    /// Any bits.
    Bits(u32),
}

/// How the mutator goes on after a harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Look {
    /// As if nothing had happened.
    Away,
    /// It reads everything it can reach.
    Read,
    /// It asks the heap to verify itself.
    Verify,
    /// It collects.
    Collect(Kind),
}
