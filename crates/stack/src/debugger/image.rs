//! An object file in memory, of code that is in memory already.
//!
//! It is an ELF executable of three sections: `.text`, which has no bytes in the file but the
//! address of the code; `.eh_frame`, a copy of its unwind table; `.symtab`, its functions. Debuggers
//! take the sections' addresses for what they are, as nothing is to be relocated.

use crate::error::StackError;
use object::elf;
use object::write::elf::{FileHeader, SectionHeader, SinglePhaseWriter, Sym};
use object::{Endianness, NativeEndian};
use std::mem::{offset_of, size_of};
use std::ops::Range;

/// What a debugger is told of a range of code.
#[derive(Debug)]
pub struct DebuggerImage {
    bytes: Box<[u8]>,
}

/// The positions of sections behind the null section, in the order of their headers.
const TEXT: u32 = 1;
const EH_FRAME: u32 = 2;

impl DebuggerImage {
    /// An image of the code at `range`, whose unwind table has absolute addresses, with its
    /// functions and their names.
    ///
    /// Of names, control characters are replaced. Costs a few hundred bytes, 24 a function, its
    /// name, and a copy of the table.
    ///
    /// # Errors
    /// [`StackError::DebuggerImage`] if the names exceed 4 GiB.
    pub fn new(
        range: Range<usize>,
        eh_frame: &[u8],
        functions: impl IntoIterator<Item = (Range<usize>, String)>,
    ) -> Result<Self, StackError> {
        let functions: Vec<_> = functions
            .into_iter()
            .map(|(range, name)| (range, name.replace(char::is_control, "?")))
            .collect();
        let (mut bytes, headers) =
            write(range, eh_frame, &functions).map_err(|error| StackError::DebuggerImage {
                reason: error.to_string(),
            })?;
        set_address(&mut bytes, headers, EH_FRAME);
        Ok(Self { bytes })
    }

    /// The object file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The file, and where in it the section headers start. The table's section has its place in the file
/// for an address.
fn write(
    range: Range<usize>,
    eh_frame: &[u8],
    functions: &[(Range<usize>, String)],
) -> object::write::Result<(Box<[u8]>, usize)> {
    let (mut bytes, mut header) = (Vec::new(), Vec::new());
    let endian = if cfg!(target_endian = "little") {
        Endianness::Little
    } else {
        Endianness::Big
    };
    let mut file = SinglePhaseWriter::new_single_phase(endian, true, &mut bytes);
    file.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: MACHINE,
        e_entry: 0,
        e_flags: elf::FileFlags(0),
    })?;
    let eh_frame_offset = file.write_align(8);
    file.write(eh_frame);
    file.write_null_symbol();
    for (function, name) in functions {
        let name = file.add_string(name.as_bytes());
        file.write_symbol(&Sym {
            section: Some(TEXT),
            st_name: file.string_offset(Some(name)),
            st_info: elf::SymbolInfo::new(elf::STB_LOCAL, elf::STT_FUNC),
            st_other: elf::SymbolOther(0),
            st_shndx: elf::SHN_UNDEF,
            st_value: function.start as u64,
            st_size: function.len() as u64,
        });
    }
    file.write_strtab()?;
    let text = file.add_section_name(b".text");
    let table = file.add_section_name(b".eh_frame");
    file.write_shstrtab()?;
    let headers = file.write_null_section_header();
    let section = SectionHeader {
        sh_name: file.section_name_offset(Some(text)),
        sh_type: elf::SHT_NOBITS,
        sh_flags: elf::SHF_ALLOC | elf::SHF_EXECINSTR,
        sh_addr: range.start as u64,
        sh_offset: eh_frame_offset,
        sh_size: range.len() as u64,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: 1,
        sh_entsize: 0,
    };
    file.write_section_header(&section);
    file.write_section_header(&SectionHeader {
        sh_name: file.section_name_offset(Some(table)),
        sh_type: elf::SHT_PROGBITS,
        sh_flags: elf::SHF_ALLOC,
        sh_addr: eh_frame_offset,
        sh_size: eh_frame.len() as u64,
        ..section
    });
    file.write_strtab_section_header();
    let locals = functions.len() + 1;
    file.write_symtab_section_header(u32::try_from(locals).unwrap_or(u32::MAX));
    file.write_shstrtab_section_header();
    file.write_file_header_to(&mut header)?;
    bytes[..header.len()].copy_from_slice(&header);
    let headers = usize::try_from(headers).expect("an offset in a slice");
    Ok((bytes.into_boxed_slice(), headers))
}

/// Gives a section the address that its bytes have in the image. With another, a debugger would look
/// for other things there, and take the sections of two images for overlapping.
fn set_address(bytes: &mut [u8], headers: usize, section: u32) {
    type Header = elf::SectionHeader64<NativeEndian>;
    let at = headers + section as usize * size_of::<Header>() + offset_of!(Header, sh_addr);
    let base = bytes.as_ptr().addr() as u64;
    let address = bytes[at..].first_chunk_mut();
    let address: &mut [u8; 8] = address.expect("the header was written");
    *address = (base + u64::from_ne_bytes(*address)).to_ne_bytes();
}

#[cfg(target_arch = "x86_64")]
const MACHINE: elf::Machine = elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: elf::Machine = elf::EM_AARCH64;
