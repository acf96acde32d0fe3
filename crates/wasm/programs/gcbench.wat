;; gcbench: trees made from the top and from the bottom, beside a tree and an array that stay.
;;
;; After the benchmark of John Ellis, Pete Kovac and Hans Boehm. A tree made from the top hangs new
;; leaves below nodes that are there already; a tree made from the bottom is given its children at
;; birth. Here each node also bears a number, so that each is checked when its tree is weighed.
;;
;;   1. stretch     one tree of depth n + 2, weighed and dropped;
;;   2. long-lived  one tree of depth n, made from the top, and 8 * 2^n numbers, of which the first
;;                  half is set; both are read once more at the end;
;;   3. for each depth d = 4, 6, .. n: as many nodes as two stretch trees have, in trees of depth d
;;                  made from the top, and again in trees made from the bottom.
;;
;; Isolates    stores into new objects against objects complete at birth, in trees of all ages; a
;;             large array without references, which need not be scanned.
;; run(n)      the result is a checksum over all trees and the array.
;; Live        the long-lived tree of 2^(n+1) nodes and the array, 112 * 2^n bytes: 14 MiB for n = 17.
;;             The stretch tree, four times that tree, is up before them.
;; Allocates   nodes of two references and two i32, 24 bytes each with an 8-byte header: 2^(n+5) for
;;             each depth d, and five times the long-lived tree: 706 MiB for n = 17.
;; Time        proportional to 2^n * n. Stack: n + 5 frames.
(module $gcbench
  (type $node (sub final (struct
    (field $left (mut (ref null $node)))
    (field $right (mut (ref null $node)))
    (field $depth (mut i32))
    (field $number (mut i32)))))
  (type $numbers (array (mut f64)))

  (global $min_depth i32 (i32.const 4))
  ;; How many nodes there have been.
  (global $made (mut i32) (i32.const 0))

  (func $next_number (result i32)
    (global.set $made (i32.add (global.get $made) (i32.const 1)))
    (global.get $made))

  (func $leaf (result (ref $node))
    (struct.new $node (ref.null $node) (ref.null $node) (i32.const 0) (call $next_number)))

  ;; Hangs perfect trees of depth - 1 below a leaf.
  (func $populate (param $node (ref $node)) (param $depth i32)
    (if (i32.eqz (local.get $depth)) (then (return)))
    (struct.set $node $depth (local.get $node) (local.get $depth))
    (struct.set $node $left (local.get $node) (call $leaf))
    (struct.set $node $right (local.get $node) (call $leaf))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (call $populate
      (ref.as_non_null (struct.get $node $left (local.get $node))) (local.get $depth))
    (call $populate
      (ref.as_non_null (struct.get $node $right (local.get $node))) (local.get $depth)))

  (func $top_down (param $depth i32) (result (ref $node))
    (local $root (ref $node))
    (local.set $root (call $leaf))
    (call $populate (local.get $root) (local.get $depth))
    (local.get $root))

  (func $bottom_up (param $depth i32) (result (ref $node))
    (if (i32.eqz (local.get $depth)) (then (return (call $leaf))))
    (struct.new $node
      (call $bottom_up (i32.sub (local.get $depth) (i32.const 1)))
      (call $bottom_up (i32.sub (local.get $depth) (i32.const 1)))
      (local.get $depth)
      (call $next_number)))

  ;; A number that depends on every node and on its place.
  (func $weigh (param $node (ref null $node)) (result i32)
    (if (ref.is_null (local.get $node)) (then (return (i32.const 1))))
    (i32.add
      (i32.mul
        (struct.get $node $number (local.get $node))
        (i32.add (struct.get $node $depth (local.get $node)) (i32.const 1)))
      (i32.add
        (i32.mul (call $weigh (struct.get $node $left (local.get $node))) (i32.const 3))
        (i32.mul (call $weigh (struct.get $node $right (local.get $node))) (i32.const 5)))))

  (func $mix (param $sum i64) (param $weight i32) (result i64)
    (i64.add (i64.rotl (local.get $sum) (i64.const 7)) (i64.extend_i32_u (local.get $weight))))

  ;; 1, 1/2, 1/3, .. in the first half of an array.
  (func $numbers (param $length i32) (result (ref $numbers))
    (local $numbers (ref $numbers))
    (local $i i32)
    (local.set $numbers (array.new_default $numbers (local.get $length)))
    (loop $again
      (array.set $numbers (local.get $numbers) (local.get $i)
        (f64.div (f64.const 1) (f64.convert_i32_u (i32.add (local.get $i) (i32.const 1)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again
        (i32.lt_u (local.get $i) (i32.shr_u (local.get $length) (i32.const 1)))))
    (local.get $numbers))

  (func $sum (param $numbers (ref $numbers)) (result f64)
    (local $i i32)
    (local $sum f64)
    (loop $again
      (local.set $sum (f64.add
        (local.get $sum) (array.get $numbers (local.get $numbers) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (array.len (local.get $numbers)))))
    (local.get $sum))

  ;; Makes, weighs and drops `count` trees each way.
  (func $build_and_drop (param $count i32) (param $depth i32) (result i64)
    (local $i i32)
    (local $sum i64)
    (loop $from_the_top
      (local.set $sum
        (call $mix (local.get $sum) (call $weigh (call $top_down (local.get $depth)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $from_the_top (i32.lt_u (local.get $i) (local.get $count))))
    (local.set $i (i32.const 0))
    (loop $from_the_bottom
      (local.set $sum
        (call $mix (local.get $sum) (call $weigh (call $bottom_up (local.get $depth)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $from_the_bottom (i32.lt_u (local.get $i) (local.get $count))))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $depth i32)
    (local $tree (ref $node))
    (local $numbers (ref $numbers))
    (local $sum i64)
    (global.set $made (i32.const 0))
    (local.set $sum (call $mix (local.get $sum)
      (call $weigh (call $bottom_up (i32.add (local.get $n) (i32.const 2))))))
    (local.set $tree (call $top_down (local.get $n)))
    (local.set $numbers (call $numbers (i32.shl (i32.const 8) (local.get $n))))

    (local.set $depth (global.get $min_depth))
    (loop $depths
      (if (i32.le_s (local.get $depth) (local.get $n))
        (then
          (local.set $sum (i64.add (local.get $sum)
            (call $build_and_drop
              (i32.shl (i32.const 1)
                (i32.add (i32.sub (local.get $n) (local.get $depth)) (i32.const 3)))
              (local.get $depth))))
          (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
          (br $depths))))

    (i64.xor
      (call $mix (local.get $sum) (call $weigh (local.get $tree)))
      (i64.reinterpret_f64 (call $sum (local.get $numbers))))))
