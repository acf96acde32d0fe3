//! `--snapshot`.

use crate::process::{TempFile, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Keeps a list of `n` nodes in a global, an array of bytes in a table, and then returns or traps.
const PROGRAM: &str = r#"
(module
  (rec (type $Node (struct (field $value i32) (field $next (ref null $Node)))))
  (type $bytes (array (mut i8)))
  (global $list (mut (ref null $Node)) (ref.null $Node))
  (table $table 4 anyref)
  (func (export "run") (param $n i32) (param $trap i32)
    (loop $more
      (global.set $list (struct.new $Node (local.get $n) (global.get $list)))
      (drop (struct.new $Node (i32.const 0) (ref.null $Node)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n)))
    (table.set $table (i32.const 2) (array.new_default $bytes (i32.const 1000)))
    (if (local.get $trap) (then unreachable))))
"#;

/// The names of nodes that are no groups, each with its bytes, and the names of properties.
fn read(path: &Path) -> (Vec<(String, u64)>, Vec<String>, Vec<String>) {
    let json: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let numbers = |list: &str| -> Vec<u64> {
        let numbers = json[list].as_array().unwrap();
        numbers
            .iter()
            .map(|number| number.as_u64().unwrap())
            .collect()
    };
    let string = |index: u64| {
        json["strings"][usize::try_from(index).unwrap()]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (mut objects, mut groups) = (Vec::new(), Vec::new());
    for node in numbers("nodes").chunks(7) {
        match node[0] {
            9 => groups.push(string(node[1])),
            _ => objects.push((string(node[1]), node[3])),
        }
    }
    let edges = numbers("edges");
    let properties = edges.chunks(3).filter(|edge| edge[0] == 2);
    (
        objects,
        groups,
        properties.map(|edge| string(edge[1])).collect(),
    )
}

#[test]
fn what_is_alive_at_the_end_is_written_with_its_names() {
    let program = TempFile::new("list.wat", PROGRAM);
    for collector in ["null", "drc", "copying"] {
        for trap in [0, 1] {
            let file = TempFile::new("list.heapsnapshot", "");
            let path = file.path().to_str().unwrap();
            let line = format!("--invoke run 500 {trap} --collector {collector} --snapshot {path}");
            let run = run(program.path(), &line);
            if trap == 0 {
                assert_eq!(run.returned(), "");
            } else {
                assert!(run.trapped().0.contains("unreachable"));
            }
            let (objects, groups, properties) = read(file.path());
            let nodes = objects
                .iter()
                .filter(|(name, bytes)| name == "Node" && *bytes == 16);
            assert_eq!((objects.len(), nodes.count()), (501, 500));
            assert!(objects.contains(&("bytes".to_owned(), 1016)));
            assert_eq!(groups, ["", "(GC roots)", "(globals)", "(tables)"]);
            assert_eq!(properties.len(), 499);
            assert!(properties.iter().all(|name| name == "next"));
        }
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_program_runs() {
    let program = TempFile::new("list.wat", PROGRAM);
    let line = "--invoke run 5 0 --snapshot /nowhere/list.heapsnapshot";
    run(program.path(), line).refused("/nowhere/list.heapsnapshot");
}
