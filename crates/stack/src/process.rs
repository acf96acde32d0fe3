//! Unwind tables of the process itself: the program and the libraries that are loaded.
//!
//! The dynamic loader lists the loaded images; each brings its `.eh_frame` section and, in
//! `PT_GNU_EH_FRAME`, a table that linkers sort by address. An address is looked up in the list of
//! executable segments and then in its image's table: two binary searches. Code that is in no image
//! (compiled at run time, or by a linker that made no table) has no answer here.
//!
//! The list is made once and costs some hundred nanoseconds an image. [`Images::are_current`] tells
//! whether it still holds by two counters of the loader, without going through the images.
//!
//! Elsewhere than on Linux with 64 bits there are no images.
//!
//! References: Linux Standard Base, "Exception Frames"; `dl_iterate_phdr(3)`.

use crate::frame_section::{Bytes, FrameSection, UnwindScratch, Unwinding};
use crate::registers::Registers;
use crate::row::Step;
use crate::walk::{StackMemory, WORD_BYTES, WalkFault};
use gimli::{
    BaseAddresses, EhFrameHdr, NativeEndian, ParsedEhFrameHdr, Pointer, SectionBaseAddresses,
};

/// Images that were loaded at one moment.
#[derive(Debug, Default)]
pub(crate) struct Images {
    images: Vec<Image>,
    /// Executable segments by address: start, end, position of the image.
    code: Vec<(usize, usize, usize)>,
    version: Version,
}

/// How many images the loader had added and removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Version {
    added: u64,
    removed: u64,
}

/// An image with an unwind table.
#[derive(Debug)]
struct Image {
    index: ParsedEhFrameHdr<Bytes<'static>>,
    /// Where the index lies, to which its words are relative.
    index_bases: BaseAddresses,
    section: FrameSection<'static>,
    /// Address of the section.
    section_start: usize,
}

/// An entry of an image's unwind table; one list's mean nothing to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ImageEntry {
    image: usize,
    entry: usize,
}

impl Images {
    /// The images that are loaded. Those without an unwind table are left out, and so are those
    /// whose table lies in writable memory.
    ///
    /// # Safety
    /// While the result lives, no image that is loaded is unloaded, or if one is, the result is not
    /// asked for anything but [`Self::are_current`] afterwards; and nobody changes or unmaps the
    /// read-only segments of an image that is loaded.
    pub(crate) unsafe fn load() -> Self {
        let mut images = Self::default();
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        loader::for_each_image(|image| {
            images.version = image.version();
            images.add(image);
            std::ops::ControlFlow::Continue(())
        });
        images.code.sort_unstable();
        images
    }

    /// As [`Self::load`], for walks, which ask [`Self::are_current`] before they begin.
    pub(crate) fn loaded() -> Self {
        // SAFETY: a walk drops a list that is not current. Who unloads code answers for it that no
        // thread has frames in it, nor return addresses that lead there, while another thread walks.
        unsafe { Self::load() }
    }

    /// Whether no image was loaded or unloaded since the list was made. Costs a call of the loader
    /// that ends at its first image: it takes the loader's lock, and some dozen nanoseconds.
    pub(crate) fn are_current(&self) -> bool {
        #[cfg_attr(
            not(all(target_os = "linux", target_pointer_width = "64")),
            expect(unused_mut, reason = "set where there are images")
        )]
        let mut version = self.version;
        #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
        loader::for_each_image(|image| {
            version = image.version();
            std::ops::ControlFlow::Break(())
        });
        version == self.version
    }

    /// How to find the caller of a frame for which [`CodeAddress::lookup`] gives `address`; with
    /// the entry, for those that are interpreted. `None` if no image has the address.
    ///
    /// [`CodeAddress::lookup`]: crate::CodeAddress::lookup
    pub(crate) fn unwinding(
        &self,
        address: usize,
        scratch: &mut UnwindScratch,
    ) -> Option<(ImageEntry, Unwinding)> {
        let found = self.entry(address)?;
        let section = &self.images.get(found.image)?.section;
        let unwinding = section.unwinding(found.entry, address, scratch);
        Some((found, unwinding))
    }

    /// Turns the registers of a frame into those of its caller by interpreting an entry.
    ///
    /// # Errors
    /// What makes the step impossible.
    pub(crate) fn interpret<M: StackMemory>(
        &self,
        entry: ImageEntry,
        memory: &M,
        registers: &mut Registers,
        scratch: &mut UnwindScratch,
    ) -> Result<Step, WalkFault> {
        self.images
            .get(entry.image)
            .ok_or(WalkFault::NoUnwindInfo)?
            .section
            .caller(entry.entry, memory, registers, scratch)
    }

    /// The entry that may cover an address.
    fn entry(&self, address: usize) -> Option<ImageEntry> {
        let after = self.code.partition_point(|(start, ..)| *start <= address);
        let (_, end, position) = *self.code.get(after.checked_sub(1)?)?;
        if address >= end {
            return None;
        }
        let image = self.images.get(position)?;
        let pointer = image
            .index
            .table()?
            .lookup(address as u64, &image.index_bases)
            .ok()?;
        let entry = usize::try_from(pointer.direct().ok()?)
            .ok()?
            .checked_sub(image.section_start)?;
        Some(ImageEntry {
            image: position,
            entry,
        })
    }

    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    fn add(&mut self, loaded: &loader::LoadedImage<'_>) {
        let Some(image) = Image::new(loaded) else {
            return;
        };
        let position = self.images.len();
        self.images.push(image);
        self.code.extend(
            loaded
                .executable()
                .map(|code| (code.start, code.end, position)),
        );
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
impl Image {
    fn new(loaded: &loader::LoadedImage<'_>) -> Option<Self> {
        let (index_start, index_bytes) = loaded.unwind_index()?;
        let index_address = Some(index_start as u64);
        let index_bases = BaseAddresses {
            eh_frame_hdr: SectionBaseAddresses {
                section: index_address,
                data: index_address,
                ..SectionBaseAddresses::default()
            },
            ..BaseAddresses::default()
        };
        let index = EhFrameHdr::new(index_bytes, NativeEndian)
            .parse(&index_bases, u8::try_from(WORD_BYTES).ok()?)
            .ok()?;
        // A count that the bytes cannot hold would make the search compute offsets that wrap.
        let (count, _) = index.table()?.iter(&index_bases).size_hint();
        if count > index_bytes.len() {
            return None;
        }
        let Pointer::Direct(section) = index.eh_frame_ptr() else {
            return None;
        };
        let section_start = usize::try_from(section).ok()?;
        // Where the section ends is written nowhere: an entry of no length ends it, and its segment.
        let bytes = loaded.read_only_from(section_start)?;
        Some(Self {
            index,
            index_bases,
            section: FrameSection::new(bytes, section_start),
            section_start,
        })
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod loader;

#[cfg(test)]
mod tests;
