//! A handle ends with its scope.

use windrow::{Error, Store, StructRef, TypeId};

fn use_late(store: &mut Store, node: TypeId) -> Result<(), Error> {
    let mut scope = store.scope();
    let object = StructRef::new_default(&mut scope, node)?;
    drop(scope);
    let _ = object.type_id(store);
    Ok(())
}

fn main() {}
