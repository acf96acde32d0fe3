//! Vectors in the heap, across calls, and at the border to the host.

use crate::harness::{Program, engines};
use windrow::{CollectionKind, FuncType, Val, ValType};
use windrow_wasm::{Engine, Error, Global, GlobalType, Linker, Module};

/// Four lanes of 32 bits, the lowest first.
fn lanes(lanes: [u32; 4]) -> u128 {
    lanes
        .iter()
        .rev()
        .fold(0, |bits, lane| bits << 32 | u128::from(*lane))
}

fn call(program: &mut Program, name: &str, args: &[Val]) -> Vec<Val> {
    let func = program.instance.func(&mut program.store, name).unwrap();
    func.call(&mut program.store, args).unwrap().to_vec()
}

const LIST: &str = r#"(module
    (rec (type $node (struct
        (field $v (mut v128)) (field $next (ref null $node)) (field $b i8) (field $w v128))))
    (type $vectors (array (mut v128)))
    (import "host" "twice" (func $twice (param v128 anyref) (result anyref v128)))

    (func $make (param $i i32) (param $next (ref null $node)) (result v128 (ref $node) v128)
        (i32x4.splat (local.get $i))
        (struct.new $node
            (i32x4.splat (local.get $i)) (local.get $next) (local.get $i)
            (i64x2.splat (i64.extend_i32_u (i32.mul (local.get $i) (i32.const 3)))))
        (i32x4.splat (i32.const 1)))

    (func $list (param $n i32) (result v128 (ref null $node))
        (local $list (ref null $node)) (local $count v128)
        (loop $again
            (call $make (local.get $n) (local.get $list))
            (local.set $count (i32x4.add (local.get $count)))
            (local.set $list)
            (drop)
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $count) (local.get $list))

    (func $fill (param $array (ref $vectors)) (param $node (ref null $node)) (local $k i32)
        (block $done
            (loop $again
                (br_if $done (ref.is_null (local.get $node)))
                (array.set $vectors (local.get $array) (local.get $k)
                    (i32x4.add
                        (struct.get $node $v (local.get $node))
                        (struct.get $node $w (local.get $node))))
                (struct.set $node $v (local.get $node) (v128.const i64x2 0 0))
                (local.set $node (struct.get $node $next (local.get $node)))
                (local.set $k (i32.add (local.get $k) (i32.const 1)))
                (br $again))))

    (func (export "run") (param $n i32) (result v128 v128)
        (local $a (ref null $vectors)) (local $b (ref null $vectors)) (local $list (ref null $node))
        (local $k i32) (local $sum v128)
        (call $list (local.get $n))
        (local.set $list)
        (local.set $a (array.new $vectors (v128.const i32x4 9 9 9 9) (local.get $n)))
        (call $fill (ref.as_non_null (local.get $a)) (local.get $list))
        (local.set $b (array.new_default $vectors (i32.add (local.get $n) (i32.const 2))))
        (array.copy $vectors $vectors
            (local.get $b) (i32.const 2) (local.get $a) (i32.const 0) (local.get $n))
        (array.fill $vectors
            (local.get $b) (i32.const 0) (v128.const i32x4 0 0 0 0x10000) (i32.const 1))
        (loop $again
            (local.set $sum (i32x4.add (local.get $sum)
                (array.get $vectors (local.get $b) (local.get $k))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $k) (array.len (local.get $b)))))
        (call $twice (local.get $sum) (local.get $list))
        (local.set $sum)
        (local.set $list (ref.cast (ref $node)))
        (local.get $sum)))"#;

fn list_program(engine: &Engine) -> Program {
    let mut linker = Linker::new(engine);
    let ty = FuncType::new(
        [ValType::V128, ValType::ANYREF],
        [ValType::ANYREF, ValType::V128],
    );
    linker.define_func("host", "twice", ty, |mut caller, args, results| {
        caller
            .store()
            .gc(CollectionKind::Full)
            .map_err(Error::host)?;
        let [Val::V128(bits), list] = args else {
            panic!("the types were checked")
        };
        results[0] = list.clone();
        results[1] = Val::V128(bits << 1);
        Ok(())
    });
    let module = Module::new(engine, LIST.as_bytes()).unwrap();
    let mut store = engine.new_store().unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    Program { store, instance }
}

#[test]
fn objects_hold_vectors_and_vectors_stay_on_the_stack_across_collections() {
    for engine in engines() {
        let mut program = list_program(&engine);
        for n in [1_u32, 9, 60] {
            let results = call(&mut program, "run", &[Val::I32(n.cast_signed())]);
            let total = n * (n + 1) / 2;
            let sum = [4 * total, total, 4 * total, total + 0x10000];
            assert!(
                matches!(results[..], [Val::V128(count), Val::V128(twice)]
                    if count == lanes([n; 4]) && twice == lanes(sum) << 1),
                "{n}: {results:x?}"
            );
        }
    }
}

#[test]
fn vectors_pass_through_every_kind_of_place() {
    let text = r#"(module
        (type $vectors (array v128))
        (type $one (struct (field i8) (field v128)))
        (func (export "select") (param v128 v128 i32) (result v128)
            (select (local.get 0) (local.get 1) (local.get 2)))
        (func (export "block") (param v128 i32) (result v128)
            (local.get 0)
            (block $b (param v128) (result v128)
                (loop $l (param v128) (result v128)
                    (i64x2.add (v128.const i64x2 1 2))
                    (br_table $b $l (local.get 1)))))
        (global $array (ref $vectors)
            (array.new_fixed $vectors 2 (v128.const i64x2 1 2) (v128.const i64x2 3 4)))
        (global $struct (ref $one) (struct.new $one (i32.const 1) (v128.const i64x2 5 -6)))
        (func (export "element") (param i32) (result v128)
            (array.get $vectors (global.get $array) (local.get 0)))
        (func (export "field") (result v128) (struct.get $one 1 (global.get $struct)))
        (func (export "new") (result v128) (struct.get $one 1 (struct.new_default $one)))
        (data $d "0123456789abcdefghijklmnopqrstuvwxyz")
        (func (export "data") (result v128)
            (array.get $vectors
                (array.new_data $vectors $d (i32.const 1) (i32.const 2)) (i32.const 1)))
        (func (export "spill") (param v128 v128 v128 v128 v128 v128 v128 v128 v128 v128)
                (result v128 v128 v128 v128 v128 v128 v128 v128 v128 v128)
            (drop (struct.new_default $one))
            (local.get 9) (local.get 8) (local.get 7) (local.get 6) (local.get 5)
            (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0)))"#;
    let pair = |low: u64, high: u64| u128::from(high) << 64 | u128::from(low);
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        let mut one = |name: &str, args: &[Val]| match call(&mut program, name, args)[..] {
            [Val::V128(bits)] => bits,
            ref other => panic!("one v128 expected, not {other:?}"),
        };
        let (a, b) = (Val::V128(pair(1, 2)), Val::V128(pair(3, u64::MAX)));
        assert_eq!(
            one("select", &[a.clone(), b.clone(), Val::I32(0)]),
            pair(3, u64::MAX)
        );
        assert_eq!(
            one("select", &[a.clone(), b.clone(), Val::I32(5)]),
            pair(1, 2)
        );
        assert_eq!(one("block", &[b, Val::I32(0)]), pair(4, 1));
        assert_eq!(one("element", &[Val::I32(1)]), pair(3, 4));
        assert_eq!(one("field", &[]), pair(5, 6_u64.wrapping_neg()));
        assert_eq!(one("new", &[]), 0);
        assert_eq!(one("data", &[]), u128::from_le_bytes(*b"hijklmnopqrstuvw"));
        let args: Vec<Val> = (0..10)
            .map(|index| Val::V128(pair(index, !index)))
            .collect();
        let results = call(&mut program, "spill", &args);
        for (index, result) in (0..10).rev().zip(results) {
            assert!(matches!(result, Val::V128(bits) if bits == pair(index, !index)));
        }
    }
}

#[test]
fn globals_hold_vectors_on_both_sides() {
    let text = r#"(module
        (import "host" "g" (global $g (mut v128)))
        (global $copy (export "copy") v128 (v128.const i64x2 7 8))
        (func (export "double") (global.set $g (i64x2.add (global.get $g) (global.get $g)))))"#;
    for engine in engines() {
        let mut store = engine.new_store().unwrap();
        let ty = GlobalType {
            content: ValType::V128,
            mutable: true,
        };
        let global = Global::new(&mut store, ty, &Val::V128(5 << 64 | 3)).unwrap();
        let wrong = global.set(&mut store, &Val::I64(1)).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the global's value must be v128, an i64 was given"
        );
        let mut linker = Linker::new(&engine);
        linker.define("host", "g", global.clone());
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let mut program = Program { store, instance };
        assert!(call(&mut program, "double", &[]).is_empty());
        let value = global.value(&mut program.store).unwrap();
        assert!(
            matches!(value, Val::V128(bits) if bits == (10 << 64 | 6)),
            "{value:?}"
        );
    }
}
