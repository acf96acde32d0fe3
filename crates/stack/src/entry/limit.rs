//! How far down compiled code may take the stack.

use crate::thread_stack::thread_stack;
use std::ops::Range;

/// Stack that compiled code always leaves below its limit, in bytes: for the host functions it
/// calls, for a collection started from there, and for taking a trap down.
pub const HOST_RESERVE_BYTES: usize = 128 << 10;

/// An entry that is open on this thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entered {
    /// The stack pointer at that entry, roughly.
    pub(super) sp: usize,
    /// The limit it set.
    pub(super) limit: usize,
}

/// The stack limit for an entry at `sp`.
pub(super) fn stack_limit(sp: usize, stack_max_bytes: usize, outer: Option<Entered>) -> usize {
    limit_within(sp, stack_max_bytes, outer, thread_stack())
}

/// The tightest of three limits: what this entry may use, what the thread's stack has, and what
/// the entry outside it on the same stack may use. A host may switch stacks between two entries,
/// and the bounds of another stack say nothing of this one.
fn limit_within(
    sp: usize,
    stack_max_bytes: usize,
    outer: Option<Entered>,
    thread: Option<Range<usize>>,
) -> usize {
    let own = sp.saturating_sub(stack_max_bytes);
    let on_thread_stack = |address| {
        thread
            .as_ref()
            .is_some_and(|stack| stack.contains(&address))
    };
    let of_thread = match &thread {
        Some(stack) if stack.contains(&sp) => stack.start.saturating_add(HOST_RESERVE_BYTES),
        _ => 0,
    };
    let same_stack = |outer: &Entered| match (on_thread_stack(sp), on_thread_stack(outer.sp)) {
        (true, true) => true,
        (false, false) => sp <= outer.sp && sp >= outer.limit.saturating_sub(HOST_RESERVE_BYTES),
        _ => false,
    };
    let of_outer = outer.filter(same_stack).map_or(0, |outer| outer.limit);
    own.max(of_thread).max(of_outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const STACK: Range<usize> = 100 * MIB..108 * MIB;

    #[test]
    fn the_allowance_binds_on_a_large_stack_and_the_stack_on_a_small_one() {
        let sp = 107 * MIB;
        assert_eq!(limit_within(sp, MIB, None, Some(STACK)), 106 * MIB);
        assert_eq!(
            limit_within(sp, 64 * MIB, None, Some(STACK)),
            100 * MIB + HOST_RESERVE_BYTES
        );
        assert_eq!(limit_within(sp, usize::MAX, None, None), 0);
    }

    #[test]
    fn a_nested_entry_keeps_the_tighter_limit() {
        let outer = Some(Entered {
            sp: 107 * MIB,
            limit: 105 * MIB,
        });
        assert_eq!(
            limit_within(106 * MIB, 4 * MIB, outer, Some(STACK)),
            105 * MIB
        );
        assert_eq!(
            limit_within(106 * MIB, MIB / 2, outer, Some(STACK)),
            106 * MIB - MIB / 2
        );
        // The host used up the allowance: the nested code must trap at once.
        assert_eq!(
            limit_within(104 * MIB, 4 * MIB, outer, Some(STACK)),
            105 * MIB
        );
        assert_eq!(limit_within(106 * MIB, 4 * MIB, outer, None), 105 * MIB);
    }

    #[test]
    fn another_stack_has_its_own_limit() {
        let outer = Some(Entered {
            sp: 107 * MIB,
            limit: 105 * MIB,
        });
        assert_eq!(limit_within(50 * MIB, MIB, outer, Some(STACK)), 49 * MIB);
        let foreign = Some(Entered {
            sp: 50 * MIB,
            limit: 49 * MIB,
        });
        assert_eq!(limit_within(30 * MIB, MIB, foreign, Some(STACK)), 29 * MIB);
        assert_eq!(
            limit_within(49 * MIB + 64, MIB, foreign, Some(STACK)),
            49 * MIB
        );
        assert_eq!(
            limit_within(107 * MIB, MIB, foreign, Some(STACK)),
            106 * MIB
        );
    }
}
