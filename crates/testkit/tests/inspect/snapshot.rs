//! A snapshot, read by what its file says of itself.

use serde_json::Value;
use std::collections::HashSet;
use windrow_core::ObjectRef;

/// A snapshot as DevTools see it.
pub(crate) struct Snapshot {
    pub(crate) nodes: Vec<Node>,
}

pub(crate) struct Node {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) bytes: u64,
    /// Kind, name or index, target.
    pub(crate) edges: Vec<(String, String, usize)>,
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("it fits")
}

impl Snapshot {
    /// Reads by what the file says of itself, and checks its counts.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(bytes).expect("JSON");
        let meta = &json["snapshot"]["meta"];
        let strings = json["strings"].as_array().expect("strings");
        let string = |index: &Value| strings[number(index)].as_str().expect("text").to_owned();
        let unique: HashSet<_> = strings.iter().map(Value::as_str).collect();
        assert_eq!(unique.len(), strings.len(), "no string is there twice");
        let column = |fields: &str, name: &str| {
            let fields = meta[fields].as_array().expect("fields");
            fields
                .iter()
                .position(|field| field == name)
                .expect("the field")
        };
        let width = |fields: &str| meta[fields].as_array().expect("fields").len();
        let of_kind = |types: &str, value: &Value| {
            let text = meta[types][0][number(value)].as_str();
            text.expect("a kind").to_owned()
        };
        let (node_width, edge_width) = (width("node_fields"), width("edge_fields"));
        let mut nodes: Vec<Node> = Vec::new();
        let mut counts = Vec::new();
        for row in json["nodes"].as_array().expect("nodes").chunks(node_width) {
            assert_eq!(row.len(), node_width);
            counts.push(number(&row[column("node_fields", "edge_count")]));
            nodes.push(Node {
                kind: of_kind("node_types", &row[column("node_fields", "type")]),
                name: string(&row[column("node_fields", "name")]),
                id: row[column("node_fields", "id")].as_u64().expect("a number"),
                bytes: row[column("node_fields", "self_size")]
                    .as_u64()
                    .expect("a number"),
                edges: Vec::new(),
            });
        }
        let mut rows = json["edges"].as_array().expect("edges").chunks(edge_width);
        let mut edges = 0;
        for (node, count) in nodes.iter_mut().zip(counts) {
            for row in rows.by_ref().take(count) {
                let kind = of_kind("edge_types", &row[0]);
                let name = match kind.as_str() {
                    "element" => row[1].to_string(),
                    _ => string(&row[1]),
                };
                assert!(number(&row[2]).is_multiple_of(node_width));
                node.edges.push((kind, name, number(&row[2]) / node_width));
                edges += 1;
            }
        }
        assert!(rows.next().is_none(), "every edge is some node's");
        assert_eq!(number(&json["snapshot"]["node_count"]), nodes.len());
        assert_eq!(number(&json["snapshot"]["edge_count"]), edges);
        let ids: HashSet<_> = nodes.iter().map(|node| node.id).collect();
        assert_eq!(ids.len(), nodes.len(), "ids are unique");
        assert!(ids.iter().all(|id| id % 2 == 1));
        let snapshot = Self { nodes };
        snapshot.assert_all_reachable();
        snapshot
    }

    fn assert_all_reachable(&self) {
        let mut seen = vec![false; self.nodes.len()];
        let mut pending = vec![0];
        seen[0] = true;
        while let Some(node) = pending.pop() {
            for (_, _, target) in &self.nodes[node].edges {
                if !std::mem::replace(&mut seen[*target], true) {
                    pending.push(*target);
                }
            }
        }
        assert!(
            seen.iter().all(|seen| *seen),
            "the root leads to every node"
        );
    }

    /// Who holds a node: its holders' names and the edges' names.
    pub(crate) fn retainers(&self, wanted: ObjectRef) -> Vec<(&str, &str, &str)> {
        let id = u64::from(wanted.offset()) + 1;
        let mut retainers = Vec::new();
        for node in &self.nodes {
            for (kind, name, target) in &node.edges {
                if self.nodes[*target].id == id {
                    retainers.push((&*node.name, &**kind, &**name));
                }
            }
        }
        retainers
    }
}
