//! Exceptions within a program: what lives across their edges, and which handler they land in.

use crate::harness::{Program, engines};
use windrow_wasm::{Engine, Error, TrapKind};

#[test]
fn references_live_across_both_edges_of_a_call() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (tag $t (param (ref $box) i64 i32))
        (func $new (param i32) (result (ref $box)) (struct.new $box (local.get 0)))
        (func $get (param (ref null $box)) (result i32)
            (drop (call $new (i32.const 99)))
            (struct.get $box 0 (local.get 0)))
        (func $throw (param $n i32)
            (drop (call $new (i32.const 77)))
            (if (local.get $n) (then
                (throw $t (call $new (i32.const 100)) (i64.const 1000) (local.get $n))))
            (drop (call $new (i32.const 78))))
        (func (export "run") (param $n i32) (result i32)
            (local $a (ref null $box)) (local $b (ref null $box)) (local $f f64) (local $s i32)
            (local $l i64)
            (local.set $a (call $new (i32.const 1)))
            (local.set $b (call $new (i32.const 2)))
            (local.set $f (f64.const 50000))
            (call $new (i32.const 4))
            (i32.const 8)
            (block $after
                (block $caught (result (ref $box) i64 i32 exnref)
                    (call $new (i32.const 16))
                    (try_table (catch_ref $t $caught)
                        (local.set $b (call $new (i32.const 32)))
                        (call $throw (local.get $n))
                        (local.set $a (call $new (i32.const 64))))
                    (local.set $s (call $get))
                    (br $after))
                (drop (call $new (i32.const 7)))
                (if (ref.is_null) (then (unreachable)))
                (local.set $s)
                (local.set $l)
                (local.set $s (i32.add (i32.wrap_i64 (local.get $l)) (local.get $s)))
                (call $get)
                (local.set $s (i32.add (local.get $s)))
                (local.set $s (i32.add (local.get $s) (i32.trunc_f64_s (local.get $f)))))
            (i32.add (local.get $s))
            (i32.add (call $get (local.get $a)))
            (i32.add (call $get (local.get $b)))
            (local.set $s)
            (i32.add (call $get) (local.get $s))))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        let returned = 16 + 8 + 64 + 32 + 4;
        let thrown = |n: i32| n + 1000 + 100 + 50_000 + 8 + 1 + 32 + 4;
        for n in [0, 5, 0, 6] {
            let expected = if n == 0 { returned } else { thrown(n) };
            assert_eq!(program.call("run", &[n]).unwrap(), expected);
        }
    }
}

#[test]
fn handlers_match_inside_out_and_in_order() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (tag $a (param (ref $box)))
        (tag $b (param i32))
        (tag $c)
        (func $throw (param $n i32)
            (if (i32.eq (local.get $n) (i32.const 1)) (then (throw $a (struct.new $box (i32.const 10)))))
            (if (i32.eq (local.get $n) (i32.const 2)) (then (throw $b (i32.const 20))))
            (if (i32.eq (local.get $n) (i32.const 3)) (then (throw $c))))
        ;; An inner handler of $b, a middle one that throws again, an outer one of all.
        (func (export "run") (param $n i32) (param $direct i32) (result i32)
            (local $e exnref) (local $kept (ref null $box))
            (local.set $kept (struct.new $box (i32.const 1000)))
            (block $out
                (block $all (result exnref)
                    (try_table (catch_all_ref $all)
                        (block $again (result exnref)
                            (block $on_a (result (ref $box) exnref)
                                (try_table (catch_ref $a $on_a)
                                    (block $on_b (result i32)
                                        (block $too_late (result i32)
                                        (try_table (catch $b $on_b) (catch $b $too_late)
                                            (if (local.get $direct) (then
                                                (if (i32.eq (local.get $n) (i32.const 1)) (then
                                                    (throw $a (struct.new $box (i32.const 10)))))
                                                (if (i32.eq (local.get $n) (i32.const 2)) (then
                                                    (throw $b (i32.const 20))))
                                                (if (i32.eq (local.get $n) (i32.const 3)) (then
                                                    (throw $c)))))
                                            (call $throw (local.get $n)))
                                        (return (i32.const 0)))
                                        (unreachable))
                                    (return (i32.add (struct.get $box 0 (local.get $kept)))))
                                (unreachable))
                            (local.set $e)
                            (drop (struct.new $box (i32.const 5)))
                            (local.set $kept (struct.new $box
                                (i32.add (struct.get $box 0) (i32.const 2000))))
                            (local.get $e))
                        (throw_ref))
                    (unreachable))
                (local.set $e)
                (drop (struct.new $box (i32.const 6)))
                (drop (block $a_again (result (ref $box))
                    (try_table (catch $a $a_again) (throw_ref (local.get $e)))
                    (unreachable)))
                (return (struct.get $box 0 (local.get $kept))))
            (i32.const -1))
        (func (export "null") (result i32)
            (block $h (try_table (catch_all $h) (throw_ref (ref.null exn))))
            (i32.const 1)))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        for direct in [0, 1] {
            assert_eq!(program.call("run", &[0, direct]).unwrap(), 0);
            assert_eq!(program.call("run", &[1, direct]).unwrap(), 2010);
            assert_eq!(program.call("run", &[2, direct]).unwrap(), 1020);
            assert!(matches!(
                program.call("run", &[3, direct]),
                Err(Error::Exception(_))
            ));
        }
        assert_eq!(program.trap("null", &[]).kind, TrapKind::NullException);
    }
}

/// Arguments on the stack are the callee's to pop: a handler finds the stack pointer where the
/// call had it, however often.
#[test]
fn the_stack_stays_level_over_many_landings() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (tag $t (param i32))
        (func $wide (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 (ref null $box))
            (result i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
            (if (i32.and (local.get 0) (i32.const 1)) (then (return_call $narrow (local.get 0))))
            (throw $t (struct.get $box 0 (local.get 12))))
        (func $narrow (param i32) (result i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
            (throw $t (local.get 0)))
        (func (export "run") (param $n i32) (result i32) (local $sum i32)
            (loop $again
                (block $caught (result i32)
                    (try_table (catch $t $caught)
                        (call $wide (local.get $n) (i32.const 1) (i32.const 2) (i32.const 3)
                            (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8)
                            (i32.const 9) (i32.const 10) (i32.const 11)
                            (struct.new $box (local.get $n)))
                        (unreachable))
                    (unreachable))
                (local.set $sum (i32.add (local.get $sum)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        assert_eq!(program.call("run", &[20_000]).unwrap(), 200_010_000);
    }
}

#[test]
fn a_tail_call_leaves_the_handlers_of_its_function() {
    let text = r#"(module
        (tag $t (param i32))
        (func $throw (param i32) (throw $t (local.get 0)))
        (func $tail (param i32)
            (block $never (result i32)
                (try_table (catch $t $never) (return_call $throw (local.get 0)))
                (unreachable))
            (unreachable))
        (func (export "run") (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $t $caught) (call $tail (local.get 0)))
                (unreachable))))"#;
    for engine in engines() {
        assert_eq!(Program::new(&engine, text).call("run", &[7]).unwrap(), 7);
    }
}

#[test]
fn the_legacy_form_catches_rethrows_and_delegates() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (tag $a (param (ref $box)))
        (tag $b (param i32))
        (func $throw (param $n i32)
            (if (i32.eq (local.get $n) (i32.const 1)) (then (throw $a (struct.new $box (i32.const 10)))))
            (if (i32.eq (local.get $n) (i32.const 2)) (then (throw $b (i32.const 20))))
            (drop (struct.new $box (i32.const 5))))
        (func $collect (drop (struct.new $box (i32.const 5))))
        (func (export "catch") (param $n i32) (result i32) (local $kept (ref null $box))
            (local.set $kept (struct.new $box (i32.const 100)))
            (struct.new $box (i32.const 1000))
            try (result i32)
                (call $throw (local.get $n))
                (i32.const 1)
            catch $a
                (call $collect)
                (struct.get $box 0)
            catch $b
                (call $collect)
            end
            (i32.add (struct.get $box 0 (local.get $kept)))
            (local.set $n)
            (i32.add (struct.get $box 0) (local.get $n)))
        ;; A handler's own exceptions are for the frames around.
        (func (export "rethrow") (param $n i32) (result i32) (local $kept (ref null $box))
            try (result i32)
                try (result i32)
                    (local.set $kept (struct.new $box (i32.const 100)))
                    (call $throw (local.get $n))
                    (i32.const 1)
                catch $b
                    (call $throw)
                    (i32.const 2)
                catch_all
                    (local.set $kept (struct.new $box (i32.const 200)))
                    (call $collect)
                    try
                        (call $throw (i32.const 2))
                    catch $b
                        (drop)
                        (call $collect)
                        (rethrow 1)
                    end
                    (i32.const 3)
                end
            catch $a
                (call $collect)
                (i32.add (struct.get $box 0) (struct.get $box 0 (local.get $kept)))
            end)
        (func (export "delegate") (param $n i32) (result i32) (local $kept (ref null $box))
            (local.set $kept (struct.new $box (i32.const 100)))
            try $outer (result i32)
                try (result i32)
                    try (result i32)
                        (local.set $kept (struct.new $box (i32.const 300)))
                        (call $throw (local.get $n))
                        (i32.const 1)
                    delegate $outer
                catch_all
                    (i32.const -1)
                end
            catch $a
                (i32.add (struct.get $box 0) (struct.get $box 0 (local.get $kept)))
            end)
        (func (export "out") (param $n i32) (result i32)
            try
                try
                    (call $throw (local.get $n))
                delegate 1
            catch_all
                (return (i32.const -1))
            end
            (i32.const 1))
        (func (export "dead") (result i32)
            try (result i32)
                (i32.const 1)
            catch $b
                (throw $b)
            catch_all
                (rethrow 0)
            end))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        let mut results = |name: &str| {
            [0, 1, 2].map(|n| match program.call(name, &[n]) {
                Ok(value) => value,
                Err(Error::Exception(_)) => i32::MIN,
                Err(error) => panic!("{name} {n}: {error}"),
            })
        };
        assert_eq!(results("catch"), [1101, 1110, 1120]);
        assert_eq!(results("rethrow"), [1, 210, 2]);
        assert_eq!(results("delegate"), [1, 310, i32::MIN]);
        assert_eq!(results("out"), [1, i32::MIN, i32::MIN]);
        assert_eq!(program.call("dead", &[]).unwrap(), 1);
    }
}

#[test]
fn programs_run_on_after_an_uncaught_exception() {
    let text = r#"(module $m
        (tag $t)
        (func $throw (throw $t))
        (func (export "run") (param i32) (result i32)
            (if (local.get 0) (then (call $throw))) (i32.const 3)))"#;
    let engine: Engine = engines().remove(0);
    let mut program = Program::new(&engine, text);
    for _ in 0..3 {
        let error = program.call("run", &[1]).unwrap_err();
        let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
        assert!(lines[0] == "uncaught exception" && lines[1].contains("m!throw"));
        assert_eq!(program.call("run", &[0]).unwrap(), 3);
    }
}
