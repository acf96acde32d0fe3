//! The model heap: what a heap should be, done so simply that it is plainly right.
//!
//! Objects are nodes with numbers that never change and a list of cells; nothing is ever freed.
//! What is alive is worked out anew each time, from the roots along the references. It imports
//! nothing of windrow, knows no layout, and shares no code with what it is compared with.

mod weak;

use crate::case::{Field, STATICS, Target, VARIABLES};
use crate::schema::{EXTERN_BYTES, Schema};
use std::collections::HashSet;
use std::fmt;
pub(crate) use weak::Entry;
use weak::WeakThings;

/// A node: an object of the model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct NodeId(pub(crate) usize);

/// A reference of the model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Reference {
    /// Null.
    #[default]
    Null,
    /// An integer of 31 bits.
    I31(i32),
    /// An object.
    Node(NodeId),
}

/// What a field or an element holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// Bits of an integer, as many as the field has.
    Bits(u128),
    /// A reference.
    Ref(Reference),
}

/// What a node stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NodeKind {
    /// A struct of this type.
    Struct(usize),
    /// An array of this type.
    Array(usize),
    /// A host value with this tag.
    Extern(usize),
    /// A host value with this tag, which has cells.
    Traced(usize),
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) cells: Vec<Value>,
    pub(crate) bytes: u64,
}

/// What keeps objects alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Root {
    /// A variable of the mutator.
    Variable(usize),
    /// A variable of a caller: how many calls were open when it called, and which.
    Caller(usize, usize),
    /// A global, a table element, or an item of an element segment.
    Static(usize),
    /// A scoped handle, by its height.
    Scoped(usize),
    /// An owned handle, by its age among those that are left.
    Owned(usize),
    /// A slot of the value stack.
    Value(usize),
    /// An object that waits for its finalizer, by its place in the queue.
    Queued(usize),
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(index) => write!(f, "variable {index}"),
            Self::Caller(depth, index) => {
                write!(f, "variable {index} of the caller at depth {depth}")
            }
            Self::Static(index) => write!(f, "static {index}"),
            Self::Scoped(index) => write!(f, "scoped handle {index}"),
            Self::Owned(index) => write!(f, "owned handle {index}"),
            Self::Value(index) => write!(f, "slot {index} of the value stack"),
            Self::Queued(index) => write!(f, "number {index} in the queue of finalizers"),
        }
    }
}

/// The model heap and its roots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    nodes: Vec<Node>,
    pub(crate) variables: [Reference; VARIABLES],
    /// The variables of callers, outermost first.
    pub(crate) callers: Vec<[Reference; VARIABLES]>,
    pub(crate) statics: [Reference; STATICS],
    pub(crate) scoped: Vec<Reference>,
    /// Heights of the scoped handles at which scopes were opened.
    pub(crate) scopes: Vec<usize>,
    pub(crate) owned: Vec<Reference>,
    pub(crate) values: Vec<Reference>,
    pub(crate) weak: WeakThings,
    /// Bytes of every object ever allocated.
    pub(crate) allocated_bytes: u64,
    externs: usize,
}

impl Model {
    /// Adds an object and accounts for its bytes.
    pub(crate) fn allocate(&mut self, kind: NodeKind, cells: Vec<Value>, bytes: u64) -> NodeId {
        self.allocated_bytes += bytes;
        self.nodes.push(Node { kind, cells, bytes });
        NodeId(self.nodes.len() - 1)
    }

    /// Adds an object that stands for the next host value; [`Self::next_tag`] told its tag.
    pub(crate) fn allocate_extern(&mut self) -> NodeId {
        let tag = self.externs;
        self.externs += 1;
        self.allocate(NodeKind::Extern(tag), Vec::new(), EXTERN_BYTES)
    }

    /// As [`Self::allocate_extern`], with cells.
    pub(crate) fn allocate_traced(&mut self, cells: usize) -> NodeId {
        let tag = self.externs;
        self.externs += 1;
        let cells = vec![Value::Ref(Reference::Null); cells];
        self.allocate(NodeKind::Traced(tag), cells, EXTERN_BYTES)
    }

    /// Tag of the next host value: how many there were before.
    pub(crate) fn next_tag(&self) -> usize {
        self.externs
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }

    /// Whether a field may hold a reference.
    pub(crate) fn accepts(&self, schema: &Schema, field: Field, reference: Reference) -> bool {
        match (field, reference) {
            (Field::Ref(_), Reference::Null) | (Field::Ref(Target::Any | Target::Extern), _) => {
                true
            }
            (Field::Ref(Target::Type(sup)), Reference::Node(id)) => match self.node(id).kind {
                NodeKind::Struct(ty) | NodeKind::Array(ty) => schema.is_subtype(ty, sup.into()),
                NodeKind::Extern(_) | NodeKind::Traced(_) => false,
            },
            _ => false,
        }
    }

    /// Copies a run of cells, as if to a list beside and then back.
    pub(crate) fn copy(
        &mut self,
        from: NodeId,
        from_index: usize,
        to: NodeId,
        to_index: usize,
        count: usize,
    ) {
        let moved: Vec<Value> = self.node(from).cells[from_index..from_index + count].to_vec();
        self.node_mut(to).cells[to_index..to_index + count].copy_from_slice(&moved);
    }

    /// Every root with what it holds.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (Root, Reference)> + '_ {
        let variables = (0..).map(Root::Variable).zip(self.variables);
        let statics = (0..).map(Root::Static).zip(self.statics);
        let scoped = (0..).map(Root::Scoped).zip(self.scoped.iter().copied());
        let owned = (0..).map(Root::Owned).zip(self.owned.iter().copied());
        let callers = self.callers.iter().enumerate().flat_map(|(depth, frame)| {
            (0..)
                .map(move |index| Root::Caller(depth, index))
                .zip(*frame)
        });
        let values = (0..).map(Root::Value).zip(self.values.iter().copied());
        let queued = self.weak.queue.iter().map(|(node, _)| *node);
        let queued = (0..).map(Root::Queued).zip(queued.map(Reference::Node));
        variables
            .chain(statics)
            .chain(callers)
            .chain(scoped)
            .chain(owned)
            .chain(values)
            .chain(queued)
    }

    /// The objects the roots lead to, by fields, elements, cells, and entries of weak maps whose keys
    /// they lead to.
    pub(crate) fn reachable(&self) -> HashSet<NodeId> {
        let mut reached = HashSet::new();
        let mut to_visit: Vec<Reference> = self.roots().map(|(_, reference)| reference).collect();
        while !to_visit.is_empty() {
            self.close(&mut reached, to_visit);
            to_visit = self.weak.values_of(&reached);
        }
        reached
    }

    /// Adds what these lead to, but for weak maps.
    fn close(&self, reached: &mut HashSet<NodeId>, mut to_visit: Vec<Reference>) {
        while let Some(reference) = to_visit.pop() {
            let Reference::Node(id) = reference else {
                continue;
            };
            if reached.insert(id) {
                to_visit.extend(self.node(id).cells.iter().filter_map(|cell| match cell {
                    Value::Ref(reference) => Some(*reference),
                    Value::Bits(_) => None,
                }));
            }
        }
    }

    /// Bytes of these objects.
    pub(crate) fn bytes_of(&self, nodes: &HashSet<NodeId>) -> u64 {
        nodes.iter().map(|id| self.node(*id).bytes).sum()
    }

    /// For each host value ever allocated, whether one of these objects stands for it.
    pub(crate) fn live_tags(&self, nodes: &HashSet<NodeId>) -> Vec<bool> {
        let mut live = vec![false; self.externs];
        for id in nodes {
            if let NodeKind::Extern(tag) | NodeKind::Traced(tag) = self.node(*id).kind {
                live[tag] = true;
            }
        }
        live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Body, TypeDecl};

    fn pair(model: &mut Model, first: Reference, second: Reference) -> NodeId {
        model.allocate(
            NodeKind::Struct(0),
            vec![Value::Ref(first), Value::Ref(second)],
            16,
        )
    }

    #[test]
    fn what_roots_lead_to_is_reachable_and_nothing_else() {
        let mut model = Model::default();
        let tag = model.next_tag();
        let held = model.allocate_extern();
        let dropped = model.allocate_extern();
        let inner = pair(&mut model, Reference::Node(held), Reference::I31(-5));
        let outer = pair(&mut model, Reference::Node(inner), Reference::Null);
        let garbage = pair(&mut model, Reference::Node(inner), Reference::Node(dropped));
        model.owned.push(Reference::Node(outer));
        let live = model.reachable();
        assert_eq!(live, HashSet::from([outer, inner, held]));
        assert!(!live.contains(&garbage));
        assert_eq!((model.bytes_of(&live), model.allocated_bytes), (48, 80));
        assert_eq!((tag, model.live_tags(&live)), (0, vec![true, false]));
    }

    #[test]
    fn every_kind_of_root_alone_keeps_a_cycle_alive() {
        for root in 0..5 {
            let mut model = Model::default();
            let node = pair(&mut model, Reference::Null, Reference::Null);
            model.node_mut(node).cells[0] = Value::Ref(Reference::Node(node));
            assert!(model.reachable().is_empty());
            let reference = Reference::Node(node);
            match root {
                0 => model.variables[7] = reference,
                1 => model.statics[11] = reference,
                2 => model.scoped.push(reference),
                3 => model.callers.push([reference; VARIABLES]),
                _ => model.owned.push(reference),
            }
            assert_eq!(model.reachable(), HashSet::from([node]));
        }
    }

    #[test]
    fn overlapping_copies_read_before_they_write() {
        let mut model = Model::default();
        let cells = (0..5).map(Value::Bits).collect();
        let node = model.allocate(NodeKind::Array(0), cells, 40);
        model.copy(node, 0, node, 1, 4);
        assert_eq!(model.node(node).cells, [0, 0, 1, 2, 3].map(Value::Bits));
    }

    #[test]
    fn fields_accept_their_type_and_its_subtypes() {
        let decl = |supertype| TypeDecl {
            supertype,
            body: Body::Struct(vec![]),
        };
        let schema = Schema::new(&[decl(None), decl(Some(0)), decl(None)]);
        let mut model = Model::default();
        let nodes =
            [0, 1, 2].map(|ty| Reference::Node(model.allocate(NodeKind::Struct(ty), vec![], 8)));
        let host_value = Reference::Node(model.allocate_extern());
        let field = Field::Ref(Target::Type(0));
        assert_eq!(
            nodes.map(|node| model.accepts(&schema, field, node)),
            [true, true, false]
        );
        assert!(
            !model.accepts(&schema, field, host_value)
                && !model.accepts(&schema, field, Reference::I31(0))
        );
        assert!(model.accepts(&schema, Field::Ref(Target::Any), host_value));
        assert!(!model.accepts(&schema, Field::I32, Reference::Null));
    }
}
