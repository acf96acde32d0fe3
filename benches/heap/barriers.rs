//! The write barrier, when it has something to do and when it has not.
//!
//! The objects written to survived a collection. Each is written to once after it, *first*, and then again,
//! *again*: a collector that logs what changes has work at the first store only. A collector without a
//! barrier shows what the store itself costs.

use crate::measure::{Group, operation, timed};
use crate::nodes::Nodes;
use windrow::{ArrayRef, CollectionKind, CollectorKind, Config, Error, Rooted, Store, StructRef};

/// Objects, elements and handles: few enough for the cache.
const OBJECTS: u32 = 4096;

#[derive(Clone, Copy)]
enum Target {
    /// A field of each of many objects.
    Fields,
    /// Every element of one array.
    Elements,
    /// The same, by one copy.
    Copy,
}

pub(crate) fn bench(group: &mut Group<'_>) {
    for (name, target, is_first) in [
        ("field, first", Target::Fields, true),
        ("field, again", Target::Fields, false),
        ("element, first", Target::Elements, true),
        ("element, again", Target::Elements, false),
        ("element of a copy, first", Target::Copy, true),
        ("element of a copy, again", Target::Copy, false),
    ] {
        for kind in CollectorKind::ALL {
            let config = Config::new().collector(*kind);
            let (mut store, nodes) = Nodes::store(&config).expect("there is address space");
            operation(group, name, *kind, OBJECTS, || {
                round(&mut store, &nodes, target, is_first)
            });
        }
    }
}

fn round(
    store: &mut Store,
    nodes: &Nodes,
    target: Target,
    is_first: bool,
) -> Result<std::time::Duration, Error> {
    let mut scope = store.scope();
    let objects = (0..OBJECTS).map(|_| nodes.leaf(&mut scope));
    let objects = objects.collect::<Result<Vec<_>, _>>()?;
    let value = nodes.leaf(&mut scope)?;
    let to = ArrayRef::new_default(&mut scope, nodes.array, OBJECTS)?;
    let from = ArrayRef::new(&mut scope, nodes.array, OBJECTS, value.into())?;
    scope.gc(CollectionKind::Full)?;
    if !is_first {
        write(&mut scope, nodes, target, &objects, value, to, from)?;
    }
    timed(|| write(&mut scope, nodes, target, &objects, value, to, from))
}

#[inline(always)]
fn write(
    store: &mut Store,
    nodes: &Nodes,
    target: Target,
    objects: &[Rooted<'_, StructRef>],
    value: Rooted<'_, StructRef>,
    to: Rooted<'_, ArrayRef>,
    from: Rooted<'_, ArrayRef>,
) -> Result<(), Error> {
    match target {
        Target::Fields => {
            for object in objects {
                object.write_ref_unchecked(store, nodes.left, Some(value.to_any()));
            }
            Ok(())
        }
        Target::Elements => (0..OBJECTS).try_for_each(|index| to.set(store, index, value.into())),
        Target::Copy => to.copy_from(store, 0, from, 0, OBJECTS),
    }
}
