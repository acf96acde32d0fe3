//! An unwind table of compiled code: an `.eh_frame` section, indexed.
//!
//! The section is read once from its beginning to its end, and every stretch of code that an entry
//! covers goes into a sorted list: O(n log n) to make, 24 bytes an entry besides the section itself,
//! O(log n) to look an address up. The rows themselves are read at each lookup; who walks keeps
//! them.
//!
//! Entries that cover the same code twice are refused: which of them is true cannot be known.

use crate::StackError;
use crate::frame_section::{FrameSection, UnwindScratch, Unwinding};
use crate::registers::{Register, Registers};
use crate::row::Step;
use crate::walk::{StackMemory, WalkFault};
use gimli::{CieOrFde, UnwindSection};
use std::sync::Arc;

/// The unwind table of some code.
#[derive(Debug)]
pub struct FrameTable {
    bytes: Arc<[u8]>,
    address: usize,
    /// By address, none overlapping another.
    covered: Vec<Covered>,
}

/// Code that an entry covers.
#[derive(Debug)]
struct Covered {
    start: usize,
    end: usize,
    /// The entry's offset in the section.
    entry: usize,
}

impl FrameTable {
    /// Indexes an `.eh_frame` section. `address` is where its first byte lies, or would lie, for
    /// entries that say how far from themselves their code is; absolute addresses do without.
    ///
    /// The section ends with its bytes or with an entry of no length. Costs O(n log n).
    ///
    /// # Errors
    /// [`StackError::BadUnwindTable`] for bytes that are no such section, and for two entries that
    /// cover the same code.
    pub fn new(bytes: impl Into<Arc<[u8]>>, address: usize) -> Result<Self, StackError> {
        let mut table = Self {
            bytes: bytes.into(),
            address,
            covered: Vec::new(),
        };
        table.covered = table.index()?;
        Ok(table)
    }

    fn index(&self) -> Result<Vec<Covered>, StackError> {
        let view = self.section();
        let (section, bases) = view.parts();
        let mut covered = Vec::new();
        // Each is read once however many share it: an entry may point to any place before it.
        let mut shared = Vec::new();
        let mut entries = section.entries(bases);
        let mut at = 0;
        loop {
            let bad = |error: gimli::Error| bad_table(at, error.to_string());
            match entries.next().map_err(bad)? {
                None => break,
                Some(CieOrFde::Cie(cie)) => {
                    let offset = cie.offset();
                    at = self.end_of_entry(offset, cie.entry_len());
                    shared.push((offset, cie));
                }
                Some(CieOrFde::Fde(partial)) => {
                    let offset = partial.offset();
                    let entry = partial
                        .parse(|_, _, offset| {
                            shared
                                .binary_search_by_key(&offset.0, |cie| cie.0)
                                .map(|position| shared[position].1.clone())
                                .map_err(|_| gimli::Error::NotCieId(offset.0 as u64))
                        })
                        .map_err(|error| bad_table(offset, error.to_string()))?;
                    covered.extend(Covered::new(entry.initial_address(), entry.len(), offset)?);
                    at = self.end_of_entry(offset, entry.entry_len());
                }
            }
        }
        covered.sort_unstable_by_key(|covered| covered.start);
        match covered.windows(2).find(|two| two[0].end > two[1].start) {
            Some(two) => {
                let (entry, other) = (two[1].entry, two[0].entry);
                let reason = format!("it covers code that the entry at {other:#x} covers");
                Err(bad_table(entry, reason))
            }
            None => Ok(covered),
        }
    }

    /// Where the next entry begins.
    fn end_of_entry(&self, offset: usize, len: usize) -> usize {
        let is_long = self
            .bytes
            .get(offset..)
            .is_some_and(|entry| entry.starts_with(&[0xff; 4]));
        offset + if is_long { 12 } else { 4 } + len
    }

    fn section(&self) -> FrameSection<'_> {
        FrameSection::new(&self.bytes, self.address)
    }

    /// The stretches of code that the table covers, as start and end, in ascending order.
    pub fn covered(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.covered
            .iter()
            .map(|covered| (covered.start, covered.end))
    }

    /// How to find the caller of a frame for which [`CodeAddress::lookup`] gives `address`.
    ///
    /// [`CodeAddress::lookup`]: crate::CodeAddress::lookup
    pub(crate) fn unwinding(&self, address: usize, scratch: &mut UnwindScratch) -> Unwinding {
        match self.entry(address) {
            Some(entry) => self.section().unwinding(entry, address, scratch),
            None => Unwinding::NoInfo,
        }
    }

    /// The entry that covers an address, by its offset in the section.
    pub(crate) fn entry(&self, address: usize) -> Option<usize> {
        let after = self
            .covered
            .partition_point(|covered| covered.start <= address);
        let covered = &self.covered[after.checked_sub(1)?];
        (address < covered.end).then_some(covered.entry)
    }

    /// Turns the registers of a frame into those of its caller, by [`Unwinding::Interpreted`].
    ///
    /// # Errors
    /// What makes the step impossible.
    pub(crate) fn interpret<M: StackMemory>(
        &self,
        entry: usize,
        memory: &M,
        registers: &mut Registers,
        scratch: &mut UnwindScratch,
    ) -> Result<Step, WalkFault> {
        self.section().caller(entry, memory, registers, scratch)
    }

    /// Turns the registers of a frame into those of its caller and returns where the frame ended:
    /// the caller's stack pointer, but for signals. `None` if the frame has no caller.
    ///
    /// For tools and tests: reads the row anew each time, in about a microsecond; walks keep rows.
    ///
    /// # Errors
    /// What makes the step impossible; the registers are then neither frame's.
    ///
    /// # Panics
    /// With debug assertions, the row is interpreted as well; if that finds another caller, which
    /// is a bug here, this panics.
    pub fn caller<M: StackMemory>(
        &self,
        memory: &M,
        registers: &mut Registers,
    ) -> Result<Option<usize>, WalkFault> {
        let scratch = &mut UnwindScratch::default();
        let address = registers.pc.lookup();
        let entry = self.entry(address).ok_or(WalkFault::NoUnwindInfo)?;
        let frame = *registers;
        let step = match self.unwinding(address, scratch) {
            Unwinding::Compact(row) => {
                let step = row.step(memory, registers);
                if cfg!(debug_assertions) {
                    let mut interpreted = frame;
                    let other = self.interpret(entry, memory, &mut interpreted, scratch);
                    // Which of several faults is met first is all that may differ.
                    assert_eq!(step.ok(), other.ok(), "{row:?} of {frame:x?}");
                    if step.is_ok() {
                        assert_eq!(
                            known(registers),
                            known(&interpreted),
                            "{row:?} of {frame:x?}"
                        );
                    }
                }
                step
            }
            Unwinding::Interpreted(entry) => self.interpret(entry, memory, registers, scratch),
            Unwinding::NoInfo => Err(WalkFault::NoUnwindInfo),
        };
        Ok(match step? {
            Step::Caller(end) => Some(end),
            Step::Outermost => None,
        })
    }
}

impl Covered {
    /// Nothing for an entry that covers nothing.
    fn new(start: u64, len: u64, entry: usize) -> Result<Option<Self>, StackError> {
        if len == 0 {
            return Ok(None);
        }
        let bounds = start
            .checked_add(len)
            .and_then(|end| Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?)));
        match bounds {
            Some((start, end)) => Ok(Some(Self { start, end, entry })),
            None => Err(bad_table(
                entry,
                "its code wraps around the address space".to_owned(),
            )),
        }
    }
}

/// All that is known of a frame.
fn known(registers: &Registers) -> impl PartialEq + std::fmt::Debug {
    let words =
        Register::BY_POSITION.map(|register| (registers.get(register), registers.home(register)));
    (registers.pc, words)
}

fn bad_table(offset: usize, reason: String) -> StackError {
    StackError::BadUnwindTable { offset, reason }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
