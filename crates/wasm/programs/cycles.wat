;; cycles: doubly linked rings, each dropped whole.
;;
;; A ring has ten nodes, each linked to both its neighbours, so no node of a dropped ring is ever
;; without a reference to it: counting references alone reclaims nothing here.
;;
;; Isolates    cyclic garbage. A tracing collector pays nothing for it; one that counts needs more
;;             than counts.
;; run(n)      n rings, each built, walked once each way around, and dropped; the result is a
;;             checksum over every node and both its links.
;; Live        one ring: 240 bytes, whatever n is.
;; Allocates   10 n nodes of two references and an i32: 24 bytes each with an 8-byte header,
;;             458 MiB for n = 2,000,000.
;; Time        proportional to n. Stack: two frames.
(module $cycles
  (type $node (sub final (struct
    (field $previous (mut (ref null $node)))
    (field $next (mut (ref null $node)))
    (field $payload i32))))

  (global $ring_nodes i32 (i32.const 10))

  ;; Puts a new node between `node` and its successor.
  (func $insert_after (param $node (ref $node)) (param $payload i32)
    (local $next (ref null $node))
    (local $new (ref $node))
    (local.set $new (struct.new $node
      (local.get $node)
      (struct.get $node $next (local.get $node))
      (local.get $payload)))
    (local.set $next (struct.get $node $next (local.get $node)))
    (struct.set $node $previous (local.get $next) (local.get $new))
    (struct.set $node $next (local.get $node) (local.get $new)))

  ;; A ring of ten nodes with payloads from `payload` up.
  (func $ring (param $payload i32) (result (ref $node))
    (local $first (ref $node))
    (local $i i32)
    (local.set $first (struct.new $node (ref.null $node) (ref.null $node) (local.get $payload)))
    (struct.set $node $previous (local.get $first) (local.get $first))
    (struct.set $node $next (local.get $first) (local.get $first))
    (local.set $i (i32.const 1))
    (loop $again
      (call $insert_after (local.get $first) (i32.add (local.get $payload) (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (global.get $ring_nodes))))
    (local.get $first))

  ;; Walks a ring forwards, adding up, then backwards, mixing.
  (func $walk (param $first (ref $node)) (param $sum i64) (result i64)
    (local $node (ref null $node))
    (local.set $node (local.get $first))
    (loop $forwards
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (struct.get $node $payload (local.get $node)))))
      (local.set $node (struct.get $node $next (local.get $node)))
      (br_if $forwards (i32.eqz (ref.eq (local.get $node) (local.get $first)))))
    (loop $backwards
      (local.set $sum (i64.add
        (i64.rotl (local.get $sum) (i64.const 3))
        (i64.extend_i32_u (struct.get $node $payload (local.get $node)))))
      (local.set $node (struct.get $node $previous (local.get $node)))
      (br_if $backwards (i32.eqz (ref.eq (local.get $node) (local.get $first)))))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $i i32)
    (local $sum i64)
    (loop $again
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $sum (call $walk (call $ring (local.get $i)) (local.get $sum)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $again))))
    (local.get $sum)))
