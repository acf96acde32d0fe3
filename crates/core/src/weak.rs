//! What hangs on whether objects are alive: weak references, weak maps, finalizers.
//!
//! One phase of a collection serves them all, and host values too, on every collector: see
//! [`phase`]. The tables go by the offsets of objects, and are brought up to date by that phase alone;
//! the objects they name are [watched](crate::Watched).

mod references;
mod map;
mod finalizers;
pub(crate) mod phase;

pub use map::WeakMapHandle;
pub use references::WeakHandle;

pub(crate) use finalizers::Finalizers;
pub(crate) use map::{Maps, WeakMap};
pub(crate) use references::References;

use crate::Watched;

/// The weak things of one isolate.
#[derive(Debug, Default)]
pub(crate) struct WeakTables {
    pub(crate) references: References,
    pub(crate) maps: Maps,
    pub(crate) finalizers: Finalizers,
    /// Collections there were, as cells of host values count them.
    pub(crate) epoch: u32,
}

impl WeakTables {
    /// Watches every object they name.
    pub(crate) fn watch(&self, watched: &mut Watched) {
        let keys = self.maps.iter().flat_map(WeakMap::entries);
        let objects = keys.map(|(key, _)| key);
        let objects = objects.chain(self.references.objects());
        let registered = self.finalizers.registered().map(|(object, _)| object);
        objects
            .chain(registered)
            .for_each(|object| watched.insert(object));
    }
}
