//! Compiled code made known to debuggers: its functions by name, and the frames below them.
//!
//! A debugger does not ask the system's unwinder: without tables of its own it stops at the first
//! compiled frame, or goes on in garbage. GDB's JIT compilation interface (*Debugging with GDB*,
//! "JIT Compilation Interface"), which LLDB has too, is a list of object files in memory, here
//! [one for each range of code](DebuggerImage). Whoever changes the list calls a function that does
//! nothing, on which the debugger has set a breakpoint. A debugger attached later reads the whole
//! list.
//!
//! # One list a process
//! A debugger finds list and function by their names, `__jit_debug_descriptor` and
//! `__jit_debug_register_code`, in the executable's symbols, which must not have been stripped. No two
//! libraries may define them in one executable, and other engines do: hence the feature `debugger`,
//! which is off unless asked for.
//!
//! # Cost and threads
//! Any thread may register. Without a debugger it is a lock and a few stores, and the image's bytes
//! are kept; with one, the process is stopped while the debugger reads the image.

mod image;

pub use image::DebuggerImage;

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

/// An image that debuggers know until this is dropped. Drop it before the code is unmapped.
#[derive(Debug)]
#[must_use = "dropping it makes the code unknown again"]
pub struct DebuggerEntry {
    entry: NonNull<Entry>,
    /// What the entry points to.
    image: DebuggerImage,
}

/// `jit_code_entry`.
#[derive(Debug)]
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    image: *const u8,
    image_bytes: u64,
}

/// `jit_descriptor`.
#[repr(C)]
struct Descriptor {
    version: u32,
    /// What was done last.
    action: u32,
    /// To which entry.
    relevant: *mut Entry,
    first: *mut Entry,
}

/// `JIT_REGISTER_FN`.
const REGISTERED: u32 = 1;
/// `JIT_UNREGISTER_FN`.
const UNREGISTERED: u32 = 2;

/// The list, where debuggers look for it.
#[repr(transparent)]
struct List(UnsafeCell<Descriptor>);

// SAFETY: it and its entries are read and written with `CHANGES` locked only, and read by debuggers
// while the process is stopped.
unsafe impl Sync for List {}

// SAFETY: the name is the interface's own, and the contents are what it asks for under this name.
// Whoever turns the feature on sees to it that nothing else in the executable has the name.
#[unsafe(export_name = "__jit_debug_descriptor")]
static LIST: List = List(UnsafeCell::new(Descriptor {
    version: 1,
    action: 0,
    relevant: ptr::null_mut(),
    first: ptr::null_mut(),
}));

/// Held while the list changes, and until the debugger has seen it.
static CHANGES: Mutex<()> = Mutex::new(());

/// Where the debugger has its breakpoint.
// SAFETY: as for the list.
#[unsafe(export_name = "__jit_debug_register_code")]
#[inline(never)]
extern "C" fn list_changed() {
    // Keeps the call, and the stores before it; Miri has no assembler, and no debugger.
    // SAFETY: no instruction at all.
    #[cfg(not(miri))]
    unsafe {
        std::arch::asm!("", options(nostack, preserves_flags));
    }
}

impl DebuggerEntry {
    /// Makes the functions and frames of an image known. An image that is not true of its code
    /// misleads whoever debugs, and does nothing else.
    pub fn register(image: DebuggerImage) -> Self {
        let bytes = image.bytes();
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let _changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        let list = LIST.0.get();
        // SAFETY: the lock is held; what the list points to was put there below, and is taken out
        // before it is freed.
        let entry = unsafe {
            let first = (*list).first;
            let entry = NonNull::from(Box::leak(Box::new(Entry {
                next: first,
                previous: ptr::null_mut(),
                image: start,
                image_bytes: len as u64,
            })));
            if !first.is_null() {
                (*first).previous = entry.as_ptr();
            }
            (*list).first = entry.as_ptr();
            (*list).relevant = entry.as_ptr();
            (*list).action = REGISTERED;
            entry
        };
        list_changed();
        Self { entry, image }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> &DebuggerImage {
        &self.image
    }
}

impl Drop for DebuggerEntry {
    fn drop(&mut self) {
        let _changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        let (list, entry) = (LIST.0.get(), self.entry.as_ptr());
        // SAFETY: the lock is held; this entry and its neighbours are in the list, so not yet freed.
        unsafe {
            let Entry { next, previous, .. } = *entry;
            if !next.is_null() {
                (*next).previous = previous;
            }
            if previous.is_null() {
                (*list).first = next;
            } else {
                (*previous).next = next;
            }
            (*list).relevant = entry;
            (*list).action = UNREGISTERED;
        }
        list_changed();
        // SAFETY: the list, which is still locked, points to the entry in `relevant` at most, which
        // is cleared first; it came from a box, and is freed here only.
        unsafe {
            (*list).relevant = ptr::null_mut();
            (*list).action = 0;
            drop(Box::from_raw(entry));
        }
    }
}

// SAFETY: the entry is used with `CHANGES` locked only, by whichever thread.
unsafe impl Send for DebuggerEntry {}

// SAFETY: a shared reference gives the image alone, which does not change.
unsafe impl Sync for DebuggerEntry {}

#[cfg(test)]
mod tests;
