//! Ways of a reference: through calls, frames, places and conversions, with collections between.

/// Code that takes a reference to a box from the operand stack and leaves it there. What it holds
/// besides, it looks at itself: it traps where that changed.
pub(crate) const WAYS: &[&str] = &[
    // Calls.
    "(call $same)",
    "(call $tail)",
    "(call $tail_indirect)",
    "(call $tail_reference)",
    "(call_indirect $functions (type $through) (i32.const 0))",
    "(call_indirect $functions (type $through) (i32.const 1))",
    "(ref.func $same) (call_ref $through)",
    "(global.get $function) (call_ref $through)",
    "(call $pass) (ref.cast REF)",
    "(call $twice) (call $same) (call $swap) (ref.eq) (if (then (call $collect)) (else unreachable)) (call $saved)",
    // Arrays and structs.
    "(array.new $boxes (i32.const 5)) (call $collect) (array.get $boxes (i32.const 3))",
    "(call $twice) (array.new_fixed $boxes 2) (call $collect) (array.get $boxes (i32.const 1))",
    "(call $copied)",
    "(struct.new $any) (call $collect) (struct.get $any 0) (ref.cast REF)",
    "(call $linked)",
    // Tables and globals.
    "(global.set $g) (call $collect) (global.get $g)",
    "(call $by_table)",
    "(call $by_grown_table)",
    // Segments: the reference waits meanwhile.
    "(call $segments) (i32.const 30) (i32.ne) (if (then unreachable))",
    "(call $bytes) (i32.const 6) (i32.ne) (if (then unreachable))",
    // Conversions and casts.
    "(extern.convert_any) (call $collect) (any.convert_extern) (ref.cast REF)",
    "(ref.i31 (i32.const -77)) (call $collect) (i31.get_s) (i32.const -77) (i32.ne) (if (then unreachable))",
    "(ref.i31 (i32.const 5)) (call $pass) (ref.cast (ref i31)) (i31.get_u) (i32.const 5) (i32.ne) (if (then unreachable))",
    "(call $tested)",
    // Choices.
    "(ref.null $box) (i32.const 1) (select (result REF))",
    "(call $twice) (global.get $sum) (select (result REF)) (call $same)",
    "(block $out (param REF) (result REF)
       (block $null (param REF) (br_on_null $null) (call $collect) (br $out)) (ref.null $box))",
    "(block $out (param REF) (result REF)
       (block $some (param REF) (result (ref $box)) (br_on_non_null $some) (ref.null $box) (br $out))
       (call $collect))",
    "(block $out (param REF) (result REF)
       (block $is (param anyref) (result REF) (br_on_cast $is anyref REF) unreachable)
       (call $collect))",
    "(block $out (param REF) (result REF)
       (block $no (param anyref) (result anyref)
         (br_on_cast_fail $no anyref REF) (call $collect) (br $out)) unreachable)",
    "(block $a (param REF) (result REF) (i32.const 9) (br_table $a $a $a))",
    // Exceptions.
    "(call $thrown)",
    "(block $caught (param REF) (result REF)
       (try_table (param REF) (result REF) (catch $t0 $caught) (call $collect) (call $same)))",
    // Numbers of every kind wait beside it.
    "(i64.const 5) (f64.const 2.5) (v128.const i64x2 1 2) (call $collect) (drop) (drop) (drop)",
];

/// The functions, types and places that they need.
pub(crate) const FUNCTIONS: &str = r#"
  (type $through (func (param REF) (result REF)))
  (type $any (struct (field (mut anyref))))
  (type $bytes (array (mut i8)))
  (table $functions funcref (elem $same $copied))
  (table $t 6 REF)
  (table $grown 0 REF)
  (global $g (mut REF) (ref.null $box))
  (global $function (mut (ref $through)) (ref.func $linked))
  (global $saved (mut REF) (ref.null $box))
  (elem $boxes REF (item (struct.new $box (i32.const 9) (ref.null $box)))
    (item (struct.new $box (i32.const 21) (ref.null $box))) (item (ref.null $box)))
  (data $data "\01\02\03")

  (func $same (type $through) (local $fresh REF)
    (local.set $fresh (struct.new $box (i32.const 1) (local.get 0)))
    (call $collect)
    (struct.get $box 1 (local.get $fresh)))
  (func $tail (type $through) (return_call $same (local.get 0)))
  (func $tail_indirect (type $through)
    (call $collect)
    (return_call_indirect $functions (type $through) (local.get 0) (i32.const 0)))
  (func $tail_reference (type $through)
    (return_call_ref $through (struct.get $box 1 (struct.new $box (i32.const 0) (local.get 0)))
      (global.get $function)))
  (func $swap (param REF REF) (result REF REF)
    (call $collect) (local.get 1) (local.get 0))
  (func $twice (param REF) (result REF REF)
    (global.set $saved (local.get 0))
    (call $collect) (local.get 0) (local.get 0))
  (func $saved (result REF) (global.get $saved))
  (func $linked (type $through) (local $x REF)
    (local.set $x (struct.new $box (i32.const 1) (ref.null $box)))
    (call $collect)
    (struct.set $box 1 (local.get $x) (local.get 0))
    (struct.get $box 1 (struct.get $box 1 (struct.new $box (i32.const 2) (local.get $x)))))
  (func $copied (type $through) (local $a (ref null $boxes)) (local $c (ref null $boxes))
    (local.set $a (array.new_default $boxes (i32.const 6)))
    (call $collect)
    (array.fill $boxes (local.get $a) (i32.const 1) (local.get 0) (i32.const 4))
    (call $collect)
    (local.set $c (array.new $boxes (ref.null $box) (i32.const 6)))
    (array.copy $boxes $boxes (local.get $c) (i32.const 0) (local.get $a) (i32.const 2) (i32.const 3))
    (call $collect)
    (array.copy $boxes $boxes (local.get $c) (i32.const 1) (local.get $c) (i32.const 0) (i32.const 3))
    (array.set $boxes (local.get $a) (i32.const 0) (array.get $boxes (local.get $c) (i32.const 3)))
    (drop (array.new_default $boxes (i32.const 1)))
    (array.get $boxes (local.get $a) (i32.const 0)))
  (func $by_table (type $through)
    (table.set $t (i32.const 1) (local.get 0))
    (call $collect)
    (table.copy $t $t (i32.const 3) (i32.const 0) (i32.const 3))
    (table.fill $t (i32.const 0) (ref.null $box) (i32.const 3))
    (call $collect)
    (table.get $t (i32.const 4)))
  (func $by_grown_table (type $through) (local $at i32)
    (local.set $at (table.grow $grown (local.get 0) (i32.const 2)))
    (call $collect)
    (table.get $grown (i32.add (local.get $at) (i32.const 1))))
  (func $segments (result i32) (local $a (ref null $boxes))
    (local.set $a (array.new_elem $boxes $boxes (i32.const 0) (i32.const 3)))
    (array.init_elem $boxes $boxes (local.get $a) (i32.const 2) (i32.const 1) (i32.const 1))
    (table.init $t $boxes (i32.const 0) (i32.const 0) (i32.const 2))
    (call $collect)
    (if (i32.ne (i32.const 21) (struct.get $box 0 (table.get $t (i32.const 1)))) (then unreachable))
    (i32.add
      (struct.get $box 0 (array.get $boxes (local.get $a) (i32.const 0)))
      (struct.get $box 0 (array.get $boxes (local.get $a) (i32.const 2)))))
  (func $bytes (result i32) (local $b (ref null $bytes))
    (local.set $b (array.new_data $bytes $data (i32.const 0) (i32.const 3)))
    (call $collect)
    (array.init_data $bytes $data (local.get $b) (i32.const 0) (i32.const 1) (i32.const 1))
    (i32.add (array.get_u $bytes (local.get $b) (i32.const 0))
      (i32.add (array.get_u $bytes (local.get $b) (i32.const 0))
        (array.get_u $bytes (local.get $b) (i32.const 1)))))
  (func $tested (type $through) (local $a anyref)
    (local.set $a (local.get 0))
    (call $collect)
    (if (ref.test (ref $boxes) (local.get $a)) (then unreachable))
    (if (result REF) (ref.test (ref $box) (local.get $a))
      (then (drop (array.new_default $boxes (i32.const 2))) (ref.cast (ref $box) (local.get $a)))
      (else (ref.null $box))))
  (func $thrown (type $through)
    (block $caught (result REF)
      (try_table (catch $t0 $caught)
        (block $again (result exnref)
          (try_table (catch_all_ref $again) (call $collect) (throw $t0 (local.get 0)))
          unreachable)
        (call $collect)
        (throw_ref))
      unreachable))
"#;
