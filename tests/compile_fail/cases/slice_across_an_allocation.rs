//! Elements borrowed in place are given back before anything can move.

use windrow::{ArrayRef, Error, Store, TypeId};

fn hold(store: &mut Store, bytes: TypeId) -> Result<usize, Error> {
    let mut scope = store.scope();
    let array = ArrayRef::from_slice(&mut scope, bytes, b"hay")?;
    let elements = array.as_slice::<u8>(&mut scope)?;
    ArrayRef::new_default(&mut scope, bytes, 8)?;
    Ok(elements.len())
}

fn main() {}
