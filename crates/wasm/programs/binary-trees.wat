;; binary-trees: whole trees built and dropped beside one that stays.
;;
;; The program of that name in the Computer Language Benchmarks Game. Every tree is perfect, and a
;; node is two references and nothing else; the check of a tree is the number of its nodes, counted
;; by walking it.
;;
;;   1. stretch     one tree of depth max + 1, counted and dropped;
;;   2. long-lived  one tree of depth max, kept to the end and counted last;
;;   3. for each depth d = 4, 6, .. max: 2^(max - d + 4) trees of depth d, each counted and dropped.
;;
;; Isolates    allocation of small objects that hold references, with half of the survivors dead at
;;             the next collection; recursion with a live reference in each frame.
;; run(n)      max is n, and at least 6. The result is the sum of all checks.
;; Live        the long-lived tree, 2^(n+1) nodes (16 bytes each with an 8-byte header: 2 MiB for
;;             n = 16), and one tree more, twice its size while the stretch tree is up.
;; Allocates   about 2^(n+5) nodes for each depth d, of which there are n / 2 - 1: 229 MiB for n = 16.
;; Time        proportional to 2^n * n. Stack: n + 4 frames.
(module $binary_trees
  (type $node (sub final (struct
    (field $left (ref null $node))
    (field $right (ref null $node)))))

  (global $min_depth i32 (i32.const 4))

  ;; A perfect tree of the given depth; depth 0 is a leaf, a node without children.
  (func $bottom_up (param $depth i32) (result (ref $node))
    (if (i32.eqz (local.get $depth))
      (then (return (struct.new $node (ref.null $node) (ref.null $node)))))
    (struct.new $node
      (call $bottom_up (i32.sub (local.get $depth) (i32.const 1)))
      (call $bottom_up (i32.sub (local.get $depth) (i32.const 1)))))

  ;; How many nodes a tree has.
  (func $check (param $tree (ref $node)) (result i32)
    (if (ref.is_null (struct.get $node $left (local.get $tree)))
      (then (return (i32.const 1))))
    (i32.add (i32.const 1)
      (i32.add
        (call $check (ref.as_non_null (struct.get $node $left (local.get $tree))))
        (call $check (ref.as_non_null (struct.get $node $right (local.get $tree)))))))

  ;; Builds, counts and drops `count` trees of one depth; the sum of their checks.
  (func $build_and_drop (param $count i32) (param $depth i32) (result i64)
    (local $sum i64)
    (loop $again
      (if (local.get $count)
        (then
          (local.set $sum (i64.add (local.get $sum)
            (i64.extend_i32_u (call $check (call $bottom_up (local.get $depth))))))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $again))))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $max_depth i32)
    (local $depth i32)
    (local $long_lived (ref null $node))
    (local $sum i64)
    ;; max depth = max(n, min depth + 2)
    (local.set $depth (global.get $min_depth))
    (local.set $max_depth (i32.add (local.get $depth) (i32.const 2)))
    (if (i32.gt_s (local.get $n) (local.get $max_depth))
      (then (local.set $max_depth (local.get $n))))

    (local.set $sum
      (call $build_and_drop (i32.const 1) (i32.add (local.get $max_depth) (i32.const 1))))
    (local.set $long_lived (call $bottom_up (local.get $max_depth)))

    (loop $depths
      (if (i32.le_s (local.get $depth) (local.get $max_depth))
        (then
          (local.set $sum (i64.add (local.get $sum)
            (call $build_and_drop
              (i32.shl (i32.const 1)
                (i32.add (i32.sub (local.get $max_depth) (local.get $depth)) (global.get $min_depth)))
              (local.get $depth))))
          (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
          (br $depths))))

    (i64.add (local.get $sum)
      (i64.extend_i32_u (call $check (ref.as_non_null (local.get $long_lived)))))))
