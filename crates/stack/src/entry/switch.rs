//! Leaving a stack with entries on it for another one.
//!
//! Two things go by the stack that runs: the thread's list of entries, by which a trap finds its way
//! back, and the activations of each isolate, to which exits write. A fiber that is resumed out of turn
//! would find those of another stack there. So both are set aside while a stack does not run; those of
//! isolates stay in sight of collections.

use super::{CURRENT, EntryRecord};
use smallvec::SmallVec;
use std::ptr;
use windrow_core::{ActivationsAside, Isolate};

/// Runs `switch`, which goes to another stack and returns once something has come back to this one;
/// meanwhile the entries of this stack are set aside, and the activations that these isolates have on
/// it. Returns what `switch` returns. Costs some dozen nanoseconds an isolate.
///
/// Every switch between stacks with entries is made in this way, from the host to a fiber and back:
/// then they may be resumed in any order, each isolate may have activations on any number of stacks,
/// and its collections see the frames on all of them. A stack whose compiled code is not to go on is
/// resumed once more, to trap: its frames are roots until the entries have ended.
///
/// # Panics
/// If an isolate still has activations of another stack when this one goes on.
///
/// # Safety
/// * The isolates are live until this returns, and those that have an activation open on this stack;
///   no reference to one is in use here while this runs.
/// * Whatever stack goes on within `switch` has set its own aside in this way, or has none; so has it
///   when it comes back here.
/// * Until this returns, or all those isolates are dropped, the stack stays mapped with its frames as
///   they are. It goes on on the thread that it was left on, or on another if everything that is on
///   it may move there.
pub unsafe fn switch_stacks<R>(isolates: &[*mut Isolate], switch: impl FnOnce() -> R) -> R {
    let _left = Left {
        entries: CURRENT.replace(ptr::null_mut()),
        activations: isolates
            .iter()
            // SAFETY: the caller vouches for the isolate, and that this stack stays as it is until the
            // value's drop puts the activations back.
            .map(|&isolate| (isolate, unsafe { (*isolate).set_activations_aside() }))
            .collect(),
    };
    switch()
}

/// A stack that was left, until it goes on.
struct Left {
    entries: *mut EntryRecord,
    activations: SmallVec<[(*mut Isolate, ActivationsAside); 2]>,
}

impl Drop for Left {
    fn drop(&mut self) {
        // Nothing of the stack that ran before is left here.
        CURRENT.set(self.entries);
        for (isolate, aside) in self.activations.drain(..) {
            // SAFETY: dropped by `switch_stacks` on the stack it was called on, whose caller vouches for
            // the isolate.
            unsafe { (*isolate).put_activations_back(aside) };
        }
    }
}
