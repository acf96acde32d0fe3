//! What can be wrong with stack maps that LLVM is said to have written.

/// Why a section is not what LLVM writes, or says what no collector can use. Offsets are in bytes
/// from the section's start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackMapError {
    /// The section ends early, or a count in it is forged.
    #[error(
        "the stack maps end at byte {len:#x}, before the end of {what} at byte {offset:#x}; pass the whole section"
    )]
    Truncated {
        /// Where the part begins that is cut off.
        offset: usize,
        /// Which part it is.
        what: &'static str,
        /// The section's size in bytes.
        len: usize,
    },
    /// No header of version 3 is where one must be.
    #[error(
        "the stack map table at byte {offset:#x} has version {version} and reserved bytes {reserved:02x?}; windrow reads version 3, where those are zero"
    )]
    Header {
        /// Where the table begins.
        offset: usize,
        /// Its version.
        version: u8,
        /// What follows the version.
        reserved: [u8; 3],
    },
    /// The functions of a table do not share out its records.
    #[error(
        "the stack map table at byte {offset:#x} has {records} records, but its functions do not add up to them"
    )]
    RecordCount {
        /// Where the table begins.
        offset: usize,
        /// How many records its header counts.
        records: u32,
    },
    /// A function lies beyond this machine's addresses.
    #[error("the function at byte {offset:#x} has the address {address:#x}, beyond this machine's")]
    Address {
        /// Where its entry is.
        offset: usize,
        /// Where it says the function is.
        address: u64,
    },
    /// A location of a kind that version 3 does not have.
    #[error("the location at byte {offset:#x} is of the unknown kind {kind}")]
    LocationKind {
        /// Where the location is.
        offset: usize,
        /// Its kind.
        kind: u8,
    },
    /// A constant that is not in its table.
    #[error(
        "the location at byte {offset:#x} is constant number {index} of a table that has {constants}"
    )]
    ConstantIndex {
        /// Where the location is.
        offset: usize,
        /// Its constant's number.
        index: i32,
        /// How many constants the table has.
        constants: usize,
    },
    /// A record that was said to be a statepoint's and has not the shape of one, or holds references
    /// where a collector cannot replace them.
    #[error("the record at byte {offset:#x}, with id {id:#x}, is no statepoint's: {reason}")]
    Statepoint {
        /// Where the record is.
        offset: usize,
        /// Its id.
        id: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A reference in, or relative to, a register that a walk does not know the value of.
    #[error(
        "the record at byte {offset:#x} needs the register with number {register} in DWARF, which calls do not preserve"
    )]
    Register {
        /// Where the record is.
        offset: usize,
        /// The register's number in DWARF.
        register: u16,
    },
    /// A reference that is neither four nor eight bytes long.
    #[error(
        "the record at byte {offset:#x} has a reference of {bytes} bytes; references have 4 or 8"
    )]
    ReferenceSize {
        /// Where the record is.
        offset: usize,
        /// The reference's size in bytes.
        bytes: u16,
    },
    /// A call more than 4 GiB from where its range of code begins.
    #[error(
        "the record at byte {offset:#x} is of a call more than 4 GiB behind {start:#x}; register smaller ranges"
    )]
    FarCall {
        /// Where the record is.
        offset: usize,
        /// Where the range begins.
        start: usize,
    },
}
