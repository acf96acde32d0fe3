//! Where collections are forbidden, none can be asked for.

use windrow::{CollectionKind, Error, Store};

fn collect(store: &mut Store) -> Result<(), Error> {
    let heap = store.no_gc();
    heap.gc(CollectionKind::Full)
}

fn main() {}
