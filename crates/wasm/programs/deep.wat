;; deep: references held in every frame of a deep recursion.
;;
;; Each call makes a node that nothing but its frame, and its callee's, refers to, calls itself,
;; and reads its caller's node and its own only when the call has returned. On the way back every
;; frame allocates once more, so collections find stacks of every depth, going down and coming up.
;;
;; Isolates    finding roots in compiled frames: a collection visits two references in each.
;; run(n)      a recursion n deep; the result is a checksum in which the order of frames counts.
;; Live        n nodes of an i32, 16 bytes each with an 8-byte header: 15 MiB for n = 1,000,000.
;; Allocates   2 n nodes: 31 MiB for n = 1,000,000.
;; Time        proportional to n, without the collections; each of those also visits every frame.
;; Stack       n frames. A million of them want a large stack (1 GiB is ample); where the stack is
;;             too small the program ends with the trap for stack exhaustion.
(module $deep
  (type $node (sub final (struct (field $value i32))))

  (func $descend (param $above (ref $node)) (param $depth i32) (result i64)
    (local $mine (ref $node))
    (local $below i64)
    (if (i32.eqz (local.get $depth)) (then (return (i64.const 1))))
    (local.set $mine (struct.new $node (i32.mul (local.get $depth) (i32.const 0x9e3779b1))))
    (local.set $below
      (call $descend (local.get $mine) (i32.sub (local.get $depth) (i32.const 1))))
    (i64.add
      (i64.rotl (local.get $below) (i64.const 5))
      (i64.extend_i32_u (call $xor
        (local.get $above)
        (local.get $mine)
        (struct.new $node (local.get $depth))))))

  (func $xor (param $a (ref $node)) (param $b (ref $node)) (param $c (ref $node)) (result i32)
    (i32.xor (struct.get $node $value (local.get $a))
      (i32.xor (struct.get $node $value (local.get $b)) (struct.get $node $value (local.get $c)))))

  (func $run (export "run") (param $n i32) (result i64)
    (call $descend (struct.new $node (i32.const -1)) (local.get $n))))
