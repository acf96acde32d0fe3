//! Roots: what each adds to a collection that finds nothing else to do.
//!
//! All lead to one object. Those of a program are in `program`.

use crate::measure::{Group, operation, timed};
use crate::nodes::Nodes;
use windrow::{CollectionKind, CollectorKind, Config, Error, Store, ValueStack};

const ROOTS: u32 = 100_000;

pub(crate) fn bench(group: &mut Group<'_>) {
    for kind in CollectorKind::ALL {
        let config = Config::new().collector(*kind);
        let (mut store, nodes) = Nodes::store(&config).expect("there is address space");

        // Handles in a scope, and a collection among them.
        operation(group, "handle in a scope", *kind, ROOTS, || {
            let mut scope = store.scope();
            let object = nodes.leaf(&mut scope)?.gc_ref(&scope);
            for _ in 0..ROOTS {
                scope.root(object);
            }
            timed(|| scope.gc(CollectionKind::Full))
        });

        let handles = own(&mut store, &nodes).expect("there is room");
        operation(group, "owned handle", *kind, ROOTS, || {
            timed(|| store.gc(CollectionKind::Full))
        });
        drop(handles);
        store.gc(CollectionKind::Full).expect("it is whole");

        let stack = store.add_roots(ValueStack::new());
        let mut scope = store.scope();
        let object = nodes.leaf(&mut scope).expect("there is room");
        let object = object.gc_ref(&scope);
        scope.roots_mut(stack).resize(ROOTS as usize, object);
        drop(scope);
        operation(group, "slot of a value stack", *kind, ROOTS, || {
            timed(|| store.gc(CollectionKind::Full))
        });
    }
}

/// Owned handles, all of one object.
fn own(
    store: &mut Store,
    nodes: &Nodes,
) -> Result<Vec<windrow::OwnedRooted<windrow::StructRef>>, Error> {
    let mut scope = store.scope();
    let object = nodes.leaf(&mut scope)?;
    Ok((0..ROOTS).map(|_| object.own(&mut scope)).collect())
}
