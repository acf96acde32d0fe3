//! Tail calls: the stack they take, and the references that live across them.

use crate::harness::{Program, engines};
use windrow::{FuncType, Val, ValType};
use windrow_wasm::{Linker, Module};

#[test]
fn mutual_recursion_by_tail_calls_takes_constant_stack() {
    let text = r#"(module
        (type $step (func (param i32 i64) (result i64)))
        (table funcref (elem $even $odd))
        (elem declare func $even)
        (func $even (type $step)
            (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
            (return_call $odd (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 1))))
        (func $odd (type $step)
            (if (i32.eqz (local.get 0)) (then (return (i64.const -1))))
            (if (i32.and (local.get 0) (i32.const 2)) (then
                (return_call_ref $step (i32.sub (local.get 0) (i32.const 1))
                    (i64.add (local.get 1) (i64.const 1)) (ref.func $even))))
            (return_call_indirect (type $step) (i32.sub (local.get 0) (i32.const 1))
                (i64.add (local.get 1) (i64.const 1)) (i32.const 0)))
        (func (export "run") (param i32) (result i32)
            (i32.wrap_i64 (call $even (local.get 0) (i64.const 0)))))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        assert_eq!(program.call("run", &[1_000_000]).unwrap(), 1_000_000);
        assert_eq!(program.call("run", &[11]).unwrap(), -1);
    }
}

/// Lists made by tail-recursive functions with more and with fewer arguments than registers, so
/// that frames move within their callers' argument areas while the callers hold references.
#[test]
fn references_in_callers_survive_while_argument_areas_change_size() {
    let text = r#"(module
        (type $node (struct (field i32) (field (ref null $node))))
        (func $wide (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 (ref null $node))
                (result (ref null $node))
            (local $new (ref null $node))
            (local.set $new (struct.new $node (i32.add (local.get 10) (local.get 11)) (local.get 12)))
            (return_call $narrow (i32.sub (local.get 0) (i32.const 1)) (local.get $new)))
        (func $narrow (param i32 (ref null $node)) (result (ref null $node))
            (local.set 1 (struct.new $node (local.get 0) (local.get 1)))
            (if (i32.le_s (local.get 0) (i32.const 0)) (then (return (local.get 1))))
            (return_call $wide (local.get 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
                (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10)
                (i32.const 11) (local.get 1)))
        (func $sum (param $list (ref null $node)) (result i32) (local $sum i32)
            (loop $again
                (if (ref.is_null (local.get $list)) (then (return (local.get $sum))))
                (local.set $sum (i32.add (local.get $sum) (struct.get $node 0 (local.get $list))))
                (local.set $list (struct.get $node 1 (local.get $list)))
                (br $again))
            (unreachable))
        (func (export "run") (param $n i32) (result i32)
            (local $kept (ref null $node)) (local $a (ref null $node)) (local $b (ref null $node))
            (local.set $kept (struct.new $node (i32.const 1000) (ref.null $node)))
            (struct.new $node (i32.const 5000) (ref.null $node))
            (local.set $a (call $narrow (local.get $n) (local.get $kept)))
            (local.set $b (call $wide (local.get $n) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 1) (i32.const 2) (local.get $kept)))
            (local.set $n (i32.add (call $sum (local.get $a)) (call $sum (local.get $b))))
            (local.set $n (i32.add (local.get $n) (struct.get $node 0 (local.get $kept))))
            (i32.add (call $sum) (local.get $n))))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        let narrow = |n: i32| n * 21 + n * (n + 1) / 2 + 1000;
        let wide = |n: i32| 3 + n * (n - 1) / 2 + (n - 1) * 21 + 1000;
        for n in [1, 2, 30] {
            let expected = narrow(n) + wide(n) + 1000 + 5000;
            assert_eq!(program.call("run", &[n]).unwrap(), expected);
        }
    }
}

#[test]
fn imports_and_host_functions_are_called_in_tail_position() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (import "host" "twice" (func $twice (param i32) (result i32)))
        (import "other" "down" (func $down (param i32) (result i32)))
        (func $host (param i32) (result i32) (return_call $twice (local.get 0)))
        (func $other (param i32) (result i32) (return_call $down (local.get 0)))
        (func (export "run") (param i32) (result i32) (local $kept (ref null $box))
            (local.set $kept (struct.new $box (local.get 0)))
            (i32.add (call $host (local.get 0)) (call $other (local.get 0)))
            (i32.add (struct.get $box 0 (local.get $kept)))))"#;
    let other = r#"(module
        (type $box (struct (field i32)))
        (func $down (export "down") (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return (struct.get $box 0 (struct.new $box (i32.const 9))))))
            (return_call $down (i32.sub (local.get 0) (i32.const 1)))))"#;
    for engine in engines() {
        let mut store = engine.new_store().unwrap();
        let mut linker = Linker::new(&engine);
        let ty = FuncType::new([ValType::I32], [ValType::I32]);
        linker.define_func("host", "twice", ty, |mut caller, args, results| {
            caller
                .store()
                .gc(windrow::CollectionKind::Full)
                .map_err(windrow_wasm::Error::host)?;
            let [Val::I32(n)] = args else {
                panic!("one i32 expected")
            };
            results[0] = Val::I32(n * 2);
            Ok(())
        });
        let module = Module::new(&engine, other.as_bytes()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        linker.define_instance(&mut store, "other", &instance);
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let mut program = Program { store, instance };
        assert_eq!(program.call("run", &[500]).unwrap(), 1000 + 9 + 500);
    }
}
