//! Which threads hold the lock of a registry: what the handler of signals must know.

use std::cell::Cell;

thread_local! {
    static LOCKS_HELD: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread holds or awaits the lock of a registry, so that a signal handler on it must
/// not ask for one.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn thread_holds_a_lock() -> bool {
    LOCKS_HELD.get() > 0
}

/// Says for its lifetime that this thread holds the lock of a registry.
#[derive(Debug)]
pub(super) struct Held {
    /// A lock belongs to the thread that took it.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Held {
    pub(super) fn new() -> Self {
        LOCKS_HELD.set(LOCKS_HELD.get() + 1);
        Self {
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        LOCKS_HELD.set(LOCKS_HELD.get() - 1);
    }
}
