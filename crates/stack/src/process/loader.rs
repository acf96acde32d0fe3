//! What the dynamic loader tells of the images of the process.

use super::Version;
use libc::{
    PF_R, PF_W, PF_X, PT_GNU_EH_FRAME, PT_LOAD, c_int, c_void, dl_iterate_phdr, dl_phdr_info,
    size_t,
};
use std::ops::{ControlFlow, Range};

/// An image that the loader shows.
pub(super) struct LoadedImage<'a> {
    info: &'a dl_phdr_info,
    headers: &'a [libc::Elf64_Phdr],
}

/// Shows the images of the process, the program first, until told to break off. The loader's lock
/// is held meanwhile.
pub(super) fn for_each_image<F: FnMut(&LoadedImage<'_>) -> ControlFlow<()>>(mut show: F) {
    unsafe extern "C" fn callback<F: FnMut(&LoadedImage<'_>) -> ControlFlow<()>>(
        info: *mut dl_phdr_info,
        size: size_t,
        show: *mut c_void,
    ) -> c_int {
        // An old loader's structure lacks the counters at the end.
        if size < size_of::<dl_phdr_info>() {
            return 1;
        }
        // SAFETY: the loader passes a structure of `size` bytes that is valid during this call,
        // and the pointer given to `dl_iterate_phdr` below, of which nobody else makes use.
        let (info, show) = unsafe { (&*info, &mut *show.cast::<F>()) };
        let headers = if info.dlpi_phdr.is_null() {
            &[]
        } else {
            // SAFETY: the loader tells where the headers lie in the image, and how many there are;
            // the image stays loaded during this call, since the loader's lock is held.
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) }
        };
        c_int::from(show(&LoadedImage { info, headers }).is_break())
    }
    // Miri has no loader, so that no code is an image's.
    if cfg!(miri) {
        return;
    }
    // SAFETY: the callback is of the type that `F` was chosen for, and `show` outlives the call. It
    // panics nowhere that is not a bug; a panic in it ends the process at the C frame, soundly.
    unsafe { dl_iterate_phdr(Some(callback::<F>), (&raw mut show).cast()) };
}

impl LoadedImage<'_> {
    /// The loader's counters.
    pub(super) fn version(&self) -> Version {
        Version {
            added: self.info.dlpi_adds,
            removed: self.info.dlpi_subs,
        }
    }

    /// Addresses of the image's executable segments.
    pub(super) fn executable(&self) -> impl Iterator<Item = Range<usize>> {
        self.headers
            .iter()
            .filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_X != 0)
            .filter_map(|header| self.addresses(header))
    }

    /// The sorted table of the image's unwind entries, and its address.
    ///
    /// The bytes are valid as [`super::Images::load`] says, not longer.
    pub(super) fn unwind_index(&self) -> Option<(usize, &'static [u8])> {
        let header = self
            .headers
            .iter()
            .find(|header| header.p_type == PT_GNU_EH_FRAME)?;
        let Range { start, end } = self.addresses(header)?;
        let bytes = self.read_only_from(start)?;
        Some((start, bytes.get(..end - start)?))
    }

    /// The bytes from an address up to the end of the read-only segment that it lies in.
    ///
    /// They are valid as [`super::Images::load`] says, not longer.
    pub(super) fn read_only_from(&self, address: usize) -> Option<&'static [u8]> {
        let segment = self
            .headers
            .iter()
            .filter(|header| {
                header.p_type == PT_LOAD && header.p_flags & PF_R != 0 && header.p_flags & PF_W == 0
            })
            .filter_map(|header| self.addresses(header))
            .find(|segment| segment.contains(&address))?;
        let len = segment.end - address;
        if isize::try_from(len).is_err() || address == 0 {
            return None;
        }
        // SAFETY: the loader maps each such segment of an image that it shows, readable and, as
        // nobody asked for more, not writable; `Images::load` has its caller promise that this
        // stays so as long as the bytes are used. Any byte is a `u8`.
        Some(unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), len) })
    }

    /// Where a segment lies.
    fn addresses(&self, header: &libc::Elf64_Phdr) -> Option<Range<usize>> {
        let bias = usize::try_from(self.info.dlpi_addr).ok()?;
        // Images whose addresses begin high in their file have a bias that wraps around.
        let start = bias.wrapping_add(usize::try_from(header.p_vaddr).ok()?);
        let end = start.checked_add(usize::try_from(header.p_memsz).ok()?)?;
        Some(start..end)
    }
}
