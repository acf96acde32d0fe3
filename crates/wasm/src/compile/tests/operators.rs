//! Every family of operators compiles, on both kinds of ABI, with Cranelift's verifier on.

use super::*;

fn check(text: &str) {
    for abi in [bump_abi(), call_abi()] {
        let functions = clif(text, abi);
        assert!(!functions.is_empty());
    }
}

#[test]
fn numbers() {
    check(
        r#"(module
          (func (param i32 i32) (result i32)
            (i32.div_s (i32.rem_u (local.get 0) (local.get 1)) (i32.rotl (i32.const -1) (local.get 0))))
          (func (param i64) (result i64)
            (i64.extend16_s (i64.shl (i64.popcnt (local.get 0)) (i64.const 70))))
          (func (param f64) (result i32 i64 i32 i64)
            (i32.trunc_f64_u (local.get 0)) (i64.trunc_sat_f64_s (local.get 0))
            (f64.lt (local.get 0) (f64.const nan)) (i64.reinterpret_f64 (f64.nearest (local.get 0))))
          (func (param f32) (result f32)
            (f32.copysign (f32.min (local.get 0) (f32.const -0)) (f32.convert_i64_u (i64.const 9))))
          (func (param i64) (result i32) (i64.eqz (i64.extend_i32_u (i32.wrap_i64 (local.get 0))))))"#,
    );
}

#[test]
fn control_flow() {
    check(
        r#"(module
          (func (param i32) (result i32)
            (local $sum i32)
            (block $out
              (loop $again
                (br_if $out (i32.eqz (local.get 0)))
                (local.set $sum (i32.add (local.get $sum) (local.get 0)))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br $again)))
            (local.get $sum))
          (func (param i32) (result i32 i64)
            (if (param) (result i32 i64) (local.get 0)
              (then (i32.const 1) (i64.const 2))
              (else (i32.const 3) (i64.const 4))))
          (func (param i32) (result i32)
            (i32.const 7)
            (if (param i32) (result i32) (local.get 0) (then (i32.const 1) (i32.add))))
          (func (param i32) (result i32)
            (block $a (result i32) (block $b (result i32) (block $c
              (br_table $a $b $a (i32.const 5) (local.get 0)))
              (i32.const 1))
              (i32.const 2) (i32.add)))
          (func (param i32)
            (block (block (block (br_table 0 1 2 0 (local.get 0))) (return)) (unreachable)))
          (func (param i32) (result i32)
            (loop (param) (result i32) (local.get 0) (br_if 0 (i32.const 0))))
          (func (param i32 i32) (result i32 i32)
            (local.get 0) (local.get 1)
            (loop $l (param i32 i32) (result i32 i32) (br_if $l (local.get 0))))
          (func (result i32) (unreachable) (block (result i32) (i32.const 1) (br 0) (drop))
            (if (result i32) (then (i32.const 2)) (else (br 0 (i32.const 3)))) (i32.add))
          (func (param i32) (result i32)
            (if (local.get 0) (then (return (i32.const 1))) (else (return (i32.const 2)))) (i32.const 3)))"#,
    );
}

#[test]
fn memories_tables_globals() {
    check(
        r#"(module
          (memory 1 2) (data $d "abc")
          (table $f 4 funcref) (table $r 4 externref) (elem $e func 0)
          (global $i (mut i64) (i64.const 0)) (global $x (mut externref) (ref.null extern))
          (type $t (func (param i32) (result i32)))
          (func (param i32) (result i32)
            (i32.store8 offset=7 (local.get 0) (i32.load16_s (local.get 0)))
            (i64.store32 (local.get 0) (i64.load offset=0xfffffff0 (local.get 0)))
            (f32.store (local.get 0) (f32.load (local.get 0)))
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
            (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
            (memory.init $d (i32.const 0) (i32.const 1) (i32.const 2))
            (data.drop $d)
            (i32.add (memory.size) (memory.grow (i32.const 1))))
          (func (param externref i32) (result externref)
            (global.set $x (local.get 0)) (global.set $i (i64.add (global.get $i) (i64.const 1)))
            (table.set $r (local.get 1) (local.get 0))
            (table.fill $r (i32.const 0) (local.get 0) (i32.const 1))
            (table.copy $r $r (i32.const 0) (i32.const 1) (i32.const 2))
            (drop (table.grow $r (local.get 0) (table.size $r)))
            (table.get $r (local.get 1)))
          (func (param i32) (result i32)
            (table.init $f $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e)
            (call_indirect $f (type $t) (local.get 0) (local.get 0))))"#,
    );
}

#[test]
fn structs_and_casts() {
    check(
        r#"(module
          (rec (type $a (sub (struct (field (mut i32)) (field i8) (field (ref null $b)))))
               (type $b (sub $a (struct (field (mut i32)) (field i8) (field (ref null $b)) (field (mut anyref))))))
          (type $v (struct (field (mut f64)) (field (mut i16)) (field i64)))
          (func (param (ref null $b)) (result i32)
            (struct.set $b 3 (local.get 0) (ref.i31 (i32.const 4)))
            (struct.set $a 0 (local.get 0) (i32.const 1))
            (i32.add (struct.get_u $a 1 (local.get 0)) (struct.get_s $a 1 (local.get 0))))
          (func (param anyref) (result (ref null $a))
            (block $no (result anyref)
              (return (br_on_cast_fail $no anyref (ref $a) (local.get 0))))
            (block $yes (param anyref) (result (ref null $a))
              (br_on_cast $yes anyref (ref null $a))
              (drop) (ref.null $a)))
          (func (param anyref) (result i32)
            (i32.add (ref.test (ref struct) (local.get 0)) (ref.test (ref null array) (local.get 0)))
            (i32.add (ref.test (ref i31) (local.get 0)))
            (i32.add (ref.test (ref eq) (local.get 0)))
            (i32.add (ref.test (ref none) (local.get 0)))
            (i32.add (i31.get_s (ref.cast i31ref (local.get 0)))))
          (func (param anyref) (result externref)
            (extern.convert_any (ref.cast (ref $v) (any.convert_extern (extern.convert_any (local.get 0))))))
          (func (result i32) (ref.eq (struct.new_default $v) (struct.new_default $v)))
          (func (param (ref null $a)) (result (ref $a))
            (block $null (br_on_null $null (local.get 0)) (return))
            (block $some (result (ref $a)) (br_on_non_null $some (local.get 0)) (unreachable)))
          (func (param funcref) (result i32) (ref.test (ref func) (local.get 0)))
          (func (param (ref null $a)) (result i32) (ref.is_null (ref.as_non_null (local.get 0)))))"#,
    );
}

#[test]
fn arrays() {
    check(
        r#"(module
          (type $bytes (array (mut i8))) (type $longs (array (mut i64))) (type $refs (array (mut anyref)))
          (type $funcs (array (mut funcref)))
          (data $d "abcdefgh") (elem $e anyref (item (ref.null any)))
          (func (param i32) (result (ref $bytes))
            (local $b (ref $bytes))
            (local.set $b (array.new $bytes (i32.const 300) (local.get 0)))
            (array.fill $bytes (local.get $b) (i32.const 0) (i32.const 1) (local.get 0))
            (array.copy $bytes $bytes (local.get $b) (i32.const 0) (local.get $b) (i32.const 1) (local.get 0))
            (array.init_data $bytes $d (local.get $b) (i32.const 0) (i32.const 0) (i32.const 4))
            (array.set $bytes (local.get $b) (i32.const 0) (array.get_s $bytes (local.get $b) (i32.const 1)))
            (local.get $b))
          (func (param anyref i32) (result (ref $refs))
            (local $r (ref $refs))
            (local.set $r (array.new $refs (local.get 0) (local.get 1)))
            (array.fill $refs (local.get $r) (i32.const 0) (local.get 0) (local.get 1))
            (array.copy $refs $refs (local.get $r) (i32.const 0) (local.get $r) (i32.const 1) (local.get 1))
            (array.init_elem $refs $e (local.get $r) (i32.const 0) (i32.const 0) (i32.const 1))
            (array.set $refs (local.get $r) (i32.const 0)
              (array.new_fixed $refs 3 (local.get 0) (local.get $r) (ref.null any)))
            (drop (array.new_elem $refs $e (i32.const 0) (i32.const 1)))
            (local.get $r))
          (func (param i32) (result i64)
            (array.get $longs (array.new_default $longs (local.get 0)) (array.len (array.new_default $funcs (local.get 0)))))
          (func (result i32) (array.len (array.new_data $longs $d (i32.const 0) (i32.const 1)))))"#,
    );
}

#[test]
fn an_invalid_body_is_an_error_and_the_compiler_goes_on() {
    let text = r#"(module (func (result i32) (i64.const 1)) (func (result i32) (i32.const 1)))"#;
    let bytes = wat::parse_str(text).unwrap();
    let isa = native_isa(&IsaOptions::default()).unwrap();
    let parsed = parse(&bytes, bump_abi(), Arc::new(TypeRegistry::new())).unwrap();
    let mut compiler = FunctionCompiler::new(&parsed.env, &*isa, &parsed.bodies);
    let bodies = parsed.bodies.iter();
    let results: Vec<_> = bodies.map(|body| compiler.compile(body)).collect();
    assert!(matches!(results[0], Err(TranslateError::Invalid(_))));
    assert!(results[1].is_ok());
}

#[test]
fn code_names_module_offsets() {
    let text =
        "(module (func (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1))))";
    let functions = compile_all(text, bump_abi()).unwrap();
    let bytes = wat::parse_str(text).unwrap();
    let division = bytes.iter().position(|byte| *byte == 0x6e).unwrap();
    let division = u32::try_from(division).unwrap();
    assert!(
        functions[0]
            .locations
            .iter()
            .any(|(_, location)| *location == division)
    );
}

#[test]
fn too_many_references_over_calls_are_an_error() {
    let (locals, calls) = (2_000, 1_100);
    let gets: String = (0..locals)
        .map(|local| format!("(drop (local.get {local}))"))
        .collect();
    let text = format!(
        "(module (import \"\" \"f\" (func $f)) (func (local {}) {} {gets}))",
        "anyref ".repeat(locals),
        "(call $f)".repeat(calls),
    );
    assert!(matches!(
        compile_all(&text, bump_abi()),
        Err(TranslateError::TooManyReferences)
    ));
}

#[test]
fn vectors_and_rounding() {
    check(
        r#"(module
          (memory 1)
          (func (param v128 v128 i32) (result v128 v128 i32)
            (local v128)
            (i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31 (local.get 0) (local.get 1))
            (v128.load16_lane 3 (local.get 2) (f32x4.nearest (local.get 3)))
            (i32x4.bitmask (f64x2.pmin (local.get 0) (local.get 1))))
          (func (param v128) (result v128)
            (f32x4.relaxed_madd (local.get 0) (i32x4.trunc_sat_f64x2_u_zero (local.get 0))
              (i32x4.relaxed_dot_i8x16_i7x16_add_s (local.get 0) (local.get 0) (local.get 0)))))"#,
    );
}

#[test]
fn inlined_code_names_the_calls_it_took_the_place_of() {
    let text = r#"(module
        (func $divide (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1)))
        (func $outer (param i32) (result i32) (call $divide (i32.const 7) (local.get 0))))"#;
    let bytes = wat::parse_str(text).unwrap();
    let after_local = |local, opcode| {
        let code = [0x20, local, opcode];
        let at = bytes.windows(3).position(|bytes| bytes == code).unwrap();
        u32::try_from(at + 2).unwrap()
    };
    let (division, call) = (after_local(1, 0x6e), after_local(0, 0x10));
    let outer = each_function(text, bump_abi(), |compiler, body| compiler.compile(body))
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!(outer.code.relocations, []);
    let trap = outer.code.traps.iter().find(|trap| {
        let places = &outer.code.locations;
        let after = places.partition_point(|(start, _)| *start <= trap.offset);
        let locations = outer.inlined.locations(places[after - 1].1);
        locations.eq([division, call])
    });
    assert!(trap.is_some(), "{:?}", outer.code);
}

/// How often a function of a tree asks for room, of which it makes these structs.
fn rooms(body: &str, abi: CodeAbi) -> usize {
    let text = format!(
        r#"(module
          (type $tree (struct (field (ref null $tree)) (field (ref null $tree))))
          (type $large (struct {}))
          (func $f (param (ref null $tree)) (param i32) (result (ref null $tree)) {body}))"#,
        "(field i64)".repeat(13)
    );
    let function = clif(&text, abi).pop().unwrap();
    function.matches("call_indirect").count()
}

#[test]
fn structs_between_which_nothing_happens_are_allocated_at_once() {
    const TREE: &str = "(struct.new $tree (struct.new_default $tree) (struct.new_default $tree))";
    assert_eq!(rooms(TREE, bump_abi()), 1);
    assert_eq!(rooms(TREE, call_abi()), 3);
    let trap = "(struct.new $tree (struct.new_default $tree) (struct.get $tree 0 (local.get 0)))";
    assert_eq!(rooms(trap, bump_abi()), 2);
    let branch = "(struct.new $tree (struct.new_default $tree)
        (if (result (ref null $tree)) (local.get 1)
          (then (struct.new_default $tree)) (else (local.get 0))))";
    assert_eq!(rooms(branch, bump_abi()), 3);
    let large = "(drop (struct.new_default $large)) (struct.new_default $tree)";
    assert_eq!(rooms(large, bump_abi()), 1);
    let two_large = "(drop (struct.new_default $large)) (drop (struct.new_default $large))
        (struct.new_default $tree)";
    assert_eq!(rooms(two_large, bump_abi()), 2);
}
