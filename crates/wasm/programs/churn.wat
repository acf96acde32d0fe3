;; churn: random replacement in a table of 65,536 nodes.
;;
;; Every step makes a node, links it to the node in one random slot, cuts that node's own link, and
;; puts the new node into another random slot. Slots start empty. What a step drops was made
;; 65,536 steps ago on average, and what it writes to is as old: the opposite of the hypothesis
;; that most objects die young, and a steady stream of references stored into old objects.
;;
;; Isolates    write barriers on an array and on structs, and survival of a steady live set.
;; run(n)      n steps; the result is a checksum of what each step dropped and of the whole table
;;             at the end.
;; Live        the table (256 KiB, a large object) and the nodes: one in each slot, and at most one
;;             behind each of those, since links are cut. At 16 bytes a node 2.25 MiB at most,
;;             reached after some 400,000 steps.
;; Allocates   n nodes of a reference and an i32: 16 bytes each with an 8-byte header, 305 MiB for
;;             n = 20,000,000.
;; Time        proportional to n, plus one pass over the table. Stack: two frames.
(module $churn
  (type $node (sub final (struct
    (field $link (mut (ref null $node)))
    (field $payload i32))))
  (type $table (array (mut (ref null $node))))

  (global $slots i32 (i32.const 65536))

  ;; A step of Marsaglia's xorshift generator with 32 bits of state.
  (func $next_random (param $x i32) (result i32)
    (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
    (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
    (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))

  ;; A number for a node: its payload and its link's. An empty slot counts 1.
  (func $weigh (param $node (ref null $node)) (result i64)
    (local $link (ref null $node))
    (local $weight i64)
    (if (ref.is_null (local.get $node)) (then (return (i64.const 1))))
    (local.set $weight (i64.extend_i32_u (struct.get $node $payload (local.get $node))))
    (local.set $link (struct.get $node $link (local.get $node)))
    (if (i32.eqz (ref.is_null (local.get $link)))
      (then
        (local.set $weight (i64.add (local.get $weight)
          (i64.mul (i64.const 3)
            (i64.extend_i32_u (struct.get $node $payload (local.get $link))))))))
    (local.get $weight))

  (func $mix (param $sum i64) (param $weight i64) (result i64)
    (i64.add (i64.rotl (local.get $sum) (i64.const 7)) (local.get $weight)))

  (func $run (export "run") (param $n i32) (result i64)
    (local $table (ref $table))
    (local $random i32)
    (local $target i32)
    (local $i i32)
    (local $linked (ref null $node))
    (local $sum i64)
    (local.set $table (array.new $table (ref.null $node) (global.get $slots)))
    (local.set $random (i32.const 0x2545f491))

    (loop $steps
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          ;; The upper half of a random word picks one slot, the lower half the other.
          (local.set $random (call $next_random (local.get $random)))
          (local.set $target (i32.and (local.get $random) (i32.const 0xffff)))
          (local.set $linked (array.get $table (local.get $table)
            (i32.shr_u (local.get $random) (i32.const 16))))
          (local.set $sum (call $mix (local.get $sum)
            (call $weigh (array.get $table (local.get $table) (local.get $target)))))
          (if (i32.eqz (ref.is_null (local.get $linked)))
            (then (struct.set $node $link (local.get $linked) (ref.null $node))))
          (array.set $table (local.get $table) (local.get $target)
            (struct.new $node (local.get $linked) (local.get $i)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $steps))))

    (local.set $i (i32.const 0))
    (loop $slots
      (local.set $sum (call $mix (local.get $sum)
        (call $weigh (array.get $table (local.get $table) (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $slots (i32.lt_u (local.get $i) (global.get $slots))))
    (local.get $sum)))
