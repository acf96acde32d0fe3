;; quads: a wide tree that stays, and small ones that do not.
;;
;; After Andy Wingo's benchmark of that name. A node is four references and nothing else. While one
;; large tree lives, as many nodes again and again are made in small trees, each counted and dropped
;; at once; every round ends with the large tree counted, in whatever order the collector left it.
;;
;; Isolates    tracing of a large tree that never changes, for the sake of garbage that dies at
;;             once; the order of the survivors in memory.
;; run(n)      one tree of depth n, at least 3; sixteen rounds of 4^(n-3) trees of depth 3. The
;;             result is the sum of all counts, each tree's weighted by its round.
;; Live        the large tree, 4^(n+1) / 3 nodes (24 bytes each with an 8-byte header: 32 MiB for
;;             n = 10), and one small one of 85 nodes.
;; Allocates   the large tree and 16 * 85 * 4^(n-3) nodes: 542 MiB for n = 10.
;; Time        proportional to 4^n. Stack: n + 3 frames.
(module $quads
  (type $quad (sub final (struct
    (field $a (ref null $quad))
    (field $b (ref null $quad))
    (field $c (ref null $quad))
    (field $d (ref null $quad)))))

  (global $small_depth i32 (i32.const 3))
  (global $rounds i32 (i32.const 16))

  ;; A perfect tree of the given depth; depth 0 is a leaf.
  (func $tree (param $depth i32) (result (ref $quad))
    (if (i32.eqz (local.get $depth)) (then (return (struct.new_default $quad))))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (struct.new $quad
      (call $tree (local.get $depth))
      (call $tree (local.get $depth))
      (call $tree (local.get $depth))
      (call $tree (local.get $depth))))

  ;; How many nodes a tree has.
  (func $count (param $tree (ref null $quad)) (result i32)
    (if (ref.is_null (local.get $tree)) (then (return (i32.const 0))))
    (i32.add
      (i32.add
        (i32.add (i32.const 1) (call $count (struct.get $quad $a (local.get $tree))))
        (call $count (struct.get $quad $b (local.get $tree))))
      (i32.add
        (call $count (struct.get $quad $c (local.get $tree)))
        (call $count (struct.get $quad $d (local.get $tree))))))

  ;; The nodes of `trees` small trees, each counted and dropped.
  (func $small_trees (param $trees i32) (result i64)
    (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (call $count (call $tree (global.get $small_depth))))))
      (local.set $trees (i32.sub (local.get $trees) (i32.const 1)))
      (br_if $again (local.get $trees)))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $large (ref $quad))
    (local $trees i32)
    (local $round i32)
    (local $sum i64)
    (if (i32.lt_s (local.get $n) (global.get $small_depth))
      (then (local.set $n (global.get $small_depth))))
    (local.set $large (call $tree (local.get $n)))
    (local.set $trees (i32.shl (i32.const 1)
      (i32.shl (i32.sub (local.get $n) (global.get $small_depth)) (i32.const 1))))
    (loop $again
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (local.set $sum (i64.add (local.get $sum)
        (i64.mul (i64.extend_i32_u (local.get $round))
          (i64.add
            (call $small_trees (local.get $trees))
            (i64.extend_i32_u (call $count (local.get $large)))))))
      (br_if $again (i32.lt_u (local.get $round) (global.get $rounds))))
    (local.get $sum)))
