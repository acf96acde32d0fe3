//! One thread at a time uses a store.

use windrow::{CollectionKind, Store};

/// As `std::thread::scope` would.
fn on_two_threads(_: impl FnOnce() + Send, _: impl FnOnce() + Send) {}

fn collect_twice(store: &mut Store) {
    on_two_threads(
        || drop(store.gc(CollectionKind::Full)),
        || drop(store.gc(CollectionKind::Full)),
    );
}

fn main() {}
