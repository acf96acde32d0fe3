//! Programs: what they compute, and how they are stopped.

use crate::harness::{Program, engines};
use crate::unwinders;
use windrow::{CollectorKind, Config, Val};
use windrow_wasm::{Engine, Error, Extern, Trap, TrapKind};

#[test]
fn arithmetic_and_control_flow() {
    let text = r#"(module
        (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add
                    (call $fib (i32.sub (local.get 0) (i32.const 1)))
                    (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func (export "sum") (param $n i32) (result i32) (local $sum i32)
            (loop $again
                (local.set $sum (i32.add (local.get $sum) (local.get $n)))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br_if $again (local.get $n)))
            (local.get $sum))
        (func (export "div") (param i32 i32) (result i32)
            (i32.div_s (local.get 0) (local.get 1))))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        assert_eq!(program.call("fib", &[20]).unwrap(), 6765);
        assert_eq!(program.call("sum", &[1000]).unwrap(), 500_500);
        assert_eq!(program.call("div", &[-7, 2]).unwrap(), -3);
        assert_eq!(program.trap("div", &[1, 0]).kind, TrapKind::DivisionByZero);
        assert_eq!(
            program.trap("div", &[i32::MIN, -1]).kind,
            TrapKind::IntegerOverflow
        );
        assert_eq!(program.call("div", &[9, 3]).unwrap(), 3);
    }
}

#[test]
fn many_values_of_every_kind_cross_the_border() {
    let text = r#"(module
        (func (export "mix") (param i32 i64 f32 f64 anyref funcref)
                (result f64 i64 i32 f32 funcref anyref i64 i64 i64 i64 i64 i64)
            (local.get 3) (local.get 1) (local.get 0) (local.get 2) (local.get 5) (local.get 4)
            (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)))"#;
    for engine in engines() {
        let Program {
            mut store,
            instance,
        } = Program::new(&engine, text);
        let mix = instance.func(&mut store, "mix").unwrap();
        let args = [
            Val::I32(-1),
            Val::I64(i64::MIN),
            Val::F32(0x7fa0_0001),
            Val::F64(f64::INFINITY.to_bits()),
            Val::Ref(windrow::Ref::I31(-5)),
            Val::Func(mix.id()),
        ];
        let results = mix.call(&mut store, &args).unwrap();
        assert!(
            matches!(
                results[..],
                [
                    Val::F64(0x7ff0_0000_0000_0000),
                    Val::I64(i64::MIN),
                    Val::I32(-1),
                    Val::F32(0x7fa0_0001),
                    Val::Func(id),
                    Val::Ref(windrow::Ref::I31(-5)),
                    Val::I64(1),
                    ..,
                    Val::I64(6)
                ] if id == mix.id()
            ),
            "{results:?}"
        );
        assert!(matches!(
            mix.call(&mut store, &args[1..]),
            Err(Error::ArgumentCount {
                expected: 6,
                given: 5
            })
        ));
        let mut wrong = args.clone();
        wrong[5] = Val::Ref(windrow::Ref::Null);
        assert!(matches!(
            mix.call(&mut store, &wrong),
            Err(Error::ValueType { .. })
        ));
    }
}

#[test]
fn memories_grow_and_keep_to_their_bounds() {
    let text = r#"(module
        (memory (export "memory") 1 3)
        (data (i32.const 8) "\2a\00\00\00")
        (data $late "abc")
        (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
        (func (export "far") (param i32) (result i32) (i32.load offset=0xffffffff (local.get 0)))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "size") (result i32) (memory.size))
        (func (export "bulk") (param i32) (result i32)
            (memory.init $late (local.get 0) (i32.const 0) (i32.const 3))
            (memory.fill (i32.add (local.get 0) (i32.const 3)) (i32.const 0x164) (i32.const 1))
            (memory.copy (i32.const 100) (local.get 0) (i32.const 4))
            (i32.load (i32.const 100)))
        (func (export "drop") (result i32) (data.drop $late) (i32.const 0)))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        assert_eq!(program.call("load", &[8]).unwrap(), 42);
        assert_eq!(
            program.trap("load", &[65_533]).kind,
            TrapKind::MemoryOutOfBounds
        );
        assert_eq!(
            program.trap("load", &[-1]).kind,
            TrapKind::MemoryOutOfBounds
        );
        assert_eq!(program.trap("far", &[-1]).kind, TrapKind::MemoryOutOfBounds);
        assert_eq!(program.call("grow", &[2]).unwrap(), 1);
        assert_eq!(program.call("load", &[65_533]).unwrap(), 0);
        assert_eq!(program.call("grow", &[1]).unwrap(), -1);
        assert_eq!(program.call("size", &[]).unwrap(), 3);
        assert_eq!(
            program.call("bulk", &[200]).unwrap(),
            i32::from_le_bytes(*b"abcd")
        );
        assert_eq!(
            program.trap("bulk", &[3 * 65_536 - 2]).kind,
            TrapKind::MemoryOutOfBounds
        );
        program.call("drop", &[]).unwrap();
        assert_eq!(
            program.trap("bulk", &[200]).kind,
            TrapKind::MemoryOutOfBounds
        );
        let Some(Extern::Memory(memory)) = program.instance.export(&mut program.store, "memory")
        else {
            panic!("the memory is exported");
        };
        let mut bytes = [0; 4];
        memory.read(&program.store, 100, &mut bytes).unwrap();
        assert_eq!(&bytes, b"abcd");
        memory
            .write(&mut program.store, 3 * 65_536 - 4, &7_u32.to_le_bytes())
            .unwrap();
        assert_eq!(program.call("load", &[3 * 65_536 - 4]).unwrap(), 7);
        assert!(
            memory
                .write(&mut program.store, 3 * 65_536 - 3, &bytes)
                .is_err()
        );
    }
}

#[test]
fn tables_dispatch_grow_and_trap() {
    let text = r#"(module
        (type $op (func (param i32) (result i32)))
        (table $t (export "table") 4 8 funcref)
        (elem (i32.const 1) $inc $dec)
        (elem $late func $inc $odd)
        (func $inc (type $op) (i32.add (local.get 0) (i32.const 1)))
        (func $dec (type $op) (i32.sub (local.get 0) (i32.const 1)))
        (func $odd (result i32) (i32.const 3))
        (func (export "call") (param i32 i32) (result i32)
            (call_indirect (type $op) (local.get 1) (local.get 0)))
        (func (export "grow") (param i32) (result i32)
            (table.grow $t (ref.func $dec) (local.get 0)))
        (func (export "init") (param i32) (result i32)
            (table.init $t $late (local.get 0) (i32.const 0) (i32.const 2)) (table.size $t)))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        assert_eq!(program.call("call", &[1, 41]).unwrap(), 42);
        assert_eq!(program.call("call", &[2, 41]).unwrap(), 40);
        assert_eq!(
            program.trap("call", &[0, 41]).kind,
            TrapKind::UninitializedElement
        );
        assert_eq!(
            program.trap("call", &[4, 41]).kind,
            TrapKind::TableOutOfBounds
        );
        assert_eq!(program.call("grow", &[2]).unwrap(), 4);
        assert_eq!(program.call("call", &[5, 0]).unwrap(), -1);
        assert_eq!(program.call("grow", &[3]).unwrap(), -1);
        assert_eq!(program.call("init", &[0]).unwrap(), 6);
        assert_eq!(
            program.trap("call", &[1, 0]).kind,
            TrapKind::IndirectCallType
        );
        assert_eq!(program.trap("init", &[5]).kind, TrapKind::TableOutOfBounds);
        let Some(Extern::Table(table)) = program.instance.export(&mut program.store, "table")
        else {
            panic!("the table is exported");
        };
        assert_eq!(table.len(), 6);
        table
            .set(&mut program.store, 1, &Val::Func(windrow::FunctionId::NULL))
            .unwrap();
        assert_eq!(
            program.trap("call", &[1, 0]).kind,
            TrapKind::UninitializedElement
        );
    }
}

#[test]
fn objects_in_globals_tables_and_segments_survive_every_collection() {
    let text = r#"(module
        (type $pair (struct (field i32) (field (mut (ref null $pair)))))
        (type $list (array (mut (ref null $pair))))
        (type $bytes (array (mut i8)))
        (global $first (mut (ref null $pair))
            (struct.new $pair (i32.const 1) (struct.new $pair (i32.const 2) (ref.null $pair))))
        (global $fixed (ref $list)
            (array.new_fixed $list 3 (struct.new $pair (i32.const 10) (ref.null $pair))
                (ref.null $pair) (struct.new $pair (i32.const 20) (ref.null $pair))))
        (table $t 2 (ref null $pair) (struct.new $pair (i32.const 100) (ref.null $pair)))
        (elem $late (ref null $pair)
            (item (struct.new $pair (i32.const 1000) (ref.null $pair)))
            (item (ref.null $pair)) (item (global.get $start)))
        (global $start (ref null $pair) (struct.new $pair (i32.const 2000) (ref.null $pair)))
        (data $text "hello")
        (func $value (param (ref null $pair)) (result i32) (struct.get $pair 0 (local.get 0)))
        (func (export "churn") (param i32) (result i32)
            (loop $again
                (global.set $first (struct.new $pair (local.get 0) (global.get $first)))
                (table.set $t (i32.const 1) (global.get $first))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if $again (local.get 0)))
            (i32.const 0))
        (func (export "sum") (result i32) (local $p (ref null $pair)) (local $sum i32) (local $l (ref null $list))
            (local.set $p (global.get $first))
            (block $done
                (loop $again
                    (br_if $done (ref.is_null (local.get $p)))
                    (local.set $sum (i32.add (local.get $sum) (call $value (local.get $p))))
                    (local.set $p (struct.get $pair 1 (local.get $p)))
                    (br $again)))
            (local.set $l (array.new_elem $list $late (i32.const 0) (i32.const 3)))
            (local.set $sum (i32.add (local.get $sum)
                (call $value (array.get $list (local.get $l) (i32.const 0)))))
            (local.set $sum (i32.add (local.get $sum)
                (call $value (array.get $list (local.get $l) (i32.const 2)))))
            (local.set $sum (i32.add (local.get $sum)
                (call $value (array.get $list (global.get $fixed) (i32.const 2)))))
            (i32.add (local.get $sum) (call $value (table.get $t (i32.const 0)))))
        (func (export "text") (param i32) (result i32)
            (array.get_u $bytes (array.new_data $bytes $text (i32.const 0) (i32.const 5)) (local.get 0)))
        (func (export "beyond") (result i32)
            (array.len (array.new_elem $list $late (i32.const 1) (i32.const 3)))))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        let base = 1 + 2 + 1000 + 2000 + 20 + 100;
        assert_eq!(program.call("sum", &[]).unwrap(), base);
        program.call("churn", &[50]).unwrap();
        assert_eq!(program.call("sum", &[]).unwrap(), base + 50 * 51 / 2);
        program.store.gc(windrow::CollectionKind::Full).unwrap();
        assert_eq!(program.call("sum", &[]).unwrap(), base + 50 * 51 / 2);
        assert_eq!(program.call("text", &[4]).unwrap(), i32::from(b'o'));
        assert_eq!(program.trap("text", &[5]).kind, TrapKind::ArrayOutOfBounds);
        assert_eq!(program.trap("beyond", &[]).kind, TrapKind::TableOutOfBounds);
        program.store.verify().unwrap();
    }
}

#[test]
fn a_trap_names_the_functions_and_leaves_the_store_usable() {
    let text = r#"(module $m
        (memory 1)
        (func $deep (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (unreachable)))
            (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
        (func (export "deep") (param i32) (result i32) (call $deep (local.get 0)))
        (func $forever (export "forever") (result i32) (call $forever) (i32.const 1) (i32.add))
        (func (export "fine") (result i32) (i32.const 5)))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        let trap = program.trap("deep", &[2]);
        assert_eq!(trap.kind, TrapKind::Unreachable);
        let names: Vec<_> = trap
            .frames
            .iter()
            .map(|frame| frame.function.as_str())
            .collect();
        assert_eq!(names, ["m!deep", "m!deep", "m!deep", "m!function 1"]);
        assert!(trap.frames.iter().all(|frame| frame.wasm_offset.is_some()));
        let trap = program.trap("forever", &[]);
        assert_eq!(trap.kind, TrapKind::StackExhausted);
        assert!(trap.omitted_frames > 1000 && trap.to_string().contains("m!forever"));
        assert_eq!(program.call("fine", &[]).unwrap(), 5);
    }
}

/// Recursion that looks at its argument first: inlined once, and beyond that only the look. The trap is in
/// the look itself, for a list whose end is reached in the function as a whole, in what was inlined, and
/// in between.
#[test]
fn a_trap_names_each_call_once_however_it_was_inlined() {
    let text = r#"(module $m
        (type $list (struct (field $next (ref null $list)) (field $divisor i32)))
        (func $list (param $n i32) (result (ref null $list)) (local $list (ref null $list))
            (loop $again
                (local.set $list (struct.new $list (local.get $list) (local.get $n)))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br_if $again (i32.ge_s (local.get $n) (i32.const 0))))
            (local.get $list))
        (func $sum (param $list (ref null $list)) (result i32)
            (if (i32.gt_u (i32.div_u (i32.const 9) (struct.get $list $divisor (local.get $list))) (i32.const 9))
                (then (return (i32.const 0))))
            (i32.add (i32.const 1) (call $sum (struct.get $list $next (local.get $list)))))
        (func (export "sum") (param $n i32) (result i32)
            (call $sum (call $list (local.get $n))))
        (func (export "deep") (param $n i32) (result i32)
            (call $sum (struct.new $list (call $nonzero (local.get $n)) (i32.const 1))))
        (func $nonzero (param $n i32) (result (ref null $list)) (local $list (ref null $list))
            (loop $again
                (local.set $list (struct.new $list (local.get $list) (i32.const 1)))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br_if $again (i32.gt_s (local.get $n) (i32.const 0))))
            (local.get $list)))"#;
    let program = |inlining| {
        let options = unwinders::options().inlining(inlining);
        let engine = Engine::with_options(&Config::new(), options).unwrap();
        Program::new(&engine, text)
    };
    let (mut inlined, mut called) = (program(true), program(false));
    for length in 1..9 {
        let trap = inlined.trap("deep", &[length]);
        assert_eq!(trap.kind, TrapKind::NullStruct);
        let frames = usize::try_from(length).unwrap() + 3;
        assert_eq!(trap.frames.len(), frames, "{trap}");
        assert_eq!(trap, called.trap("deep", &[length]));
        let trap = inlined.trap("sum", &[length]);
        assert_eq!(trap.kind, TrapKind::DivisionByZero);
        assert_eq!(trap, called.trap("sum", &[length]));
    }
}

/// A load that traps may become part of the addition of what it loads, and code may be stopped on entry of
/// a function: the places are those of the function even where it was inlined.
#[test]
fn what_traps_in_an_inlined_function_is_in_it() {
    let text = r#"(module $m
        (type $s (struct (field i32)))
        (func $add (param $s (ref null $s)) (param i32) (result i32)
            (i32.add (local.get 1) (struct.get $s 0 (local.get $s))))
        (global $s (mut (ref null $s)) (ref.null $s))
        (func (export "add") (param i32) (result i32)
            (call $add (global.get $s) (local.get 0)))
        (func $nothing)
        (func (export "many") (loop $again (call $nothing) (br $again))))"#;
    let trap = |inlining, name: &str, args: &[i32]| {
        let options = unwinders::options().inlining(inlining).fuel(true);
        let engine = Engine::with_options(&Config::new(), options).unwrap();
        let mut program = Program::new(&engine, text);
        engine.set_fuel(&mut program.store, 100).unwrap();
        program.trap(name, args)
    };
    // Where in a function depends on what its instructions became.
    let functions = |trap: &Trap| -> Vec<u32> {
        let frames = trap.frames.iter();
        frames.map(|frame| frame.function_index).collect()
    };
    for (name, args) in [("add", &[1][..]), ("many", &[])] {
        let (inlined, called) = (trap(true, name, args), trap(false, name, args));
        assert_eq!(inlined.kind, called.kind);
        assert_eq!(functions(&inlined), functions(&called));
        assert!(
            inlined
                .frames
                .iter()
                .all(|frame| frame.wasm_offset.is_some())
        );
    }
    assert_eq!(trap(true, "add", &[1]).frames.len(), 2);
}

#[test]
fn a_full_heap_says_what_was_needed_and_what_the_limit_is() {
    let text = r#"(module
        (type $node (struct (field (ref null $node)) (field i64)))
        (func (export "fill") (result i32) (local $list (ref null $node))
            (loop $again
                (local.set $list (struct.new $node (local.get $list) (i64.const 1)))
                (br $again))
            (unreachable))
        (func (export "fine") (result i32) (drop (struct.new_default $node)) (i32.const 5)))"#;
    let limit = 4 << 20;
    for &collector in CollectorKind::ALL {
        let engine =
            unwinders::engine(&Config::new().collector(collector).heap_max_bytes(limit)).unwrap();
        let mut program = Program::new(&engine, text);
        let trap = program.trap("fill", &[]);
        match &trap.kind {
            TrapKind::Heap(windrow::HeapError::HeapFull {
                needed_bytes: 24,
                limit_bytes,
            }) => {
                assert_eq!(*limit_bytes, limit);
            }
            other => panic!("a full heap expected, not {other:?}"),
        }
        assert_eq!(trap.frames.len(), 1);
        if collector != CollectorKind::Null {
            assert_eq!(program.call("fine", &[]).unwrap(), 5);
        }
    }
}

/// The reason tells what a null reference was to lead to, wherever it is found out: by a fault, by a
/// check before a barrier or far into a struct, or by the host.
#[test]
fn a_null_reference_is_named_by_its_kind() {
    let wide = "(field i64) ".repeat(600);
    let text = format!(
        r#"(module
        (type $s (struct (field (mut anyref)) (field (mut i32))))
        (type $wide (struct {wide}))
        (type $a (array (mut i8)))
        (type $r (array (mut anyref)))
        (data $data "abc")
        (elem $elem anyref (ref.null any))
        (func (export "struct 1") (result i32) (struct.get $s 1 (ref.null $s)))
        (func (export "struct 2") (result i32) (struct.set $s 1 (ref.null $s) (i32.const 1)) (i32.const 0))
        (func (export "struct 3") (result i32) (struct.set $s 0 (ref.null $s) (ref.null any)) (i32.const 0))
        (func (export "struct 4") (result i32)
            (i32.wrap_i64 (struct.get $wide 599 (ref.null $wide))))
        (func (export "array 1") (result i32) (array.len (ref.null $a)))
        (func (export "array 2") (result i32) (array.get_u $a (ref.null $a) (i32.const 0)))
        (func (export "array 3") (result i32)
            (array.set $r (ref.null $r) (i32.const 0) (ref.null any)) (i32.const 0))
        (func (export "array 4") (result i32)
            (array.fill $a (ref.null $a) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0))
        (func (export "array 5") (result i32)
            (array.copy $r $r (ref.null $r) (i32.const 0) (ref.null $r) (i32.const 0) (i32.const 0))
            (i32.const 0))
        (func (export "array 6") (result i32)
            (array.init_data $a $data (ref.null $a) (i32.const 0) (i32.const 0) (i32.const 0))
            (i32.const 0))
        (func (export "array 7") (result i32)
            (array.init_elem $r $elem (ref.null $r) (i32.const 0) (i32.const 0) (i32.const 0))
            (i32.const 0))
        (func (export "reference") (result i32) (drop (ref.as_non_null (ref.null any))) (i32.const 0))
        (func (export "i31") (result i32) (i31.get_u (ref.null i31))))"#
    );
    for engine in engines() {
        let mut program = Program::new(&engine, &text);
        let names: Vec<String> = program.instance.export_names().map(str::to_owned).collect();
        for name in names {
            let expected = match name.split(' ').next() {
                Some("struct") => TrapKind::NullStruct,
                Some("array") => TrapKind::NullArray,
                Some("i31") => TrapKind::NullI31,
                _ => TrapKind::NullReference,
            };
            assert_eq!(program.trap(&name, &[]).kind, expected, "{name}");
        }
    }
}

#[test]
fn structs_allocated_at_once_seldom_take_the_slow_path() {
    // More in a row than are allocated at once, and nothing else.
    let leaf = "(struct.new_default $tree)";
    let row = format!("(drop {leaf})").repeat(9);
    let text = format!(
        r#"(module
          (type $tree (struct (field (ref null $tree)) (field (ref null $tree)) (field i64)))
          (func (export "run") (param $n i32) (result i32)
            (loop $again
              (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
              {row}
              (local.set $n (i32.sub (local.get $n) (i32.const 1)))
              (br $again))
            (unreachable)))"#
    );
    for collector in [
        CollectorKind::Copying,
        CollectorKind::Drc,
        CollectorKind::Null,
    ] {
        let engine = unwinders::engine(&Config::new().collector(collector)).unwrap();
        let mut program = Program::new(&engine, &text);
        program.call("run", &[20_000]).unwrap();
        let stats = program.store.stats();
        assert!(stats.slow_allocations < 4000, "{collector:?}: {stats:?}");
    }
}
