//! Activations: the stretches of stack in which compiled code of one isolate runs.
//!
//! Each entry into compiled code opens an activation; each call from compiled code to the host
//! records where it left (the caller's frame pointer and return address). A walker visits the
//! frames from the exit up to the entry, then the activation outside it, and so sees only frames
//! of this isolate even when two isolates call each other through the same code.
//! This module holds the bounds as plain numbers; only the `windrow-stack` crate follows them.

/// Bounds of one activation, as addresses. Written by entry and exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Activation {
    /// Frame pointer of the entry stub: the walk ends when it reaches this frame.
    pub entry_fp: usize,
    /// Frame pointer of the compiled frame that last called out.
    pub exit_fp: usize,
    /// The return address of that call.
    pub exit_pc: usize,
}

impl Activation {
    /// No activation: nothing to walk.
    pub const NONE: Self = Self {
        entry_fp: 0,
        exit_fp: 0,
        exit_pc: 0,
    };

    /// Whether compiled code was entered and has called out.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        self.exit_fp != 0
    }
}

/// The activations around the innermost one, which lives in the mutator state.
#[derive(Debug, Default)]
pub struct Activations {
    outer: Vec<Activation>,
}

impl Activations {
    /// Opens an activation: sets `current` aside and clears it for the entry code to fill.
    pub fn enter(&mut self, current: &mut Activation) {
        self.outer
            .push(std::mem::replace(current, Activation::NONE));
    }

    /// Closes the innermost activation and makes the one outside it current again.
    ///
    /// # Panics
    /// If none is open.
    pub fn leave(&mut self, current: &mut Activation) {
        *current = self.outer.pop().expect("leave pairs with enter");
    }

    /// How many activations are open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.outer.len()
    }

    /// The suspended activations outside the innermost, innermost first.
    pub fn outer(&self) -> impl Iterator<Item = Activation> + '_ {
        self.outer
            .iter()
            .rev()
            .copied()
            .filter(Activation::is_suspended)
    }
}
