//! What hangs on whether objects are alive, in the model.
//!
//! A collector may find an object dead at any collection after it died, and until one did the mutator may
//! bring it back by a weak reference. So the model asks the heap what was found dead, holds it to what
//! it must not have found and, after a full collection, to what it must have.

use super::{NodeId, Reference};
use std::collections::HashSet;

/// An entry of a weak map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) key: NodeId,
    pub(crate) value: Reference,
}

/// Weak references, weak maps and finalizers.
#[derive(Clone, Debug, Default)]
pub(crate) struct WeakThings {
    /// `None` for one that was cleared.
    pub(crate) references: Vec<Option<NodeId>>,
    pub(crate) maps: Vec<Vec<Entry>>,
    /// Objects with finalizers, with tags that are different all.
    pub(crate) registered: Vec<(NodeId, u64)>,
    /// Those found dead, which are roots.
    pub(crate) queue: Vec<(NodeId, u64)>,
    /// Registrations there were.
    pub(crate) tags: u64,
}

impl WeakThings {
    /// The values of weak maps that these keys keep alive and that are not among them.
    pub(super) fn values_of(&self, reached: &HashSet<NodeId>) -> Vec<Reference> {
        let entries = self.maps.iter().flatten();
        let kept = entries.filter(|entry| reached.contains(&entry.key));
        let values = kept.map(|entry| entry.value);
        values
            .filter(|value| matches!(value, Reference::Node(node) if !reached.contains(node)))
            .collect()
    }

    /// Where the entry of a key is in a map.
    pub(crate) fn find(&self, map: usize, key: NodeId) -> Option<usize> {
        self.maps[map].iter().position(|entry| entry.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, NodeKind};

    #[test]
    fn entries_keep_values_of_live_keys_in_any_order() {
        let mut model = Model::default();
        let node = |model: &mut Model| model.allocate(NodeKind::Struct(0), vec![], 8);
        let nodes: Vec<NodeId> = (0..10).map(|_| node(&mut model)).collect();
        let entry = |key: usize| Entry {
            key: nodes[key],
            value: Reference::Node(nodes[(key + 1) % 10]),
        };
        model.weak.maps.push((0..5).rev().map(entry).collect());
        model.weak.maps.push((5..9).map(entry).collect());
        assert!(
            model.reachable().is_empty(),
            "a ring of entries holds nothing"
        );
        model.values.push(Reference::Node(nodes[3]));
        let reached = model.reachable();
        assert_eq!(reached, nodes[3..].iter().copied().collect());
        model.values.clear();
        model.weak.queue.push((nodes[9], 1));
        assert_eq!(model.reachable(), HashSet::from([nodes[9]]));
    }
}
