;; alloc: short-lived pairs, and nothing else.
;;
;; Each pair lives for one allocation: it is read just after its successor was made, so a compiler
;; can neither leave the pairs out nor keep them in registers, and the frame holds one reference
;; across every allocation.
;;
;; Isolates    the allocation path: how fast new objects can be made when none survives.
;; run(n)      n pairs; the result is a checksum over every field of every pair.
;; Live        two pairs: 32 bytes, whatever n is.
;; Allocates   n + 1 pairs of two i32 fields: 16 bytes each with an 8-byte header, 1.5 GiB for
;;             n = 100,000,000.
;; Time        proportional to n. Stack: one frame.
(module $alloc
  (type $pair (sub final (struct (field $first i32) (field $second i32))))

  (func $run (export "run") (param $n i32) (result i64)
    (local $pair (ref $pair))
    (local $next (ref $pair))
    (local $i i32)
    (local $sum i64)
    (local.set $pair (struct.new $pair (i32.const 1) (i32.const 2)))
    (loop $again
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          ;; Its first field comes from the pair before, so that the pairs form a chain of data.
          (local.set $next (struct.new $pair
            (i32.add (struct.get $pair $second (local.get $pair)) (local.get $i))
            (i32.mul (local.get $i) (i32.const 0x9e3779b1))))
          ;; The pair before is read once more, after the allocation.
          (local.set $sum (i64.add
            (i64.rotl (local.get $sum) (i64.const 1))
            (i64.extend_i32_u (i32.xor
              (struct.get $pair $first (local.get $pair))
              (struct.get $pair $second (local.get $pair))))))
          (local.set $pair (local.get $next))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $again))))
    (i64.add (local.get $sum) (i64.extend_i32_u (struct.get $pair $first (local.get $pair))))))
