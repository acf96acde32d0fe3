//! Where the stack lies that the system gave this thread.

use std::cell::Cell;
use std::ops::Range;

thread_local! {
    static THREAD_STACK: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// The stack the system gave this thread, if it tells; asked once a thread.
pub(crate) fn thread_stack() -> Option<Range<usize>> {
    let (low, high) = THREAD_STACK.get().unwrap_or_else(|| {
        let bounds = ask_thread_stack().unwrap_or((0, 0));
        THREAD_STACK.set(Some(bounds));
        bounds
    });
    (low < high).then_some(low..high)
}

/// Lowest usable address and end of this thread's stack. For the main thread the C library answers
/// with the system's limit for its growth.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
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
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn ask_thread_stack() -> Option<(usize, usize)> {
    None
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    use super::*;

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn this_thread_runs_on_its_stack() {
        let local = 0_u8;
        let stack = thread_stack().expect("the C library tells");
        assert!(stack.contains(&(&raw const local).addr()));
    }
}
