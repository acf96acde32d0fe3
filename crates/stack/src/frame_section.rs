//! The bytes of an `.eh_frame` section, and the rows found in them.
//!
//! How an entry is found differs (an index of one's own, the table that linkers make); what it says
//! is read here, by gimli. The bytes may be wrong in any way: every look at them ends, after work
//! in proportion to the length of the entry and of the one it shares its beginning with.

use crate::interpret::Interpreter;
use crate::registers::Registers;
use crate::row::{Row, Step};
use crate::walk::{StackMemory, WalkFault};
use gimli::{
    BaseAddresses, EhFrame, EhFrameOffset, EndianSlice, FrameDescriptionEntry, NativeEndian,
    SectionBaseAddresses, UnwindContext, UnwindSection,
};

/// Bytes as gimli reads them.
pub(crate) type Bytes<'a> = EndianSlice<'a, NativeEndian>;

/// How to find the caller of a frame that stands at some address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unwinding {
    /// By this row.
    Compact(Row),
    /// By interpreting, at each step, the entry at this offset of the section.
    Interpreted(usize),
    /// No entry covers the address.
    NoInfo,
}

/// Memory to read rows with, some 20 KB: to be kept from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct UnwindScratch(UnwindContext<usize>);

/// An `.eh_frame` section.
#[derive(Clone, Debug)]
pub(crate) struct FrameSection<'a> {
    section: EhFrame<Bytes<'a>>,
    bases: BaseAddresses,
}

impl<'a> FrameSection<'a> {
    /// The section whose first byte has this address once its code is in place, which matters where
    /// entries say how far from themselves their code is.
    pub(crate) fn new(bytes: &'a [u8], address: usize) -> Self {
        let mut section = EhFrame::new(bytes, NativeEndian);
        if cfg!(target_arch = "aarch64") {
            section.set_vendor(gimli::Vendor::AArch64);
        }
        let bases = BaseAddresses {
            eh_frame: SectionBaseAddresses {
                section: Some(address as u64),
                ..SectionBaseAddresses::default()
            },
            ..BaseAddresses::default()
        };
        Self { section, bases }
    }

    /// The section as gimli has it.
    pub(crate) fn parts(&self) -> (&EhFrame<Bytes<'a>>, &BaseAddresses) {
        (&self.section, &self.bases)
    }

    /// The entry at an offset of the section.
    pub(crate) fn entry(
        &self,
        offset: usize,
    ) -> Result<FrameDescriptionEntry<Bytes<'a>>, gimli::Error> {
        self.section
            .fde_from_offset(&self.bases, EhFrameOffset(offset), EhFrame::cie_from_offset)
    }

    /// What the entry at an offset of the section says of frames that stand at `address`. What is
    /// wrong with it becomes apparent when it is interpreted.
    pub(crate) fn unwinding(
        &self,
        entry: usize,
        address: usize,
        scratch: &mut UnwindScratch,
    ) -> Unwinding {
        let Ok(found) = self.entry(entry) else {
            return Unwinding::Interpreted(entry);
        };
        if !found.contains(address as u64) {
            return Unwinding::NoInfo;
        }
        let row = found.unwind_info_for_address(
            &self.section,
            &self.bases,
            &mut scratch.0,
            address as u64,
        );
        match row {
            Ok(row) => {
                let cie = found.cie();
                Row::compile(
                    row,
                    cie.return_address_register(),
                    cie.is_signal_trampoline(),
                )
                .map_or(Unwinding::Interpreted(entry), Unwinding::Compact)
            }
            Err(gimli::Error::NoUnwindInfoForAddress) => Unwinding::NoInfo,
            Err(_) => Unwinding::Interpreted(entry),
        }
    }

    /// Turns the registers of a frame into those of its caller by interpreting the entry at an
    /// offset of the section.
    ///
    /// # Errors
    /// As [`Row::caller`], and [`WalkFault::BadUnwindInfo`] for what is wrong with the entry,
    /// [`WalkFault::NoUnwindInfo`] if it does not cover the frame.
    pub(crate) fn caller<M: StackMemory>(
        &self,
        entry: usize,
        memory: &M,
        registers: &mut Registers,
        scratch: &mut UnwindScratch,
    ) -> Result<Step, WalkFault> {
        let fault = |error| match error {
            gimli::Error::NoUnwindInfoForAddress => WalkFault::NoUnwindInfo,
            _ => WalkFault::BadUnwindInfo,
        };
        let address = registers.pc.lookup() as u64;
        let found = self.entry(entry).map_err(fault)?;
        let row = found
            .unwind_info_for_address(&self.section, &self.bases, &mut scratch.0, address)
            .map_err(fault)?;
        Interpreter {
            section: &self.section,
            row,
            cie: found.cie(),
            memory,
            registers: *registers,
        }
        .caller()
        .map(|(step, caller)| {
            *registers = caller;
            step
        })
    }
}
