//! Unwind tables of compiled code, made known to the system's unwinder.
//!
//! Panics, backtraces and profilers of the host then see through compiled code to the host's frames
//! below it: without a table for one frame, every unwinder stops there.
//!
//! This is libgcc's `__register_frame` and `__deregister_frame`, which take a whole `.eh_frame`
//! section and are what Rust links on Linux with glibc; on x86-64 and `AArch64` only, and a no-op
//! elsewhere. LLVM's libunwind has functions of the same names that take one entry (FDE) each, so it
//! must not be linked in their place on these systems.
//!
//! # Cost and threads
//! Both may be called from any thread. Registering is an allocation and a lock; the section is sorted
//! at the first unwinding after it, or at once from GCC 13 on. Before GCC 13 sections are in a list:
//! deregistering searches it, and the first unwinding after n registrations costs O(n²) steps. With
//! libgcc 12, a section of one function takes 0.1 µs to register and 0.1 µs to take back; among ten
//! thousand of them, 14 µs to take back, and the first unwinding 0.1 s.

use std::sync::Arc;

/// A section known to the system's unwinder until this is dropped.
///
/// Drop it before the code is unmapped, while none of it runs: unwinding through a frame that has
/// lost its table stops there.
#[derive(Debug, Default)]
#[must_use = "dropping it makes the frames unknown again"]
pub struct SystemFrames {
    /// What was registered, if anything was.
    section: Option<Arc<[u8]>>,
}

impl SystemFrames {
    /// Makes the entries of an `.eh_frame` section known. A section that is empty, or does not end as
    /// it must, is left out.
    ///
    /// # Safety
    /// The section consists of entries in the right form, with absolute addresses, ended by a length
    /// of zero; and the entries describe the frames of the code at their addresses truly, which
    /// belongs to no one else, for as long as this lives.
    pub unsafe fn register(section: Arc<[u8]>) -> Self {
        if !is_registrable(&section) {
            return Self::default();
        }
        // SAFETY: the caller's own promise; the section stays where it is as long as `self` keeps it.
        unsafe { imp::register(section.as_ptr()) };
        Self {
            section: Some(section),
        }
    }

    /// Whether anything is registered: not if the section was empty, nor where the system has no
    /// unwinder this knows.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.section.is_some()
    }
}

impl Drop for SystemFrames {
    fn drop(&mut self) {
        if let Some(section) = &self.section {
            // SAFETY: registered by `register` under this address, and only once taken back.
            unsafe { imp::deregister(section.as_ptr()) };
        }
    }
}

/// Whether there is an unwinder to tell, and something to tell it: an entry at the least, and the
/// zero that ends the section, at an address where entries may lie (always, behind the two counters
/// of an `Arc`).
fn is_registrable(section: &[u8]) -> bool {
    imp::AVAILABLE
        && section.len() > 8
        && section.ends_with(&[0; 4])
        && !section.starts_with(&[0; 4])
        && section.as_ptr().cast::<usize>().is_aligned()
}

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
mod imp {
    pub(super) const AVAILABLE: bool = true;

    mod libgcc {
        unsafe extern "C" {
            pub(super) fn __register_frame(section: *const u8);
            pub(super) fn __deregister_frame(section: *const u8);
        }
    }

    /// # Safety
    /// See [`super::SystemFrames::register`].
    pub(super) unsafe fn register(section: *const u8) {
        // SAFETY: the caller's own promise.
        unsafe { libgcc::__register_frame(section) };
    }

    /// # Safety
    /// To be called once for a registered section.
    pub(super) unsafe fn deregister(section: *const u8) {
        // SAFETY: the caller's own promise; libgcc would abort over a section it does not know.
        unsafe { libgcc::__deregister_frame(section) };
    }
}

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
)))]
mod imp {
    pub(super) const AVAILABLE: bool = false;

    /// # Safety
    /// None: does nothing.
    pub(super) unsafe fn register(_: *const u8) {}

    /// # Safety
    /// None: does nothing.
    pub(super) unsafe fn deregister(_: *const u8) {}
}
