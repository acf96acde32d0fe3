//! Ownership of the one [`MutatorState`] of an isolate.
//!
//! The block must not move, since compiled code holds its address, and compiled code writes it
//! while no Rust reference to it exists: every borrow is made afresh from the raw pointer.

use super::guarded::Mapping;
use crate::MutatorState;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// The mutator state of one isolate, at a fixed address.
#[derive(Debug)]
pub struct StateBlock {
    state: NonNull<MutatorState>,
    /// Keeps the mapping around the block alive; `None` when the block is a box of its own.
    mapping: Option<Arc<Mapping>>,
}

// SAFETY: the block is owned: it is reached through this value alone, or by compiled code that
// runs on the thread that holds this value exclusively.
unsafe impl Send for StateBlock {}

impl StateBlock {
    /// A block in a heap allocation of its own.
    pub(super) fn boxed() -> Self {
        let state = NonNull::from(Box::leak(Box::new(MutatorState::new())));
        Self {
            state,
            mapping: None,
        }
    }

    /// The block that ends at `base`, inside `mapping`.
    pub(super) fn before(base: NonNull<u8>, mapping: Arc<Mapping>) -> Self {
        // SAFETY: a whole page of the mapping lies before `base`, and the block is smaller.
        let state = unsafe { base.cast::<MutatorState>().sub(1) };
        debug_assert!(
            state.is_aligned(),
            "the base is page-aligned and the size a multiple of eight"
        );
        // SAFETY: `state` is aligned, inside the writable state page, and nobody else's.
        unsafe { state.write(MutatorState::new()) };
        Self {
            state,
            mapping: Some(mapping),
        }
    }

    /// The state pointer compiled code holds: just past the block.
    #[must_use]
    pub fn pointer(&self) -> *mut u8 {
        self.state.as_ptr().wrapping_add(1).cast()
    }
}

impl Deref for StateBlock {
    type Target = MutatorState;

    #[inline]
    fn deref(&self) -> &MutatorState {
        // SAFETY: the block is initialised and alive as long as `self`; compiled code does not run
        // while the borrow lasts, since running it takes the isolate exclusively.
        unsafe { self.state.as_ref() }
    }
}

impl DerefMut for StateBlock {
    #[inline]
    fn deref_mut(&mut self) -> &mut MutatorState {
        // SAFETY: as for `deref`, and the borrow is exclusive.
        unsafe { self.state.as_mut() }
    }
}

impl Drop for StateBlock {
    fn drop(&mut self) {
        if self.mapping.is_none() {
            // SAFETY: without a mapping the block came from `Box::leak` in `boxed`.
            drop(unsafe { Box::from_raw(self.state.as_ptr()) });
        }
    }
}
