;; splay: a search tree that turns itself around at every step.
;;
;; The idea is that of the Octane benchmark. A splay tree brings the key last looked for to the root
;; by rotations on the way down, so that each step stores references all along a path of nodes that
;; may be old. A step looks for a random key and adds a node for it, with a payload of its own; then
;; it takes out the node with the next smaller key (the new one if there is none), which was made
;; n steps ago on average.
;;
;; Isolates    many stores of old references into old objects, beside few new objects; payloads
;;             that live exactly as long as their node.
;; run(n)      a tree of n nodes, then 10 n steps; the result is a checksum over every node and
;;             payload, weighed when it is taken out or, at the end, in order of the keys.
;; Live        n nodes, each with its payload (264 bytes a node): 12.6 MiB for n = 50,000.
;; Allocates   11 n nodes of two references, a key and a payload: 24 bytes each with an 8-byte
;;             header; payloads of three branches (16 bytes each) and four leaves of eight i32
;;             (48 bytes each): 138 MiB for n = 50,000.
;; Time        proportional to n * log n. Stack: four frames.
(module $splay
  (type $leaf (array i32))
  (type $branch (sub final (struct (field $left (ref eq)) (field $right (ref eq)))))
  (type $node (sub final (struct
    (field $left (mut (ref null $node)))
    (field $right (mut (ref null $node)))
    (field $key i32)
    (field $payload (ref null $branch)))))

  ;; The trees that a splay takes apart hang here meanwhile: smaller keys right, larger ones left.
  (global $parts (ref $node)
    (struct.new $node (ref.null $node) (ref.null $node) (i32.const 0) (ref.null $branch)))
  (global $random (mut i32) (i32.const 0))

  ;; A step of Marsaglia's xorshift generator with 32 bits of state.
  (func $next_random (result i32)
    (local $x i32)
    (local.set $x (global.get $random))
    (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
    (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
    (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
    (global.set $random (local.get $x))
    (local.get $x))

  (func $make_leaf (param $number i32) (result (ref $leaf))
    (array.new $leaf (local.get $number) (i32.const 8)))

  (func $make_payload (param $key i32) (result (ref $branch))
    (struct.new $branch
      (struct.new $branch
        (call $make_leaf (local.get $key))
        (call $make_leaf (i32.mul (local.get $key) (i32.const 3))))
      (struct.new $branch
        (call $make_leaf (i32.mul (local.get $key) (i32.const 5)))
        (call $make_leaf (i32.mul (local.get $key) (i32.const 7))))))

  (func $weigh_leaf (param $leaf (ref $leaf)) (result i64)
    (i64.extend_i32_u (i32.add
      (array.get $leaf (local.get $leaf) (i32.const 0))
      (i32.rotl (array.get $leaf (local.get $leaf) (i32.const 7)) (i32.const 1)))))

  ;; A number for a payload, or for a part of one.
  (func $weigh (param $part (ref eq)) (result i64)
    (local $branch (ref $branch))
    (if (ref.test (ref $leaf) (local.get $part))
      (then (return (call $weigh_leaf (ref.cast (ref $leaf) (local.get $part))))))
    (local.set $branch (ref.cast (ref $branch) (local.get $part)))
    (i64.add
      (i64.mul (call $weigh (struct.get $branch $left (local.get $branch))) (i64.const 3))
      (call $weigh (struct.get $branch $right (local.get $branch)))))

  (func $mix (param $sum i64) (param $node (ref $node)) (result i64)
    (i64.add
      (i64.rotl (local.get $sum) (i64.const 7))
      (i64.add
        (i64.extend_i32_u (struct.get $node $key (local.get $node)))
        (call $weigh (ref.as_non_null (struct.get $node $payload (local.get $node)))))))

  ;; Lifts a node's left child above it; the child.
  (func $rotate_right (param $node (ref $node)) (result (ref $node))
    (local $child (ref $node))
    (local.set $child (ref.as_non_null (struct.get $node $left (local.get $node))))
    (struct.set $node $left (local.get $node) (struct.get $node $right (local.get $child)))
    (struct.set $node $right (local.get $child) (local.get $node))
    (local.get $child))

  ;; Lifts a node's right child above it; the child.
  (func $rotate_left (param $node (ref $node)) (result (ref $node))
    (local $child (ref $node))
    (local.set $child (ref.as_non_null (struct.get $node $right (local.get $node))))
    (struct.set $node $right (local.get $node) (struct.get $node $left (local.get $child)))
    (struct.set $node $left (local.get $child) (local.get $node))
    (local.get $child))

  ;; Sleator and Tarjan's splaying from the top down: the tree with the key, or one of its
  ;; neighbours, at the root.
  (func $splay (param $tree (ref $node)) (param $key i32) (result (ref $node))
    (local $smaller (ref $node))
    (local $larger (ref $node))
    (local $child (ref null $node))
    (local.set $smaller (global.get $parts))
    (local.set $larger (global.get $parts))
    (block $found
      (loop $down
        (if (i32.lt_u (local.get $key) (struct.get $node $key (local.get $tree)))
          (then
            (local.set $child (struct.get $node $left (local.get $tree)))
            (br_if $found (ref.is_null (local.get $child)))
            (if (i32.lt_u (local.get $key) (struct.get $node $key (local.get $child)))
              (then
                (local.set $tree (call $rotate_right (local.get $tree)))
                (br_if $found (ref.is_null (struct.get $node $left (local.get $tree))))))
            (struct.set $node $left (local.get $larger) (local.get $tree))
            (local.set $larger (local.get $tree))
            (local.set $tree (ref.as_non_null (struct.get $node $left (local.get $tree))))
            (br $down)))
        (br_if $found (i32.eq (local.get $key) (struct.get $node $key (local.get $tree))))
        (local.set $child (struct.get $node $right (local.get $tree)))
        (br_if $found (ref.is_null (local.get $child)))
        (if (i32.gt_u (local.get $key) (struct.get $node $key (local.get $child)))
          (then
            (local.set $tree (call $rotate_left (local.get $tree)))
            (br_if $found (ref.is_null (struct.get $node $right (local.get $tree))))))
        (struct.set $node $right (local.get $smaller) (local.get $tree))
        (local.set $smaller (local.get $tree))
        (local.set $tree (ref.as_non_null (struct.get $node $right (local.get $tree))))
        (br $down)))
    ;; Put together again: the parts below the root, and the root's children below the parts.
    (struct.set $node $right (local.get $smaller) (struct.get $node $left (local.get $tree)))
    (struct.set $node $left (local.get $larger) (struct.get $node $right (local.get $tree)))
    (struct.set $node $left (local.get $tree) (struct.get $node $right (global.get $parts)))
    (struct.set $node $right (local.get $tree) (struct.get $node $left (global.get $parts)))
    (struct.set $node $left (global.get $parts) (ref.null $node))
    (struct.set $node $right (global.get $parts) (ref.null $node))
    (local.get $tree))

  ;; The tree with a node more, at the root, whose key was not there.
  (func $insert (param $root (ref null $node)) (result (ref $node))
    (local $tree (ref $node))
    (local $new (ref $node))
    (local $key i32)
    (local.set $key (call $next_random))
    (if (ref.is_null (local.get $root))
      (then (return (struct.new $node
        (ref.null $node) (ref.null $node)
        (local.get $key) (call $make_payload (local.get $key))))))
    (local.set $tree (ref.as_non_null (local.get $root)))
    (loop $taken
      (local.set $tree (call $splay (local.get $tree) (local.get $key)))
      (if (i32.eq (struct.get $node $key (local.get $tree)) (local.get $key))
        (then
          (local.set $key (call $next_random))
          (br $taken))))
    (local.set $new (struct.new $node
      (ref.null $node) (ref.null $node)
      (local.get $key) (call $make_payload (local.get $key))))
    (if (i32.lt_u (local.get $key) (struct.get $node $key (local.get $tree)))
      (then
        (struct.set $node $left (local.get $new) (struct.get $node $left (local.get $tree)))
        (struct.set $node $right (local.get $new) (local.get $tree))
        (struct.set $node $left (local.get $tree) (ref.null $node)))
      (else
        (struct.set $node $right (local.get $new) (struct.get $node $right (local.get $tree)))
        (struct.set $node $left (local.get $new) (local.get $tree))
        (struct.set $node $right (local.get $tree) (ref.null $node))))
    (local.get $new))

  ;; Takes out the node before the root, in order of the keys, or the root if that is the first.
  (func $remove_previous (param $root (ref $node)) (result (ref null $node) (ref $node))
    (local $previous (ref $node))
    (if (ref.is_null (struct.get $node $left (local.get $root)))
      (then (return (struct.get $node $right (local.get $root)) (local.get $root))))
    ;; All keys there are smaller than the root's, so the largest comes up, without a right child.
    (local.set $previous (call $splay
      (ref.as_non_null (struct.get $node $left (local.get $root)))
      (struct.get $node $key (local.get $root))))
    (struct.set $node $left (local.get $root) (struct.get $node $left (local.get $previous)))
    (local.get $root)
    (local.get $previous))

  ;; Weighs all nodes in order, and takes the tree apart on the way.
  (func $finish (param $root (ref null $node)) (param $sum i64) (result i64)
    (local $node (ref $node))
    (loop $again
      (if (i32.eqz (ref.is_null (local.get $root)))
        (then
          (local.set $node (ref.as_non_null (local.get $root)))
          (if (ref.is_null (struct.get $node $left (local.get $node)))
            (then
              (local.set $sum (call $mix (local.get $sum) (local.get $node)))
              (local.set $root (struct.get $node $right (local.get $node))))
            (else (local.set $root (call $rotate_right (local.get $node)))))
          (br $again))))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $root (ref null $node))
    (local $removed (ref $node))
    (local $i i32)
    (local $sum i64)
    (global.set $random (i32.const 0x2545f491))
    (loop $grow
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $root (call $insert (local.get $root)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $grow))))
    (local.set $i (i32.mul (local.get $n) (i32.const 10)))
    (loop $steps
      (if (local.get $i)
        (then
          (call $remove_previous (call $insert (local.get $root)))
          (local.set $removed)
          (local.set $root)
          (local.set $sum (call $mix (local.get $sum) (local.get $removed)))
          (local.set $i (i32.sub (local.get $i) (i32.const 1)))
          (br $steps))))
    (call $finish (local.get $root) (local.get $sum))))
