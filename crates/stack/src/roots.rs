//! Compiled frames as a root source.
//!
//! For each suspended activation of the isolate, each of its frames and each slot its stack map
//! names: load the reference, show it to the visitor, store back what changed. Activations of
//! other isolates are not in the list, so their frames are never seen even where the stack holds
//! both in turn. Costs a few nanoseconds a frame plus the visitor's work; allocates nothing.

use crate::backtrace::Backtrace;
use crate::live::LiveStack;
use crate::registry::{CodeReader, CodeRegistry};
use crate::unwind::{Landing, innermost_handler};
use crate::walk::{WalkError, WalkFault, WalkedFrame, frames};
use std::sync::Arc;
use windrow_core::{Activation, ActivationList, HeapError, RootKind, RootSource, RootVisitor};

/// The references in the frames of an isolate's activations.
#[derive(Debug)]
pub struct CompiledFrames {
    registry: Arc<CodeRegistry>,
}

impl CompiledFrames {
    /// The frames of code known to `registry`.
    ///
    /// The registry is locked while roots are visited: a visitor must not register code.
    ///
    /// # Safety
    /// For every isolate this becomes a root source of, whenever roots are visited:
    /// * its activations are open, were entered through an
    ///   [`EntryGate`](crate::EntryGate), and their exit words name the frame that called out of
    ///   compiled code and the address it returns to;
    /// * all code between exit and entry keeps frame pointers and is known to `registry`, whose
    ///   records of it are true.
    #[must_use]
    pub unsafe fn new(registry: Arc<CodeRegistry>) -> Self {
        Self { registry }
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
        innermost_handler(&live_stack(&code, activation), &code, activation)
    }

    /// Where compiled code stands while the host is called from it: the frames of all open
    /// activations, innermost first. Costs a few nanoseconds a frame.
    #[must_use]
    pub fn backtrace(&self, activations: ActivationList<'_>) -> Backtrace {
        let code = self.registry.read();
        let mut trace = Backtrace::default();
        for activation in activations.iter() {
            trace.extend(&live_stack(&code, activation), &code, activation);
        }
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
        let mut walked = 0;
        for activation in activations.iter() {
            walked += visit_activation(&code, activation, visitor).map_err(|mut error| {
                error.frame += walked;
                error
            })?;
        }
        Ok(walked)
    }
}

/// The stack of a suspended activation of an isolate that [`CompiledFrames::new`] was told of.
fn live_stack(code: &CodeReader<'_>, activation: Activation) -> LiveStack {
    // The innermost frame reaches below its frame pointer by what its own stack map says.
    let below = code
        .safepoint(activation.exit_pc)
        .map_or(0, |site| site.frame_bytes as usize);
    let low = activation.exit_fp.saturating_sub(below);
    // SAFETY: `CompiledFrames::new` was promised that the activation is open and that the registry
    // tells the truth, so `low` is the innermost frame's stack pointer and the frames from there
    // to the entry are suspended until the collection ends.
    unsafe { LiveStack::new(low, activation.entry_fp) }
}

fn visit_activation(
    code: &CodeReader<'_>,
    activation: Activation,
    visitor: &mut dyn RootVisitor,
) -> Result<u64, WalkError> {
    let stack = live_stack(code, activation);
    let mut frames = frames(&stack, code, activation);
    while let Some(frame) = frames.next() {
        visit_frame(&stack, frame?, frames.walked(), visitor)?;
    }
    Ok(frames.walked())
}

#[inline]
fn visit_frame(
    stack: &LiveStack,
    frame: WalkedFrame<'_>,
    walked: u64,
    visitor: &mut dyn RootVisitor,
) -> Result<(), WalkError> {
    for &offset in frame.slots {
        let address = frame.sp + offset as usize;
        let Some(before) = stack.reference(address) else {
            let WalkedFrame { pc, fp, .. } = frame;
            return Err(WalkError {
                frame: walked - 1,
                pc,
                fp,
                fault: WalkFault::Unreadable,
            });
        };
        let mut slot = before;
        visitor.visit(RootKind::Frame, &mut slot);
        if slot != before {
            stack.replace_reference(address, slot);
        }
    }
    Ok(())
}
