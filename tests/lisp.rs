//! The Lisp of `examples/lisp` as a test: its scripts print what they should on every collector, in
//! both memories, with and without zeal; and its heap can be looked into.

#[path = "../examples/lisp/main.rs"]
#[allow(dead_code, reason = "the example's own entry and prompt")]
mod lisp;

use clap::Parser;
use lisp::{Args, Lisp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use windrow::{CollectionKind, CollectorKind, Config, MemoryKind, Zeal};

/// Where a program's output goes.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("whole").clone()).expect("UTF-8")
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/lisp")
}

fn expected(name: &str, extension: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.{extension}"))).unwrap_or_default()
}

fn configurations(zeal: u32) -> Vec<Config> {
    let mut all = Vec::new();
    for collector in CollectorKind::ALL {
        for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
            let config = Config::new().collector(*collector).memory(memory);
            let collects = config.chosen_collector().properties().collects;
            let max = if collects { 64 << 20 } else { 1 << 30 };
            all.push(config.heap_max_bytes(max).zeal(Zeal::every(zeal)));
        }
    }
    all
}

/// Runs a text; what it printed, and the error that ended it.
fn run(config: &Config, file: &str, text: &str) -> (String, String) {
    let out = Sink::default();
    let mut lisp = Lisp::new(config, Box::new(out.clone())).expect("the library runs");
    let result = lisp.run(file, text);
    lisp.heap.store.verify().expect("the heap is whole");
    let fault = result.map_or_else(|fault| format!("{fault}\n"), |()| String::new());
    (out.text(), fault)
}

fn check(name: &str, zeal: u32) {
    let file = format!("{name}.lisp");
    let text = expected(name, "lisp");
    assert!(!text.is_empty(), "{file} is there");
    for config in configurations(zeal) {
        let (out, fault) = run(&config, &file, &text);
        assert_eq!(out, expected(name, "out"), "{file} with {config:?}");
        assert_eq!(fault, expected(name, "err"), "{file} with {config:?}");
    }
}

macro_rules! scripts {
    ($($test:ident: $name:literal, zeal $zeal:literal;)*) => {$(
        #[test]
        fn $test() {
            check($name, 0);
            check($name, $zeal);
        }
    )*};
}

scripts! {
    closures_keep_their_variables: "closures", zeal 19;
    circular_data_is_printed_and_compared: "circular", zeal 1;
    weak_tables_forget: "weak", zeal 97;
    strings_and_symbols: "strings", zeal 11;
    errors_tell_where: "errors", zeal 7;
    queens: "queens", zeal 2003;
    a_lisp_in_lisp: "metacircular", zeal 3001;
}

#[test]
fn tail_calls_take_no_room_and_recursion_is_deep() {
    check("tail", 0);
}

/// Not on a collector that never collects: what is dropped there makes no room.
#[test]
fn out_of_memory_is_an_error_like_any_other() {
    let (text, out) = (expected("memory", "lisp"), expected("memory", "out"));
    for config in configurations(0) {
        if config.chosen_collector().properties().collects {
            let small = config.heap_max_bytes(8 << 20);
            assert_eq!(
                run(&small, "memory.lisp", &text),
                (out.clone(), String::new())
            );
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let cases = [
        ("(a\n  (b c)", "t:1:1: a list without an end", true),
        ("1 \"abc", "t:1:3: a string without an end", true),
        ("#| no", "t:1:1: a comment without an end", true),
        ("'", "t:1:2: a form without an end", true),
        ("\n )", "t:2:2: `)` without `(`", false),
        ("(a . b c)", "t:1:8: one form follows a `.`", false),
        ("#unknown", "t:1:1: unknown syntax `#unknown`", false),
        ("(lambda (1) 2)", "t:1:1: a parameter is a symbol", false),
        (
            "(let ((x)) x)",
            "t:1:1: a binding is a name and a value",
            false,
        ),
        ("(+ 1 else)", "t:1:1: `else` is no variable", false),
        (
            "99999999999999999999",
            "99999999999999999999 has more than 64 bits",
            false,
        ),
    ];
    for (text, message, is_incomplete) in cases {
        let mut lisp = Lisp::new(&Config::new(), Box::new(Sink::default())).expect("it starts");
        let fault = lisp.run("t", text).expect_err(text);
        assert_eq!(
            (fault.to_string().as_str(), fault.is_incomplete),
            (message, is_incomplete)
        );
        assert_eq!(lisp.heap.height(), 0, "{text}");
    }
    let nested = "(".repeat(100_000);
    let (_, fault) = run(&Config::new(), "t", &nested);
    assert_eq!(fault, "t:1:252: lists are nested too deeply\n");
}

#[test]
fn forms_of_any_depth_are_compiled_or_refused() {
    for opening in ["(let () ", "(cond (else ", "(lambda () ", "`(1 "] {
        let depth = if opening.contains("else") { 120 } else { 240 };
        let closing = if opening.contains("else") { "))" } else { ")" };
        let text = opening.repeat(depth) + "2" + &closing.repeat(depth);
        let (_, fault) = run(&Config::new(), "t", &text);
        assert!(fault.is_empty() || fault.contains("too deeply"), "{fault}");
    }
    let endless = "
        (define (nest n form) (if (= n 0) form (nest (- n 1) (list 'car form))))
        (eval (nest 10000 '()))";
    let (_, fault) = run(&Config::new(), "t", endless);
    assert!(fault.contains("forms are nested too deeply"), "{fault}");
    let circular = "(define form (list '+ 1)) (set-cdr! (cdr form) form) (eval form)";
    let (_, fault) = run(&Config::new(), "t", circular);
    assert!(fault.contains("this list has no end"), "{fault}");
}

#[test]
fn the_command_runs_a_file_and_looks_into_the_heap() {
    let snapshot = std::env::temp_dir().join(format!("lisp-{}.heapsnapshot", std::process::id()));
    let file = folder().join("queens.lisp");
    let (file, path) = (file.to_string_lossy(), snapshot.to_string_lossy());
    let line = [
        "lisp",
        &file,
        "--collector",
        "drc",
        "--memory",
        "checked",
        "--stats",
    ];
    let line = line
        .iter()
        .copied()
        .chain(["--snapshot", &path, "--zeal", "100000"]);
    let args = Args::parse_from(line);
    let out = Sink::default();
    lisp::run(&args, Box::new(out.clone())).expect("it runs");
    let text = out.text();
    assert!(text.starts_with(&expected("queens", "out")), "{text}");
    assert!(
        text.contains(" objects, ") && text.contains("drc: "),
        "{text}"
    );
    let json = std::fs::read(&snapshot).expect("a snapshot");
    std::fs::remove_file(&snapshot).expect("it is there");
    serde_json::from_slice::<Value>(&json).expect("JSON");
}

fn numbers(json: &Value, key: &str) -> Vec<u64> {
    let all = json[key].as_array().expect("an array").iter();
    all.map(|number| number.as_u64().expect("a number"))
        .collect()
}

#[test]
fn a_snapshot_counts_what_the_heap_holds() {
    let program = "
        (define items (map (lambda (n) (vector n (number->string n))) (iota 35000)))
        (set-cdr! (list-tail items 34999) items)
        (define count (length (iota 35000)))";
    for config in configurations(0) {
        let mut lisp = Lisp::new(&config, Box::new(Sink::default())).expect("it starts");
        lisp.run("objects.lisp", program).expect("it runs");
        let store = &mut lisp.heap.store;
        store.gc(CollectionKind::Full).expect("a collection");
        let (mut objects, mut bytes, mut edges) = (0_u64, 0, 0_u64);
        store
            .visit_objects(|object| {
                objects += 1;
                bytes += u64::from(object.bytes());
                object.for_each_edge(|_| edges += 1);
            })
            .expect("a walk");
        assert!(objects > 100_000);
        let live_bytes = store.stats().live_bytes;
        if config.chosen_collector().properties().collects {
            assert_eq!(live_bytes, bytes, "{config:?}");
        } else {
            assert!(live_bytes > bytes, "garbage stays");
        }

        let mut out = Vec::new();
        let summary = store.write_snapshot(&mut out).expect("a snapshot");
        assert_eq!((summary.objects, summary.edges), (objects, edges));
        let json: Value = serde_json::from_slice(&out).expect("JSON");
        let (nodes, links) = (numbers(&json, "nodes"), numbers(&json, "edges"));
        let strings = json["strings"].as_array().expect("strings");
        let kinds = json["snapshot"]["meta"]["node_types"][0].as_array();
        let kinds = kinds.expect("kinds");
        let kind = |node: &[u64]| kinds[usize::try_from(node[0]).expect("an index")].as_str();
        assert_eq!(json["snapshot"]["node_count"], nodes.len() / 7);
        assert_eq!(json["snapshot"]["edge_count"], links.len() / 3);

        let (synthetic, heap): (Vec<_>, Vec<_>) = nodes
            .chunks(7)
            .partition(|node| kind(node) == Some("synthetic"));
        assert_eq!(heap.len() as u64, objects);
        assert_eq!(heap.iter().map(|node| node[3]).sum::<u64>(), bytes);
        assert_eq!(heap.iter().map(|node| node[4]).sum::<u64>(), edges);
        let from_roots: u64 = synthetic.iter().map(|node| node[4]).sum();
        assert_eq!(links.len() as u64 / 3, edges + from_roots);

        // Every string is some node's or edge's name, and they are what the program calls them.
        let of_nodes = nodes.chunks(7).map(|node| node[1]);
        let named = links.chunks(3).filter(|edge| edge[0] != 1);
        let used: BTreeSet<u64> = of_nodes.chain(named.map(|edge| edge[1])).collect();
        assert!(used.into_iter().eq(0..strings.len() as u64));
        for name in [
            "pair", "symbol", "closure", "vector", "string", "car", "cdr",
        ] {
            assert!(strings.iter().any(|string| string == name), "{name}");
        }
    }
}
