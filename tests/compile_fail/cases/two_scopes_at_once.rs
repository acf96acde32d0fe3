//! A store has one scope in use: the innermost.

use windrow::{Error, Store, StructRef, TypeId};

fn of_one_store(store: &mut Store, node: TypeId) -> Result<(), Error> {
    let mut first = store.scope();
    let mut second = store.scope();
    StructRef::new_default(&mut second, node)?;
    StructRef::new_default(&mut first, node)?;
    Ok(())
}

fn of_one_scope(store: &mut Store, node: TypeId) -> Result<(), Error> {
    let mut outer = store.scope();
    let mut inner = outer.scope();
    StructRef::new_default(&mut outer, node)?;
    StructRef::new_default(&mut inner, node)?;
    Ok(())
}

fn main() {}
