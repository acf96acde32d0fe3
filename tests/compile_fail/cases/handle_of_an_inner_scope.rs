//! A handle of an inner scope does not get out of it by itself.

use windrow::{Error, Store, StructRef, TypeId};

fn keep(store: &mut Store, node: TypeId) -> Result<(), Error> {
    let mut scope = store.scope();
    let kept;
    {
        let mut inner = scope.scope();
        kept = StructRef::new_default(&mut inner, node)?;
    }
    kept.get(&mut scope, 0)?;
    Ok(())
}

fn main() {}
