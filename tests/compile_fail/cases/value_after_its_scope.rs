//! A value that holds a handle ends with the handle's scope. `ScopedVal::own` makes one that does not.

use windrow::{Error, Store, StructRef, TypeId, Val};

fn read(store: &mut Store, node: TypeId) -> Result<Val, Error> {
    let value = {
        let mut scope = store.scope();
        let object = StructRef::new_default(&mut scope, node)?;
        object.get(&mut scope, 0)?
    };
    value.own(store)
}

fn main() {}
