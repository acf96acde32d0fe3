//! The embedder's API from outside, on every collector in both memories, as it is and under zeal.

mod arrays;
mod collections;
mod externs;
mod handles;
mod structs;
mod weak;

use windrow::{CollectorKind, Config, MemoryKind, Store, Zeal};

/// Runs a test in a store of each configuration there is. Nothing else tells them apart.
fn everywhere(test: impl Fn(&mut Store)) {
    for collector in CollectorKind::ALL {
        for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
            for zeal in [Zeal::OFF, Zeal::every(1)] {
                let config = Config::new()
                    .collector(*collector)
                    .memory(memory)
                    .zeal(zeal);
                let mut store = Store::new(&config).expect("there is room");
                test(&mut store);
                store.verify().expect("the heap is whole");
            }
        }
    }
}
