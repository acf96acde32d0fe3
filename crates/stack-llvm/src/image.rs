//! Sections and symbols of the running executable, where the loader put them.

use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::BTreeMap;
use std::{fs, io};

/// Why the executable says nothing of itself.
#[derive(Debug)]
pub enum ImageError {
    /// Its file cannot be read.
    File(io::Error),
    /// Its file is not what the system runs.
    Format(object::Error),
    /// It has no symbol of this name, or no section.
    Missing(&'static str),
}

/// A section in memory.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its address.
    pub address: usize,
    /// Its bytes, relocated.
    pub bytes: &'static [u8],
}

/// A function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// What it is called.
    pub name: String,
    /// Its size in bytes.
    pub len: usize,
}

/// The running executable.
#[derive(Debug)]
pub struct Image {
    /// Its sections with contents.
    sections: BTreeMap<String, Section>,
    /// Its functions whose names begin with `windrow_`, by their addresses.
    pub functions: BTreeMap<usize, Symbol>,
}

impl Image {
    /// Reads the file of the running executable to find what the loader made of it.
    ///
    /// # Errors
    /// [`ImageError`] if it has no symbols, or cannot be read.
    pub fn of_this_executable() -> Result<Self, ImageError> {
        const ANCHOR: &str = "windrow_spilled_observed";
        let path = std::env::current_exe().map_err(ImageError::File)?;
        let bytes = fs::read(path).map_err(ImageError::File)?;
        let file = object::File::parse(&*bytes).map_err(ImageError::Format)?;
        let mut functions = BTreeMap::new();
        let mut anchor = None;
        for symbol in file.symbols() {
            let name = symbol.name().map_err(ImageError::Format)?;
            if !symbol.is_definition() || !name.starts_with("windrow_") {
                continue;
            }
            let address = word(symbol.address());
            let len = word(symbol.size());
            let name = name.to_owned();
            if name == ANCHOR {
                anchor = Some(address);
            }
            functions.insert(address, Symbol { name, len });
        }
        let anchor = anchor.ok_or(ImageError::Missing(ANCHOR))?;
        let bias = (crate::SPILLED.observed as usize).wrapping_sub(anchor);
        let functions = functions
            .into_iter()
            .map(|(address, symbol)| (address.wrapping_add(bias), symbol))
            .collect();
        let mut sections = BTreeMap::new();
        for section in file.sections() {
            let name = section.name().map_err(ImageError::Format)?;
            if let Some((_, len)) = section.file_range()
                && [".llvm_stackmaps", ".eh_frame"].contains(&name)
            {
                let address = word(section.address()).wrapping_add(bias);
                sections.insert(name.to_owned(), in_memory(address, word(len)));
            }
        }
        Ok(Self {
            sections,
            functions,
        })
    }

    /// The stack maps of all code in the executable.
    ///
    /// # Errors
    /// [`ImageError::Missing`] if there are none.
    pub fn stack_maps(&self) -> Result<Section, ImageError> {
        self.section(".llvm_stackmaps")
    }

    /// The unwind tables of all code in the executable.
    ///
    /// # Errors
    /// [`ImageError::Missing`] if there are none.
    pub fn eh_frame(&self) -> Result<Section, ImageError> {
        self.section(".eh_frame")
    }

    fn section(&self, name: &'static str) -> Result<Section, ImageError> {
        (self.sections.get(name).copied()).ok_or(ImageError::Missing(name))
    }
}

/// A number of a file that this machine runs.
fn word(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn in_memory(address: usize, len: usize) -> Section {
    let start = std::ptr::with_exposed_provenance(address);
    // SAFETY: the running executable's own file says that this section, which is one of those that
    // loaders map, has these bytes at this address. It stays mapped while the executable runs, and
    // nothing writes there after the loader relocated it.
    let bytes = unsafe { std::slice::from_raw_parts(start, len) };
    Section { address, bytes }
}
