//! Threads cannot even read a store at the same time.

use windrow::Store;

fn is_sync<T: Sync>() {}

fn main() {
    is_sync::<Store>();
}
