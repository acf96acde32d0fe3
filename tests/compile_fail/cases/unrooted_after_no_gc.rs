//! A reference without a root ends with the scope that forbids collections.

use windrow::{CollectionKind, Error, Store, StructRef, TypeId};

fn use_late(store: &mut Store, node: TypeId) -> Result<(), Error> {
    let mut scope = store.scope();
    let object = StructRef::new_default(&mut scope, node)?;
    let heap = scope.no_gc();
    let unrooted = heap.unrooted(object)?;
    drop(heap);
    scope.gc(CollectionKind::Full)?;
    let _ = unrooted.gc_ref();
    Ok(())
}

fn main() {}
