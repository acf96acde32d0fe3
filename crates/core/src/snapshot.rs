//! Heap snapshots in the format of Chrome's DevTools (`*.heapsnapshot`).
//!
//! One JSON object: `snapshot` describes the rest and counts it; `nodes` has seven numbers for each
//! node; `edges` three for each edge, those of the first node first; `strings` what both name by index.
//! The first node is the root. It leads to `(GC roots)`, which leads to a group for each kind of root
//! there is, which lead to objects; objects follow in address order.
//!
//! Written as it is made, in passes over a survey: counts, nodes, edges, then the strings that came up.
//! An object's id is its offset, so where objects do not move, snapshots of one run can be compared.

mod json;

use crate::survey::{Edge, EdgeSlot, EdgeStrength, HeapSurvey};
use crate::{HeapError, RootKind, TypeId};
use hashbrown::HashMap;
use json::{Numbers, Strings};
use std::io::{self, Write};

/// What became of a snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The heap could not be looked at.
    #[error(transparent)]
    Heap(#[from] HeapError),
    /// The snapshot could not be written.
    #[error("cannot write the heap snapshot: {0}")]
    Write(#[from] io::Error),
}

/// What a snapshot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SnapshotSummary {
    /// Live objects.
    pub objects: u64,
    /// What they take in the heap, in bytes.
    pub object_bytes: u64,
    /// References from objects to objects.
    pub edges: u64,
    /// Roots that refer to objects.
    pub roots: u64,
    /// References left out because they lead to no object: none, in a whole heap.
    pub strays: u64,
}

/// The head of the file, up to the counts. Field and type names are V8's, in V8's order; all the tables
/// that DevTools expect are there.
const META: &str = r#"{"snapshot":{"meta":{
"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],
"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number","number"],
"edge_fields":["type","name_or_index","to_node"],
"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],
"trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],
"trace_node_fields":["id","function_info_index","count","size","children"],
"sample_fields":["timestamp_us","last_assigned_id"],
"location_fields":["object_index","script_id","line","column"]},
"#;

/// Numbers a node has.
const NODE_FIELDS: u64 = 7;

/// Indices into `node_types`.
const OBJECT: u64 = 3;
const NATIVE: u64 = 8;
const SYNTHETIC: u64 = 9;

/// Indices into `edge_types`.
const ELEMENT: u64 = 1;
const PROPERTY: u64 = 2;
const INTERNAL: u64 = 3;
const WEAK: u64 = 6;

/// The name of the node that stands for all roots of a kind.
const fn group_name(kind: RootKind) -> &'static str {
    match kind {
        RootKind::Frame => "(compiled frames)",
        RootKind::Global => "(globals)",
        RootKind::Table => "(tables)",
        RootKind::ElementSegment => "(element segments)",
        RootKind::ScopedHandle => "(scoped handles)",
        RootKind::OwnedHandle => "(owned handles)",
        RootKind::ValueStack => "(value stacks)",
        RootKind::HostValue => "(host values)",
        RootKind::InFlight => "(arguments in flight)",
        RootKind::HostCall => "(host calls)",
        RootKind::Exception => "(pending exceptions)",
        RootKind::WeakMapValue => "(values of weak maps)",
        RootKind::Finalizable => "(queue of finalizers)",
    }
}

/// Writes a survey as a snapshot.
pub(crate) fn write(survey: &HeapSurvey<'_>, out: &mut dyn Write) -> io::Result<SnapshotSummary> {
    let groups: Vec<_> = survey
        .roots_by_kind()
        .filter(|(_, objects)| !objects.is_empty())
        .collect();
    let roots: u64 = groups.iter().map(|(_, objects)| objects.len() as u64).sum();
    let mut writer = Writer {
        survey,
        first_object: 2 + groups.len() as u64,
        names: Names::default(),
        numbers: Numbers::new(out),
    };
    let nodes = writer.first_object + survey.len();
    let edges = 1 + groups.len() as u64 + roots + survey.edges();
    writer.numbers.text(META)?;
    writer.numbers.text(&format!(
        "\"node_count\":{nodes},\"edge_count\":{edges},\"trace_function_count\":0}},\n\"nodes\":["
    ))?;
    writer.root_nodes(&groups)?;
    writer.object_nodes()?;
    writer.numbers.text("],\n\"edges\":[")?;
    writer.numbers.start();
    writer.root_edges(&groups)?;
    writer.object_edges()?;
    writer.numbers.text(
        "],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[],\n\"strings\":[",
    )?;
    let Writer {
        names, mut numbers, ..
    } = writer;
    names.strings.write(&mut numbers)?;
    numbers.text("]}\n")?;
    numbers.flush()?;
    Ok(SnapshotSummary {
        objects: survey.len(),
        object_bytes: survey.object_bytes(),
        edges: survey.edges(),
        roots,
        strays: survey.strays(),
    })
}

/// Indices of the strings for types and fields.
#[derive(Default)]
struct Names {
    strings: Strings,
    types: HashMap<TypeId, u64>,
    fields: HashMap<(TypeId, u32), u64>,
}

struct Writer<'s, 'o> {
    survey: &'s HeapSurvey<'s>,
    /// The index of the first object's node.
    first_object: u64,
    names: Names,
    numbers: Numbers<'o>,
}

type Group<'s> = (RootKind, &'s [crate::ObjectRef]);

impl Writer<'_, '_> {
    fn node(&mut self, kind: u64, name: u64, id: u64, bytes: u64, edges: u64) -> io::Result<()> {
        self.numbers.line(&[kind, name, id, bytes, edges, 0, 0])
    }

    fn edge(&mut self, kind: u64, name_or_index: u64, node: u64) -> io::Result<()> {
        self.numbers
            .line(&[kind, name_or_index, node * NODE_FIELDS])
    }

    /// Ids of these nodes are odd numbers below any object's.
    fn root_nodes(&mut self, groups: &[Group<'_>]) -> io::Result<()> {
        let root = self.names.strings.index("");
        self.node(SYNTHETIC, root, 1, 0, 1)?;
        let gc_roots = self.names.strings.index("(GC roots)");
        self.node(SYNTHETIC, gc_roots, 3, 0, groups.len() as u64)?;
        for (kind, objects) in groups {
            let name = self.names.strings.index(group_name(*kind));
            let id = 5 + 2 * (*kind as u64);
            self.node(SYNTHETIC, name, id, 0, objects.len() as u64)?;
        }
        Ok(())
    }

    fn object_nodes(&mut self) -> io::Result<()> {
        let survey = self.survey;
        for object in survey.objects() {
            let type_id = object.type_id();
            let mut edges = 0;
            object.for_each_edge(|_| edges += 1);
            let kind = match type_id {
                TypeId::EXTERN => NATIVE,
                // Arrays too: DevTools shows all of its own array kind as one class, whatever their names.
                _ => OBJECT,
            };
            let name = self.type_name(type_id);
            let id = u64::from(object.object().offset()) + 1;
            self.node(kind, name, id, object.bytes().into(), edges)?;
        }
        Ok(())
    }

    fn root_edges(&mut self, groups: &[Group<'_>]) -> io::Result<()> {
        self.edge(ELEMENT, 1, 1)?;
        for index in 0..groups.len() as u64 {
            self.edge(ELEMENT, index, 2 + index)?;
        }
        for (_, objects) in groups {
            for (index, object) in (0..).zip(*objects) {
                let Some(rank) = self.survey.index_of(*object) else {
                    continue;
                };
                self.edge(ELEMENT, index, self.first_object + u64::from(rank))?;
            }
        }
        Ok(())
    }

    fn object_edges(&mut self) -> io::Result<()> {
        let survey = self.survey;
        for object in survey.objects() {
            let mut written = Ok(());
            object.for_each_edge(|edge| {
                if written.is_ok() {
                    written = self.object_edge(object.type_id(), edge);
                }
            });
            written?;
        }
        Ok(())
    }

    fn object_edge(&mut self, type_id: TypeId, edge: Edge) -> io::Result<()> {
        let (kind, name) = match edge.slot {
            EdgeSlot::Field(field) => (PROPERTY, self.field_name(type_id, field)),
            EdgeSlot::Element(index) => (ELEMENT, index.into()),
            EdgeSlot::Arguments => (INTERNAL, self.names.strings.index("arguments")),
            EdgeSlot::HostCell(index) => (ELEMENT, index.into()),
            EdgeSlot::WeakMapValue => (INTERNAL, self.names.strings.index("value in a weak map")),
        };
        let kind = match edge.strength {
            EdgeStrength::Strong => kind,
            EdgeStrength::Weak => WEAK,
        };
        let rank = self.survey.index_of(edge.target).map_or(0, u64::from);
        self.edge(kind, name, self.first_object + rank)
    }

    fn type_name(&mut self, type_id: TypeId) -> u64 {
        let Names { strings, types, .. } = &mut self.names;
        let view = &self.survey.view;
        *types
            .entry(type_id)
            .or_insert_with(|| strings.index(&view.type_name(type_id)))
    }

    fn field_name(&mut self, type_id: TypeId, field: u32) -> u64 {
        let Names {
            strings, fields, ..
        } = &mut self.names;
        let view = &self.survey.view;
        *fields
            .entry((type_id, field))
            .or_insert_with(|| strings.index(&view.field_name(type_id, field)))
    }
}
