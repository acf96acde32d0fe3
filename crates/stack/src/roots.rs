//! Compiled frames as a root source.
//!
//! For each suspended activation of the isolate, on whatever stack, and each of its frames, the
//! references that the stack map names are shown to the visitor. Activations of other isolates are not
//! in the list, so their frames are never seen even where the stack holds both in turn. Costs a few
//! nanoseconds a frame plus the visitor's work; allocates nothing but what walks remember of code.

use crate::backtrace::Backtrace;
use crate::landing::{Landing, innermost_handler};
use crate::live::SuspendedStack;
use crate::registers::Registers;
use crate::registry::{CodeReader, CodeRegistry};
use crate::walk::{WalkError, WalkFault};
use crate::walker::{Unwinder, Walker};
use smallvec::SmallVec;
use std::sync::Arc;
use windrow_core::{Activation, ActivationList, HeapError, RootSource, RootVisitor};

/// The references in the frames of an isolate's activations.
#[derive(Debug)]
pub struct CompiledFrames {
    registry: Arc<CodeRegistry>,
    unwinder: Unwinder,
    heap_base: usize,
    is_cross_checked: bool,
}

impl CompiledFrames {
    /// The frames of code known to `registry`.
    ///
    /// The registry is locked while roots are visited: a visitor must not register code.
    ///
    /// # Safety
    /// For every isolate this becomes a root source of, whenever roots are visited:
    /// * its activations are open, on the stack that runs or on others that were left as
    ///   [`Isolate::set_activations_aside`](windrow_core::Isolate::set_activations_aside) demands; they
    ///   were entered through an [`EntryGate`](crate::EntryGate), and their exit words name the frame
    ///   that called out of compiled code and the address it returns to;
    /// * all code between exit and entry is known to `registry`, whose records of it are true; it keeps
    ///   frame pointers, or has unwind tables if those are to be followed. With unwind tables the
    ///   process's own code may lie between as well.
    #[must_use]
    pub unsafe fn new(registry: Arc<CodeRegistry>, unwinder: Unwinder) -> Self {
        Self {
            registry,
            unwinder,
            heap_base: 0,
            is_cross_checked: false,
        }
    }

    /// The same for code that holds [64-bit pointers](crate::Encoding::BasePlusOffset64) into a heap
    /// at this address.
    #[must_use]
    pub fn with_heap_base(self, heap_base: usize) -> Self {
        Self { heap_base, ..self }
    }

    /// The same, but before each collection both unwinders walk every activation, and where they do not
    /// agree on frames and references the collection fails: for tests. All code must keep frame
    /// pointers and have unwind tables.
    #[must_use]
    pub fn with_cross_check(self, is_cross_checked: bool) -> Self {
        Self {
            is_cross_checked,
            ..self
        }
    }

    /// Where an exception goes that a host call, made by the innermost suspended activation, ends
    /// in: the innermost handler of that activation, or `None` if there is none. Costs a few
    /// nanoseconds a frame. The answer is for [`landing_address`](crate::landing_address), before
    /// anything else of the activation runs.
    ///
    /// # Errors
    /// [`WalkError`] where frames cannot be followed.
    pub fn find_handler(
        &self,
        activations: ActivationList<'_>,
    ) -> Result<Option<Landing>, WalkError> {
        let Some(activation) = activations.iter().next() else {
            return Ok(None);
        };
        let code = self.registry.read();
        Walker::of_thread(self.unwinder, |walker| {
            let stack = stack_of(walker, &code, activation);
            innermost_handler(walker.activation(&stack, &code, activation), &code)
        })
    }

    /// Where compiled code stands while the host is called from it: the frames of all open
    /// activations, innermost first. Costs a few nanoseconds a frame.
    #[must_use]
    pub fn backtrace(&self, activations: ActivationList<'_>) -> Backtrace {
        let code = self.registry.read();
        let mut trace = Backtrace::default();
        Walker::of_thread(self.unwinder, |walker| {
            for activation in activations.iter() {
                let stack = stack_of(walker, &code, activation);
                trace.extend(walker.activation(&stack, &code, activation), &code);
            }
        });
        trace
    }
}

impl RootSource for CompiledFrames {
    fn visit_roots(
        &mut self,
        activations: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        let code = self.registry.read();
        if self.is_cross_checked {
            cross_check(&code, activations)?;
        }
        Walker::of_thread(self.unwinder, |walker| {
            let mut walked = 0;
            for activation in activations.of_all_stacks() {
                let stack = stack_of(walker, &code, activation);
                let frames = walker.activation(&stack, &code, activation);
                walked += frames
                    .visit_roots(self.heap_base, visitor)
                    .map_err(|mut error| {
                        error.frame += walked;
                        error
                    })?;
            }
            Ok(walked)
        })
    }
}

/// The stack of a suspended activation of an isolate that [`CompiledFrames::new`] was told of.
fn stack_of(walker: &mut Walker, code: &CodeReader<'_>, activation: Activation) -> SuspendedStack {
    // The innermost frame reaches below its frame pointer by what its own stack map says, or else as far
    // as its tables name words of it.
    let below = match code.call_site(activation.exit_pc) {
        Some(site) => match site.frame_bytes {
            Some(frame_bytes) => frame_bytes as usize,
            None => walker.bytes_below(code, activation.exit_pc, site.locations),
        },
        None => 0,
    };
    let low = activation.exit_fp.saturating_sub(below);
    // SAFETY: `CompiledFrames::new` was promised that the activation is open and that the registry
    // tells the truth, so `low` is the innermost frame's stack pointer or lies above it in that frame;
    // the frames from there to the entry are suspended until the collection ends.
    unsafe { SuspendedStack::of_activation(low, activation.entry_fp) }
}

/// Walks with both unwinders and compares frames and places of references.
fn cross_check(code: &CodeReader<'_>, activations: ActivationList<'_>) -> Result<(), WalkError> {
    Walker::of_thread(Unwinder::FramePointers, |by_frame_pointers| {
        Walker::of_thread(Unwinder::Dwarf, |by_tables| {
            for activation in activations.of_all_stacks() {
                let stack = stack_of(by_tables, code, activation);
                let mut these = by_frame_pointers.activation(&stack, code, activation);
                let mut those = by_tables.activation(&stack, code, activation);
                loop {
                    let (this, that) = (these.next().transpose()?, those.next().transpose()?);
                    let places = |registers: &Registers| {
                        let locations = this.map_or(&[][..], |frame| frame.locations);
                        let addresses = locations.iter();
                        addresses
                            .map(|location| location.address(registers))
                            .collect::<SmallVec<[_; 8]>>()
                    };
                    if this != that || places(these.registers()) != places(those.registers()) {
                        let frame = this.or(that);
                        return Err(WalkError {
                            frame: these.walked().max(those.walked()).saturating_sub(1),
                            pc: frame.map_or(0, |frame| frame.pc.address()),
                            fp: frame.map_or(0, |frame| frame.fp),
                            fault: WalkFault::Disagreement,
                        });
                    }
                    if this.is_none() {
                        break;
                    }
                }
            }
            Ok(())
        })
    })
}
