//! Activations: the stretches of stack in which compiled code of one isolate runs.
//!
//! Each entry into compiled code opens an activation; each call from compiled code to the host
//! records where it left (the caller's frame pointer and return address). A walker visits the
//! frames from the exit up to the entry, then the activation outside it, and so sees only frames
//! of this isolate even when two isolates call each other through the same code.
//! This module holds the bounds as plain numbers; only the `windrow-stack` crate follows them.
//!
//! A runtime with fibers has several stacks with activations of one isolate, of which one runs. Those
//! of a stack that is left are set aside as a whole and put back when it goes on: stacks may be resumed
//! in any order, and a collection still sees every frame.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The activations around the innermost one, which lives in the mutator state, and those of stacks
/// that do not run.
#[derive(Debug, Default)]
pub struct Activations {
    outer: Vec<Activation>,
    aside: BTreeMap<u64, StackActivations>,
}

/// The activations of a stack that does not run.
#[derive(Debug)]
struct StackActivations {
    current: Activation,
    outer: Vec<Activation>,
    /// How far down compiled code may take that stack.
    stack_limit: usize,
}

/// Stands for the activations of a stack that
/// [`Isolate::set_activations_aside`](crate::Isolate::set_activations_aside) set aside.
#[derive(Debug)]
#[must_use = "the stack cannot go on without its activations"]
pub struct ActivationsAside(u64);

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
        suspended(&self.outer)
    }

    /// The suspended activations of stacks that do not run, stack after stack, each innermost first.
    pub(crate) fn aside(&self) -> impl Iterator<Item = Activation> + '_ {
        self.aside.values().flat_map(|stack| {
            let current = Some(stack.current).filter(Activation::is_suspended);
            current.into_iter().chain(suspended(&stack.outer))
        })
    }

    /// Sets the activations of the running stack aside, and leaves none.
    pub(crate) fn set_aside(
        &mut self,
        current: &mut Activation,
        stack_limit: usize,
    ) -> ActivationsAside {
        // No two isolates give out the same number.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let stack = StackActivations {
            current: std::mem::replace(current, Activation::NONE),
            outer: std::mem::take(&mut self.outer),
            stack_limit,
        };
        self.aside.insert(id, stack);
        ActivationsAside(id)
    }

    /// Puts back what was set aside, and returns the stack limit that went with it.
    ///
    /// # Panics
    /// If it was another isolate's, or an activation is open.
    pub(crate) fn put_back(&mut self, current: &mut Activation, aside: &ActivationsAside) -> usize {
        assert!(self.outer.is_empty(), "the stack before has left");
        let stack = self.aside.remove(&aside.0).expect("set aside here");
        *current = stack.current;
        self.outer = stack.outer;
        stack.stack_limit
    }
}

/// Those of a stack that are suspended, innermost first.
fn suspended(outer: &[Activation]) -> impl Iterator<Item = Activation> + '_ {
    outer.iter().rev().copied().filter(Activation::is_suspended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: usize) -> Activation {
        Activation {
            entry_fp: address,
            exit_fp: address,
            exit_pc: address,
        }
    }

    #[test]
    fn stacks_come_back_in_any_order() {
        let mut all = Activations::default();
        let mut current = Activation::NONE;
        let enter = |all: &mut Activations, current: &mut Activation, address| {
            all.enter(current);
            *current = at(address);
        };
        enter(&mut all, &mut current, 1);
        enter(&mut all, &mut current, 2);
        let first = all.set_aside(&mut current, 10);
        assert_eq!((all.depth(), current), (0, Activation::NONE));
        enter(&mut all, &mut current, 3);
        let second = all.set_aside(&mut current, 30);
        assert_eq!(all.aside().collect::<Vec<_>>(), [at(2), at(1), at(3)]);
        assert_eq!(all.put_back(&mut current, &first), 10);
        assert_eq!((all.depth(), current), (2, at(2)));
        assert_eq!(all.outer().collect::<Vec<_>>(), [at(1)]);
        assert_eq!(all.aside().collect::<Vec<_>>(), [at(3)]);
        all.leave(&mut current);
        all.leave(&mut current);
        assert_eq!(all.put_back(&mut current, &second), 30);
        all.leave(&mut current);
        assert_eq!((all.depth(), current), (0, Activation::NONE));
        assert_eq!(all.aside().count(), 0);
    }
}
