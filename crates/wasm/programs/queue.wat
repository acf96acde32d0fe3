;; queue: first in, first out, at a steady length.
;;
;; A chain of cells with a reference to its last one. A step appends a cell and takes the first one
;; out: whatever dies is the oldest object there is, and the link to each new cell is stored into an
;; object that was new a step ago. Items differ in size, from none to seven numbers.
;;
;; Isolates    death in order of age, against the hypothesis that most objects die young: what a
;;             nursery or a copy keeps is kept in vain. One long chain that moves on all the time.
;; run(n)      n cells appended, then 20 n steps, then the queue is emptied; the result is a checksum
;;             over all items, in order.
;; Live        n cells with their items, 44 bytes each on average: 21 MiB for n = 500,000.
;; Allocates   21 n cells of a reference and an item, 16 bytes each with an 8-byte header, and as many
;;             arrays of 0 to 7 i32, 28 bytes on average: 441 MiB for n = 500,000.
;; Time        proportional to n. Stack: two frames.
(module $queue
  (type $item (array i32))
  (type $cell (sub final (struct
    (field $next (mut (ref null $cell)))
    (field $item (ref $item)))))

  ;; The next number for an item; the lengths of items follow from their numbers.
  (global $number (mut i32) (i32.const 0))

  (func $make (result (ref $cell))
    (local $number i32)
    (local.set $number (global.get $number))
    (global.set $number (i32.add (local.get $number) (i32.const 1)))
    (struct.new $cell
      (ref.null $cell)
      (array.new $item
        (i32.mul (local.get $number) (i32.const 0x9e3779b1))
        (i32.and (local.get $number) (i32.const 7)))))

  ;; A number for an item: its last number, if it has one, and its length.
  (func $weigh (param $item (ref $item)) (result i64)
    (local $length i32)
    (local.set $length (array.len (local.get $item)))
    (if (i32.eqz (local.get $length)) (then (return (i64.const 1))))
    (i64.add
      (i64.extend_i32_u (local.get $length))
      (i64.extend_i32_u
        (array.get $item (local.get $item) (i32.sub (local.get $length) (i32.const 1))))))

  (func $mix (param $sum i64) (param $cell (ref null $cell)) (result i64)
    (i64.add
      (i64.rotl (local.get $sum) (i64.const 7))
      (call $weigh (struct.get $cell $item (local.get $cell)))))

  ;; Puts a new cell behind the last; the new one.
  (func $append (param $last (ref $cell)) (result (ref $cell))
    (local $cell (ref $cell))
    (local.set $cell (call $make))
    (struct.set $cell $next (local.get $last) (local.get $cell))
    (local.get $cell))

  (func $run (export "run") (param $n i32) (result i64)
    (local $first (ref null $cell))
    (local $last (ref $cell))
    (local $i i32)
    (local $sum i64)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 0))))
    (global.set $number (i32.const 0))
    (local.set $last (call $make))
    (local.set $first (local.get $last))
    (local.set $i (i32.const 1))
    (loop $fill
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $last (call $append (local.get $last)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $fill))))

    (local.set $i (i32.mul (local.get $n) (i32.const 20)))
    (loop $steps
      (local.set $last (call $append (local.get $last)))
      (local.set $sum (call $mix (local.get $sum) (local.get $first)))
      (local.set $first (struct.get $cell $next (local.get $first)))
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br_if $steps (local.get $i)))

    (loop $empty
      (local.set $sum (call $mix (local.get $sum) (local.get $first)))
      (local.set $first (struct.get $cell $next (local.get $first)))
      (br_if $empty (i32.eqz (ref.is_null (local.get $first)))))
    (local.get $sum)))
