//! Surveys, snapshots and retaining paths, on every collector: against a graph built here, and on
//! heaps whose bytes are wrong.

mod bench;
mod snapshot;

use bench::Bench;
use snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use windrow_core::{
    ActivationList, CollectionKind, Collector, EdgeSlot, GcRef, HeapCell, HeapError, HostValue,
    MemoryKind, OwnedHandle, RootKind, RootSource, RootVisitor, TraceHost,
};

fn collectors() -> [Arc<dyn Collector>; 3] {
    [
        Arc::new(windrow_null::NullCollector),
        Arc::new(windrow_copying::CopyingCollector),
        Arc::new(windrow_drc::DrcCollector),
    ]
}

/// Roots of one kind.
struct Roots(RootKind, Vec<GcRef>);

impl RootSource for Roots {
    fn visit_roots(
        &mut self,
        _: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        for slot in &mut self.1 {
            visitor.visit(self.0, slot);
        }
        Ok(0)
    }
}

#[test]
fn a_snapshot_shows_who_holds_what() {
    for collector in collectors() {
        let mut bench = Bench::new(collector, MemoryKind::Guarded);
        let (top, left) = (bench.node(), bench.node());
        let (list, text) = (bench.array(bench.list, 5), bench.array(bench.bytes, 100));
        let host = HostValue::new(3_u8);
        let host = bench.isolate.alloc_extern(host, &mut []).expect("room");
        let host = bench.own(host);
        bench.set_field(&top, 1, &left);
        bench.set_field(&left, 2, &list);
        bench.set_element(&list, 3, &text);
        bench.set_element(&list, 4, &host);
        bench.set_element(&list, 1, &top);
        let global = Roots(RootKind::Global, vec![bench.at(&top).to_ref(), GcRef::NULL]);
        bench.isolate.add_root_source(Box::new(global));
        let held = [&left, &list, &text, &host, &top].map(|handle| bench.at(handle));
        for handle in [top, left, list, text, host] {
            bench.isolate.handles_mut().release(handle);
        }
        // Nothing moved since.
        let [left, list, text, host, top] = held;
        let snapshot = bench.snapshot();
        let kinds: HashMap<_, _> = snapshot
            .nodes
            .iter()
            .map(|node| (&*node.name, (&*node.kind, node.bytes)))
            .collect();
        assert_eq!(kinds["Node"], ("object", 24));
        assert_eq!(kinds["array anyref"], ("object", 32));
        assert_eq!(kinds["array i8"], ("object", 112));
        assert_eq!(kinds["host value"], ("native", 16));
        assert_eq!(kinds["(GC roots)"], ("synthetic", 0));
        assert_eq!(snapshot.retainers(left), [("Node", "property", "left")]);
        assert_eq!(snapshot.retainers(list), [("Node", "property", "right")]);
        assert_eq!(snapshot.retainers(text), [("array anyref", "element", "3")]);
        assert_eq!(snapshot.retainers(host), [("array anyref", "element", "4")]);
        let of_top = snapshot.retainers(top);
        assert_eq!(
            of_top,
            [
                ("(globals)", "element", "0"),
                ("array anyref", "element", "1")
            ]
        );

        let path = bench
            .isolate
            .why_alive(text)
            .expect("whole")
            .expect("alive");
        let end = format!(" @{:#x}", text.offset());
        assert_eq!(
            path.to_string(),
            format!("global -> Node.left -> Node.right -> array anyref[3] -> array i8{end}")
        );
        assert_eq!(path.steps[0].slot, Some(EdgeSlot::Field(1)));
        assert_eq!(path.steps[3].object, text);
        let of_top = bench.isolate.why_alive(top).expect("whole").expect("alive");
        assert_eq!(
            of_top.to_string(),
            format!("global -> Node @{:#x}", top.offset())
        );
    }
}

#[test]
fn a_hundred_thousand_objects_are_all_there_and_nothing_else() {
    for collector in collectors() {
        let collects = collector.properties().collects;
        let mut bench = Bench::new(collector, MemoryKind::Guarded);
        // A binary tree in heap order, and as much garbage.
        let list = bench.array(bench.list, 100_000);
        let mut nodes: Vec<OwnedHandle> = Vec::new();
        for index in 0..100_000_u32 {
            let node = bench.node();
            bench
                .isolate
                .alloc_struct(bench.node, &mut [])
                .expect("room");
            bench.set_element(&list, index, &node);
            if index > 0 {
                let parent = nodes[(index as usize - 1) / 2].clone();
                bench.set_field(&parent, 1 + (index - 1) % 2, &node);
            }
            nodes.push(node);
        }
        for node in nodes.drain(1..) {
            bench.isolate.handles_mut().release(node);
        }
        let garbage = bench.snapshot();
        assert_eq!(garbage.nodes.len(), 3 + 100_001, "the dead are left out");
        bench.isolate.collect(CollectionKind::Full).expect("whole");
        let snapshot = bench.snapshot();
        assert_eq!(snapshot.nodes.len(), 3 + 100_001);
        let edges: usize = snapshot.nodes.iter().map(|node| node.edges.len()).sum();
        assert_eq!(edges, 1 + 1 + 2 + 100_000 + 99_999);
        let bytes: u64 = snapshot.nodes.iter().map(|node| node.bytes).sum();
        if collects {
            assert_eq!(bytes, bench.isolate.stats().live_bytes);
        }
        // By the shorter of two ways: not down the tree, but through the list.
        let last = bench.isolate.load_ref(bench.at(&list), 12 + 4 * 99_999);
        let last = last.as_object().expect("a node");
        let path = bench
            .isolate
            .why_alive(last)
            .expect("whole")
            .expect("alive");
        assert_eq!(path.steps.len(), 2);
        assert_eq!(path.steps[0].slot, Some(EdgeSlot::Element(99_999)));
        let handle = bench.own(last);
        let path = bench
            .isolate
            .why_alive(last)
            .expect("whole")
            .expect("alive");
        assert_eq!(path.steps.len(), 2, "its own handle comes last");
        bench.isolate.handles_mut().release(handle);
        bench.isolate.handles_mut().release(list);
        let path = bench
            .isolate
            .why_alive(last)
            .expect("whole")
            .expect("alive");
        assert_eq!(path.steps.len(), 17);
        assert!(
            path.to_string()
                .starts_with("owned handle -> Node.right -> Node.left -> Node.")
        );
    }
}

#[test]
fn a_survey_agrees_with_the_heap() {
    for collector in collectors() {
        for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
            let collects = collector.properties().collects;
            let mut bench = Bench::new(Arc::clone(&collector), memory);
            let list = bench.array(bench.list, 1000);
            for index in 0..1000 {
                let node = bench.node();
                if index % 3 == 0 {
                    bench.set_element(&list, index, &node);
                }
                bench.isolate.handles_mut().release(node);
            }
            bench.isolate.collect(CollectionKind::Full).expect("whole");
            let mut allocated = HashMap::new();
            let visit = |object, type_id, bytes| {
                assert!(allocated.insert(object, (type_id, bytes)).is_none());
            };
            bench.isolate.visit_allocated(visit).expect("whole");
            let survey = bench.isolate.survey().expect("whole");
            assert_eq!(
                (survey.len(), survey.edges(), survey.strays()),
                (335, 334, 0)
            );
            for (index, object) in (0..).zip(survey.objects()) {
                let known = (object.type_id(), u64::from(object.bytes()));
                assert_eq!(allocated[&object.object()], known);
                assert_eq!(survey.index_of(object.object()), Some(index));
            }
            assert_eq!(allocated.len(), if collects { 335 } else { 1001 });
            let held = bench.node();
            let object = bench.at(&held);
            let path = bench
                .isolate
                .why_alive(object)
                .expect("whole")
                .expect("held");
            assert_eq!((path.root, path.steps.len()), (RootKind::OwnedHandle, 1));
            let dead = bench
                .isolate
                .alloc_struct(bench.node, &mut [])
                .expect("room");
            assert_eq!(bench.isolate.why_alive(dead), Ok(None));
        }
    }
}

#[test]
fn a_long_path_is_cut_in_the_middle() {
    let [_, collector, _] = collectors();
    let mut bench = Bench::new(collector, MemoryKind::Guarded);
    let first = bench.node();
    let mut last = first.clone();
    for _ in 0..50_000 {
        let node = bench.node();
        bench.set_field(&last, 2, &node);
        bench.isolate.handles_mut().release(last);
        last = node;
    }
    let object = bench.at(&last);
    bench.isolate.handles_mut().release(last);
    let path = bench
        .isolate
        .why_alive(object)
        .expect("whole")
        .expect("alive");
    assert_eq!(path.steps.len(), 50_001);
    assert!(
        path.to_string()
            .contains("Node.right -> (49981 more) -> Node.right")
    );
    assert_eq!(format!("{path:#}").matches("Node").count(), 50_001);
    drop(first);
}

#[test]
fn forged_bytes_are_left_out_and_cost_no_more_than_the_heap() {
    for collector in collectors() {
        for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
            let mut bench = Bench::new(Arc::clone(&collector), memory);
            let list = bench.array(bench.list, 64);
            let top = bench.node();
            bench.set_field(&top, 1, &list);
            for index in 0..64 {
                let inner = bench.array(bench.list, 4);
                bench.set_element(&list, index, &inner);
                let inner = bench.at(&inner);
                // Lengths up to all there is, types that are none, references to nowhere.
                match index % 4 {
                    0 => bench.isolate.store_u32(inner, 8, 0x3000_0000),
                    1 => bench.isolate.store_u32(inner, 0, 0x00ff_ffff),
                    2 => bench
                        .isolate
                        .init_ref(inner, 12, GcRef::from_bits(0xfff0_0000)),
                    _ => bench.isolate.init_ref(inner, 16, GcRef::from_bits(12)),
                }
            }
            let list = bench.at(&list);
            bench.isolate.allow_accesses(200_000);
            let survey = bench.isolate.survey().expect("roots are whole");
            assert_eq!(survey.len(), 2 + 32);
            // The bad ones in the list, then a reference to nowhere in sixteen.
            assert_eq!(survey.strays(), 32 + 16);
            assert_eq!(survey.object_bytes(), 24 + (12 + 64 * 4 + 4) + 32 * 32);
            let mut out = Vec::new();
            let summary = bench.isolate.write_snapshot(&mut out).expect("it writes");
            assert_eq!((summary.objects, summary.strays), (34, 48));
            drop(Snapshot::read(&out));
            bench.isolate.allow_accesses(200_000);
            // The list itself claims everything.
            bench.isolate.store_u32(list, 8, 0x3fff_0000);
            assert_eq!(bench.isolate.why_alive(list), Ok(None));
        }
    }
}

#[test]
fn a_writer_that_refuses_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let [collector, _, _] = collectors();
    let mut bench = Bench::new(collector, MemoryKind::Guarded);
    let error = bench
        .isolate
        .write_snapshot(&mut Full)
        .expect_err("no space");
    assert!(error.to_string().contains("cannot write"), "{error}");
}

/// A host value that holds what its cells do.
struct Holder([HeapCell; 2]);

impl TraceHost for Holder {
    fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
        self.0.iter().for_each(visitor);
    }
}

#[test]
fn what_host_values_and_weak_maps_keep_alive_is_there() {
    for collector in collectors() {
        let mut bench = Bench::new(collector, MemoryKind::Guarded);
        let (text, key, value) = (bench.node(), bench.node(), bench.array(bench.bytes, 3));
        let holder = Holder([HeapCell::new(), HeapCell::new()]);
        let reference = bench.at(&text).to_ref();
        holder.0[1].set(&bench.isolate, reference).expect("its own");
        let host = HostValue::new_traced(holder);
        let host = bench.isolate.alloc_extern(host, &mut []).expect("room");
        let host = bench.own(host);
        let map = bench.isolate.new_weak_map();
        let (key_at, value_at) = (bench.at(&key), bench.at(&value));
        let inserted = bench
            .isolate
            .weak_map_insert(&map, key_at, value_at.to_ref());
        inserted.expect("its own");
        let weak = bench.isolate.new_weak(value_at).expect("its own");
        let text_at = bench.at(&text);
        for handle in [text, value] {
            bench.isolate.handles_mut().release(handle);
        }
        let snapshot = bench.snapshot();
        assert_eq!(snapshot.nodes.len(), 3 + 4);
        assert_eq!(
            snapshot.retainers(text_at),
            [("host value", "element", "1")]
        );
        let of_value = [("Node", "internal", "value in a weak map")];
        assert_eq!(snapshot.retainers(value_at), of_value);
        let path = bench
            .isolate
            .why_alive(value_at)
            .expect("whole")
            .expect("alive");
        assert!(
            path.to_string()
                .contains("Node.(value in a weak map) -> array i8 @")
        );
        let path = bench
            .isolate
            .why_alive(text_at)
            .expect("whole")
            .expect("alive");
        assert!(path.to_string().contains("host value[1] -> Node @"));
        // Without its map, or without its key, it is not.
        drop(map);
        assert_eq!(bench.isolate.why_alive(value_at), Ok(None));
        bench.isolate.handles_mut().release(host);
        bench.isolate.handles_mut().release(key);
        assert!(bench.isolate.survey().expect("whole").is_empty());
        drop(weak);
    }
}
