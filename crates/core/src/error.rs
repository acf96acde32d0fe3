//! What can go wrong with a heap, as data a caller can act on.

use std::fmt;

/// Bytes as a person writes them: `64 KiB`, `1.5 GiB`, `17 bytes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            let size = 1_u64 << shift;
            if self.0 >= size {
                let tenths = (u128::from(self.0) * 10) >> shift;
                return if self.0.is_multiple_of(size) {
                    write!(f, "{} {unit}", self.0 / size)
                } else {
                    write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
                };
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

/// What was found broken in a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// A header's type id names no type, or none that has objects.
    #[error("the header of the object at {offset:#x} names no type")]
    Header {
        /// Where the object should be.
        offset: u32,
    },
    /// Objects take more room than was ever allocated.
    #[error("objects claim more room than was allocated (found at {offset:#x})")]
    Size {
        /// The object whose size does not fit.
        offset: u32,
    },
    /// A reference leads to no object.
    #[error("the reference {bits:#x} at {offset:#x} leads to no object")]
    Reference {
        /// Where the reference was found; zero for a root.
        offset: u32,
        /// The reference.
        bits: u32,
    },
    /// An `externref` object's id belongs to another object, or to none.
    #[error("the host data id {id} in the object at {offset:#x} is not that object's")]
    HostData {
        /// The object.
        offset: u32,
        /// The id found in it.
        id: u32,
    },
    /// A function id names no function of the expected signature.
    #[error("the function id {id} names no function of the expected signature")]
    Function {
        /// The id.
        id: u32,
    },
}

/// An error of a heap or of the isolate around it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeapError {
    /// There is no room, after collecting and growing as far as the limit allows. The heap stays
    /// usable: drop references and try again, or raise the limit.
    #[error("the heap is full: {} needed, the limit is {}; raise the limit or keep less alive", Bytes(*needed_bytes), Bytes(*limit_bytes))]
    HeapFull {
        /// Bytes of the allocation that failed.
        needed_bytes: u64,
        /// The hard limit on committed bytes.
        limit_bytes: u64,
    },
    /// The heap holds what cannot be. It is poisoned: every later call returns this error.
    #[error("the heap is corrupt: {0}")]
    Corrupt(#[from] Corruption),
    /// A collection is needed, in a scope that forbids them. The heap stays usable.
    #[error("{} are needed, for which the heap must be collected, and a NoGc scope forbids that; allocate before the scope, or leave it", Bytes(*needed_bytes))]
    CollectionForbidden {
        /// Bytes of the allocation that failed; zero where a collection was asked for.
        needed_bytes: u64,
    },
    /// A panic in a root source, or in a collector, ended a collection half-way. The heap is
    /// poisoned: every later call returns this error.
    #[error("a panic cut a collection short, so the heap cannot be used; drop its store")]
    CollectionCutShort,
    /// Compiled frames could not be followed.
    #[error("the stack of compiled frames is corrupt at pc {pc:#x}, frame {frame}: {reason}")]
    CorruptStack {
        /// The return address that could not be explained.
        pc: usize,
        /// How many frames had been walked.
        frame: u64,
        /// What was wrong with it.
        reason: &'static str,
    },
    /// Roots refer to no object although no collection has begun: whoever keeps them, compiled code
    /// or the host, lost sight of an object. Only under zeal; the heap is poisoned.
    #[error(
        "{count} roots held no object before the collection, so the mutator is at fault: {first}"
    )]
    StrayRoots {
        /// How many there are.
        count: u64,
        /// The first.
        first: String,
    },
    /// The verifier found faults: a defect of the collector or of the code that uses it.
    #[error("the heap failed verification with {faults} faults, the first: {first}")]
    VerifyFailed {
        /// How many faults there were.
        faults: u64,
        /// The first of them.
        first: String,
    },
    /// The memory for a heap could not be had from the system.
    #[error("cannot reserve {} of address space for a heap ({reason}); drop unused stores, share a pool of reservations, raise the process's limits (`ulimit -v`, `vm.max_map_count`), or use checked memory", Bytes(*bytes))]
    Reservation {
        /// Bytes asked for.
        bytes: u64,
        /// What the system said.
        reason: String,
    },
    /// What was given belongs to another isolate. The heap stays usable.
    #[error("the {what} belongs to another isolate; use it with the one that made it")]
    Foreign {
        /// What it is: a weak reference, a weak map, a heap cell.
        what: &'static str,
    },
    /// Every type id is taken.
    #[error("all {limit} type ids are in use; start a new type registry")]
    TypesExhausted {
        /// How many ids there are.
        limit: u32,
    },
    /// Every host-data id is taken.
    #[error("all {limit} host data ids are in use")]
    HostDataExhausted {
        /// How many ids there are.
        limit: u32,
    },
}
