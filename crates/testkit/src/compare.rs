//! Is what the roots lead to in the heap the same graph as in the model?
//!
//! A walk over both at once, breadth first, from every root. Each model object must be at one
//! place and each place be one model object, so identity is compared and not only content; types,
//! lengths, integers and host values must agree. What differs is told with the shortest path from
//! a root.

use crate::model::{Model, NodeId, NodeKind, Reference, Root, Value};
use crate::mutator::{Found, Mutator, root_kind};
use crate::schema::Schema;
use std::collections::{HashMap, VecDeque};
use windrow_core::{GcRef, ObjectRef, TypeId};

/// Where each live object of the model lies.
pub(crate) type Places = HashMap<NodeId, ObjectRef>;

/// Compares everything reachable, and tells where each object lies.
pub(crate) fn compare(model: &Model, mutator: &Mutator, schema: &Schema) -> Result<Places, String> {
    let mut walk = Walk {
        model,
        mutator,
        schema,
        places: Places::new(),
        owners: HashMap::new(),
        found_by: HashMap::new(),
        to_visit: VecDeque::new(),
        entries: HashMap::new(),
    };
    for (map, entries) in model.weak.maps.iter().enumerate() {
        for entry in entries {
            let of_key = walk.entries.entry(entry.key).or_default();
            of_key.push((map, entry.value));
        }
    }
    for (root, expected) in model.roots() {
        let Some(found) = mutator.root(root) else {
            return Err(format!("{root}: the handle lost its reference"));
        };
        walk.meet(expected, found, Step::Root(root))?;
    }
    while let Some(node) = walk.to_visit.pop_front() {
        walk.visit(node)?;
    }
    walk.check_references()?;
    Ok(walk.places)
}

/// How the walk came to a reference.
#[derive(Clone, Copy, Debug)]
enum Step {
    Root(Root),
    Cell(NodeId, usize),
    /// The entry of a weak map with this key.
    Entry(NodeId, usize),
}

struct Walk<'a> {
    model: &'a Model,
    mutator: &'a Mutator,
    schema: &'a Schema,
    places: Places,
    owners: HashMap<ObjectRef, NodeId>,
    found_by: HashMap<NodeId, Step>,
    to_visit: VecDeque<NodeId>,
    /// By key, the maps with an entry, and its value.
    entries: HashMap<NodeId, Vec<(usize, Reference)>>,
}

impl Walk<'_> {
    /// Compares two references that should lead to the same.
    fn meet(&mut self, expected: Reference, found: GcRef, step: Step) -> Result<(), String> {
        let agrees = match expected {
            Reference::Null => found.is_null(),
            Reference::I31(value) => found.as_i31() == Some(value),
            Reference::Node(node) => {
                match found.as_object().filter(|object| object.to_ref() == found) {
                    Some(object) => return self.meet_object(node, object, step),
                    None => false,
                }
            }
        };
        if agrees {
            return Ok(());
        }
        Err(format!(
            "{}: expected {}, found {found:?}",
            self.path(step),
            self.describe(expected)
        ))
    }

    fn meet_object(&mut self, node: NodeId, object: ObjectRef, step: Step) -> Result<(), String> {
        let (place, owner) = (self.places.get(&node), self.owners.get(&object));
        match (place, owner) {
            (Some(place), _) if *place == object => Ok(()),
            (Some(place), _) => Err(format!(
                "{}: expected the object at {place:?}, which {} leads to as well, found {object:?}",
                self.path(step),
                self.path_to(node),
            )),
            (None, Some(other)) => Err(format!(
                "{}: expected {} of its own, found {object:?}, which is the one {} leads to",
                self.path(step),
                self.describe(Reference::Node(node)),
                self.path_to(*other),
            )),
            (None, None) => {
                self.places.insert(node, object);
                self.owners.insert(object, node);
                self.found_by.insert(node, step);
                self.to_visit.push_back(node);
                Ok(())
            }
        }
    }

    /// Compares the content of an object met before.
    fn visit(&mut self, node: NodeId) -> Result<(), String> {
        let object = self.places[&node];
        let kind = self.model.node(node).kind;
        let expected_type = match kind {
            NodeKind::Struct(ty) | NodeKind::Array(ty) => self.mutator.type_id(ty),
            NodeKind::Extern(_) | NodeKind::Traced(_) => TypeId::EXTERN,
        };
        let found_type = self.mutator.isolate.type_of(object);
        if found_type != expected_type {
            return Err(format!(
                "{}: expected {}, found an object of type {found_type} at {object:?}",
                self.path_to(node),
                self.describe(Reference::Node(node)),
            ));
        }
        match kind {
            NodeKind::Extern(tag) | NodeKind::Traced(tag) => {
                self.check_host_value(node, object, tag)
            }
            NodeKind::Struct(ty) => self.check_cells(node, object, |index| {
                self.mutator.field(self.schema, ty, index)
            }),
            NodeKind::Array(ty) => {
                let (expected, found) = (
                    self.model.node(node).cells.len(),
                    self.mutator.isolate.array_len(object),
                );
                if usize::try_from(found) != Ok(expected) {
                    return Err(format!(
                        "{}: expected the length {expected}, found {found}",
                        self.path_to(node)
                    ));
                }
                self.check_cells(node, object, |index| {
                    self.mutator.element(self.schema, ty, index)
                })
            }
        }
        .and_then(|()| self.follow(node, object))
        .and_then(|()| self.follow_entries(node, object))
    }

    /// Meets what entries of weak maps with this key lead to.
    fn follow_entries(&mut self, node: NodeId, object: ObjectRef) -> Result<(), String> {
        for (map, expected) in self.entries.remove(&node).unwrap_or_default() {
            let step = Step::Entry(node, map);
            match self.mutator.map_get(map, object) {
                Ok(Some(found)) => self.meet(expected, found, step)?,
                Ok(None) => return Err(format!("{}: there is no such entry", self.path(step))),
                Err(error) => return Err(format!("{}: {error}", self.path(step))),
            }
        }
        Ok(())
    }

    /// Checks that weak references to what was met lead there.
    fn check_references(&self) -> Result<(), String> {
        for (index, node) in self.model.weak.references.iter().enumerate() {
            let Some(place) = node.and_then(|node| self.places.get(&node)) else {
                continue;
            };
            let found = self.mutator.follow(index);
            if found.as_ref() != Ok(&Some(*place)) {
                return Err(format!(
                    "weak reference {index}: expected the object at {place:?}, found {found:?}"
                ));
            }
        }
        Ok(())
    }

    fn check_host_value(&self, node: NodeId, object: ObjectRef, tag: usize) -> Result<(), String> {
        let differs = |found: String| {
            Err(format!(
                "{}: expected host value {tag} in {object:?}, found {found}",
                self.path_to(node)
            ))
        };
        match self.mutator.tag_of(object) {
            Ok(Some(found)) if found == tag => Ok(()),
            Ok(Some(found)) => differs(format!("host value {found}")),
            Ok(None) => differs("none".to_owned()),
            Err(error) => differs(error.to_string()),
        }
    }

    /// Compares the integers.
    fn check_cells(
        &self,
        node: NodeId,
        object: ObjectRef,
        cell: impl Fn(usize) -> crate::mutator::Cell,
    ) -> Result<(), String> {
        for (index, value) in self.model.node(node).cells.iter().enumerate() {
            let Value::Bits(expected) = *value else {
                continue;
            };
            let found = self.mutator.read(object, cell(index));
            if found != Found::Bits(expected) {
                let path = self.path(Step::Cell(node, index));
                return Err(format!(
                    "{path}: expected {expected:#x}, found {found} in {object:?}"
                ));
            }
        }
        Ok(())
    }

    /// Meets what the references lead to.
    fn follow(&mut self, node: NodeId, object: ObjectRef) -> Result<(), String> {
        let (model, mutator, schema) = (self.model, self.mutator, self.schema);
        for (index, value) in model.node(node).cells.iter().enumerate() {
            let Value::Ref(expected) = *value else {
                continue;
            };
            let cell = match model.node(node).kind {
                NodeKind::Struct(ty) => mutator.field(schema, ty, index),
                NodeKind::Array(ty) => mutator.element(schema, ty, index),
                NodeKind::Extern(_) => continue,
                NodeKind::Traced(_) => {
                    let step = Step::Cell(node, index);
                    match mutator.read_cell(object, index) {
                        Some(found) => self.meet(expected, found, step)?,
                        None => return Err(format!("{}: there is no cell", self.path(step))),
                    }
                    continue;
                }
            };
            if let Found::Ref(found) = mutator.read(object, cell) {
                self.meet(expected, found, Step::Cell(node, index))?;
            }
        }
        Ok(())
    }

    fn describe(&self, reference: Reference) -> String {
        match reference {
            Reference::Null => "null".to_owned(),
            Reference::I31(value) => format!("i31({value})"),
            Reference::Node(node) => match self.model.node(node).kind {
                NodeKind::Struct(ty) => format!("a struct of type {ty}"),
                NodeKind::Array(ty) => {
                    format!(
                        "an array of type {ty} with {} elements",
                        self.model.node(node).cells.len()
                    )
                }
                NodeKind::Extern(tag) => format!("host value {tag}"),
                NodeKind::Traced(tag) => format!("host value {tag} with cells"),
            },
        }
    }

    fn path_to(&self, node: NodeId) -> String {
        self.found_by
            .get(&node)
            .map_or_else(|| "nothing".to_owned(), |step| self.path(*step))
    }

    /// The path from a root to a reference.
    fn path(&self, mut step: Step) -> String {
        let mut cells = Vec::new();
        loop {
            match step {
                Step::Root(root) => {
                    cells.push(format!("{root} ({:?})", root_kind(root)));
                    break;
                }
                Step::Cell(node, index) | Step::Entry(node, index) => {
                    let word = match (step, self.model.node(node).kind) {
                        (Step::Entry(..), _) => "entry of weak map",
                        (_, NodeKind::Array(_)) => "element",
                        (_, NodeKind::Traced(_)) => "cell",
                        _ => "field",
                    };
                    cells.push(format!("{word} {index}"));
                    let Some(before) = self.found_by.get(&node) else {
                        break;
                    };
                    step = *before;
                }
            }
        }
        cells.reverse();
        cells.join(" -> ")
    }
}
