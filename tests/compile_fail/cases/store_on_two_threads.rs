//! One thread at a time uses a store.

use windrow::{CollectionKind, Store};

fn collect_twice(store: &mut Store) {
    std::thread::scope(|threads| {
        threads.spawn(|| store.gc(CollectionKind::Full));
        threads.spawn(|| store.gc(CollectionKind::Full));
    });
}

fn main() {}
