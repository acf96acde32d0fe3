//! Why an object is alive: the shortest path from a root.
//!
//! Breadth first over strong references, with each object's predecessor in a table, until the object is
//! found.

use crate::survey::{Allowance, EdgeSlot, EdgeStrength, RootLists, View};
use crate::{ObjectRef, RootKind, TypeId};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// A path from a root to an object.
///
/// Written as `global -> Node.next -> array anyref[3] -> Leaf @0x2f10`; a path of many objects leaves
/// those in the middle out, unless it is written with `{:#}`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RetainingPath {
    /// What holds the first object.
    pub root: RootKind,
    /// The objects, from the one that the root holds to the one that was asked for.
    pub steps: Vec<PathStep>,
}

/// One object of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PathStep {
    /// Where it is, until the next safepoint.
    pub object: ObjectRef,
    /// Its type.
    pub type_id: TypeId,
    /// Its type's name, or its structure.
    pub type_name: Arc<str>,
    /// Where in it the next object of the path is held; `None` for the last.
    pub slot: Option<EdgeSlot>,
    /// The name of that place, for a field: the field's name, or its index.
    pub field_name: Option<Arc<str>>,
}

/// Objects at either end of a path that are always written.
const WRITTEN: usize = 10;

impl fmt::Display for PathStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name)?;
        match (self.slot, &self.field_name) {
            (None, _) => write!(f, " {:?}", self.object),
            (Some(EdgeSlot::Element(index) | EdgeSlot::HostCell(index)), _) => {
                write!(f, "[{index}]")
            }
            (Some(_), Some(name)) => write!(f, ".{name}"),
            (Some(_), None) => Ok(()),
        }
    }
}

impl fmt::Display for RetainingPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root)?;
        let left_out = match self.steps.len() {
            len if len > 2 * WRITTEN + 1 && !f.alternate() => WRITTEN..len - WRITTEN,
            _ => 0..0,
        };
        for (index, step) in self.steps.iter().enumerate() {
            if index == left_out.start && !left_out.is_empty() {
                write!(f, " -> ({} more)", left_out.len())?;
            }
            if !left_out.contains(&index) {
                write!(f, " -> {step}")?;
            }
        }
        Ok(())
    }
}

/// The shortest path from one of `roots` to `wanted`, through objects that may take `occupied_bytes`
/// together.
pub(crate) fn shortest_path(
    view: &View<'_>,
    roots: &RootLists,
    occupied_bytes: u64,
    wanted: ObjectRef,
) -> Option<RetainingPath> {
    let is_own_handle = |kind: RootKind, object: ObjectRef| {
        object == wanted && matches!(kind, RootKind::ScopedHandle | RootKind::OwnedHandle)
    };
    let mut allowance = Allowance(occupied_bytes);
    // By object, what leads there; itself where a root does.
    let mut from: HashMap<ObjectRef, ObjectRef> = HashMap::new();
    let mut pending = VecDeque::new();
    for (kind, objects) in roots.iter() {
        for object in objects {
            if !is_own_handle(kind, *object)
                && !from.contains_key(object)
                && allowance.admits(view, *object)
            {
                from.insert(*object, *object);
                pending.push_back(*object);
            }
        }
    }
    while !from.contains_key(&wanted) {
        let Some(object) = pending.pop_front() else {
            // Then it is the handles, if there are any.
            let (kind, _) = roots
                .iter()
                .find(|(_, objects)| objects.contains(&wanted))?;
            view.object(wanted)?;
            return Some(RetainingPath {
                root: kind,
                steps: vec![step(view, wanted, None)],
            });
        };
        view.for_each_edge(object, &mut |edge| {
            if edge.strength == EdgeStrength::Strong
                && !from.contains_key(&edge.target)
                && allowance.admits(view, edge.target)
            {
                from.insert(edge.target, object);
                pending.push_back(edge.target);
            }
        });
    }
    let mut objects = vec![wanted];
    let mut first = wanted;
    while let Some(before) = from.get(&first).filter(|before| **before != first) {
        objects.push(*before);
        first = *before;
    }
    objects.reverse();
    let root = roots
        .iter()
        .find(|(kind, objects)| !is_own_handle(*kind, first) && objects.contains(&first));
    let nexts = objects.iter().skip(1).copied().map(Some).chain([None]);
    Some(RetainingPath {
        root: root.map(|(kind, _)| kind)?,
        steps: objects
            .iter()
            .zip(nexts)
            .map(|(object, next)| step(view, *object, next))
            .collect(),
    })
}

fn step(view: &View<'_>, object: ObjectRef, next: Option<ObjectRef>) -> PathStep {
    let type_id = view
        .object(object)
        .map_or(TypeId::INVALID, |(header, _)| header.type_id());
    let mut slot = None;
    view.for_each_edge(object, &mut |edge| {
        if slot.is_none() && Some(edge.target) == next && edge.strength == EdgeStrength::Strong {
            slot = Some(edge.slot);
        }
    });
    let field_name = match slot {
        Some(EdgeSlot::Field(field)) => Some(view.field_name(type_id, field)),
        Some(EdgeSlot::Arguments) => Some("arguments".into()),
        Some(EdgeSlot::WeakMapValue) => Some("(value in a weak map)".into()),
        _ => None,
    };
    PathStep {
        object,
        type_id,
        type_name: view.type_name(type_id),
        slot,
        field_name,
    }
}
