//! Unwind tables for placed code: an `.eh_frame` section with absolute addresses.
//!
//! Cranelift says of each function how its prologue saves registers; here this becomes one common
//! entry (CIE) for the instruction set and one entry (FDE) a function, as *System V ABI, AMD64
//! supplement*, section 4.2.4, and *DWARF 5*, section 6.4, lay them out. A function takes some forty
//! bytes.
//!
//! The rules hold at every call, and everywhere else but in prologues' last and epilogues' few
//! instructions: Cranelift describes no epilogues, so that an unwinder started by a signal in one is
//! one frame off.
//!
//! # The stack pointer after tail calls
//! By the table, the caller's stack pointer is the CFA. A tail call to a function that takes more or
//! less room for arguments moves the return address and the saved frame pointer by the difference,
//! which depends on the functions gone through and is in no table; the return pops as many bytes as
//! makes up for it. So return addresses and frame pointers are right in every frame, and a recovered
//! *stack* pointer only where no such call was made: slots of a stack map are to be found from the
//! frame pointer, at `fp - frame_bytes + offset`.

use crate::compile::{CompileError, CompiledFunction};
use cranelift_codegen::ir::Endianness;
use cranelift_codegen::isa::TargetIsa;
use gimli::RunTimeEndian;
use gimli::write::{Address, CommonInformationEntry, EhFrame, EndianVec, FrameTable};

/// Writes the unwind tables of placed functions. Made once for an instruction set.
#[derive(Clone, Debug)]
pub struct UnwindTables {
    cie: Option<CommonInformationEntry>,
    endian: RunTimeEndian,
}

impl UnwindTables {
    /// For code compiled for `isa`.
    #[must_use]
    pub fn new(isa: &dyn TargetIsa) -> Self {
        let endian = match isa.endianness() {
            Endianness::Little => RunTimeEndian::Little,
            Endianness::Big => RunTimeEndian::Big,
        };
        Self {
            cie: isa.create_systemv_cie(),
            endian,
        }
    }

    /// The section for functions that lie at these addresses: it starts with a common entry, and
    /// ends with a length of zero, as `__register_frame` wants it. Addresses are absolute
    /// (`DW_EH_PE_absptr`), so it may lie anywhere. Empty where no function says how it is unwound.
    ///
    /// Costs a few hundred nanoseconds a function.
    ///
    /// # Errors
    /// [`CompileError::UnwindTable`] for rules that have no encoding.
    pub fn eh_frame<'a>(
        &self,
        functions: impl IntoIterator<Item = (usize, &'a CompiledFunction)>,
    ) -> Result<Vec<u8>, CompileError> {
        let Some(cie) = &self.cie else {
            return Ok(Vec::new());
        };
        let mut table = FrameTable::default();
        let cie = table.add_cie(cie.clone());
        for (address, function) in functions {
            if let Some(unwind) = &function.unwind {
                table.add_fde(cie, unwind.to_fde(Address::Constant(address as u64)));
            }
        }
        if table.fde_count() == 0 {
            return Ok(Vec::new());
        }
        let mut section = EhFrame(EndianVec::new(self.endian));
        table
            .write_eh_frame(&mut section)
            .map_err(|error| CompileError::UnwindTable {
                reason: error.to_string(),
            })?;
        let mut bytes = section.0.into_vec();
        bytes.extend([0; 4]);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
