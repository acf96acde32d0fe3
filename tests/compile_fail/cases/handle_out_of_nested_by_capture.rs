//! One handle comes out of `nested`: the one it returns.

use windrow::{Error, Store, StructRef, TypeId};

fn smuggle(store: &mut Store, node: TypeId) -> Result<(), Error> {
    let mut scope = store.scope();
    let mut smuggled = None;
    scope.nested(|inner| {
        let object = StructRef::new_default(inner, node)?;
        smuggled = Some(object);
        Ok::<_, Error>(Some(object))
    })?;
    Ok(())
}

fn main() {}
