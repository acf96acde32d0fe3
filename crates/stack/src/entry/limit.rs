//! How far down compiled code may take the stack.

use std::cell::Cell;
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

thread_local! {
    static THREAD_STACK: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// The stack the system gave this thread, if it tells; asked once a thread.
fn thread_stack() -> Option<Range<usize>> {
    let (low, high) = THREAD_STACK.get().unwrap_or_else(|| {
        let bounds = ask_thread_stack().unwrap_or((0, 0));
        THREAD_STACK.set(Some(bounds));
        bounds
    });
    (low < high).then_some(low..high)
}

/// Lowest usable address and end of this thread's stack. For the main thread the C library answers
/// with the system's limit for its growth.
#[cfg(target_env = "gnu")]
fn ask_thread_stack() -> Option<(usize, usize)> {
    use std::mem::MaybeUninit;
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: asks about this very thread; fills the attributes in when it returns zero.
    if unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut low, mut size_bytes, mut guard_bytes) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the attributes were filled in above and are destroyed once, after their last use.
    let answers = unsafe {
        let attributes = attributes.as_mut_ptr();
        let stack = libc::pthread_attr_getstack(attributes, &raw mut low, &raw mut size_bytes);
        let guard = libc::pthread_attr_getguardsize(attributes, &raw mut guard_bytes);
        libc::pthread_attr_destroy(attributes);
        (stack, guard)
    };
    // Some versions count the guard as part of the stack; taking it off twice does no harm.
    (answers == (0, 0)).then(|| (low.addr() + guard_bytes, low.addr() + size_bytes))
}

/// Other C libraries report only the part of the main thread's stack in use, which is no bound.
#[cfg(not(target_env = "gnu"))]
fn ask_thread_stack() -> Option<(usize, usize)> {
    None
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

    #[cfg(target_env = "gnu")]
    #[test]
    fn this_thread_runs_on_its_stack() {
        let local = 0_u8;
        let stack = thread_stack().expect("the C library tells");
        assert!(stack.contains(&(&raw const local).addr()));
    }
}
