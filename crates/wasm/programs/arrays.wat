;; arrays: long arrays of references, copied, filled and stored into at random.
;;
;; A round makes an array from the one before and drops that:
;;   copy     all elements, turned round by a seventh of the length, in two pieces;
;;   shift    half of them one place up, within the array, so that source and destination overlap;
;;   fill     an eighth of the places with one new box;
;;   store    a new box in a place chosen at random, n / 4 times;
;;   weigh    all elements, in order.
;;
;; Isolates    large objects, bulk barriers, barriers on random places of one object that may be
;;             old; scanning of arrays that hold references to objects of all ages.
;; run(n)      twenty rounds on arrays of n elements; the result is a checksum over every element
;;             after every round.
;; Live        two arrays of 4 n bytes, and a box (16 bytes with an 8-byte header) behind each of up
;;             to 0.8 n elements: some 20 MiB for n = 1,000,000.
;; Allocates   20 arrays and 5 n boxes: 156 MiB for n = 1,000,000.
;; Time        proportional to n. Stack: two frames.
(module $arrays
  (type $box (sub final (struct (field $number i32))))
  (type $boxes (array (mut (ref null $box))))

  (global $rounds i32 (i32.const 20))
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

  ;; A copy of an array whose element 0 is the one that was at `start`.
  (func $turned (param $boxes (ref $boxes)) (param $start i32) (result (ref $boxes))
    (local $turned (ref $boxes))
    (local $rest i32)
    (local.set $turned (array.new_default $boxes (array.len (local.get $boxes))))
    (local.set $rest (i32.sub (array.len (local.get $boxes)) (local.get $start)))
    (array.copy $boxes $boxes
      (local.get $turned) (i32.const 0)
      (local.get $boxes) (local.get $start) (local.get $rest))
    (array.copy $boxes $boxes
      (local.get $turned) (local.get $rest)
      (local.get $boxes) (i32.const 0) (local.get $start))
    (local.get $turned))

  ;; Moves the lower half one place up; the array has two elements or more.
  (func $shift (param $boxes (ref $boxes))
    (array.copy $boxes $boxes
      (local.get $boxes) (i32.const 1)
      (local.get $boxes) (i32.const 0)
      (i32.shr_u (array.len (local.get $boxes)) (i32.const 1))))

  ;; Puts one box in an eighth of the places, from a random one on.
  (func $fill (param $boxes (ref $boxes)) (param $number i32)
    (local $length i32)
    (local.set $length (i32.shr_u (array.len (local.get $boxes)) (i32.const 3)))
    (array.fill $boxes
      (local.get $boxes)
      (i32.rem_u (call $next_random) (i32.sub (array.len (local.get $boxes)) (local.get $length)))
      (struct.new $box (local.get $number))
      (local.get $length)))

  ;; Puts new boxes in `count` random places.
  (func $store (param $boxes (ref $boxes)) (param $count i32)
    (loop $again
      (if (local.get $count)
        (then
          (array.set $boxes
            (local.get $boxes)
            (i32.rem_u (call $next_random) (array.len (local.get $boxes)))
            (struct.new $box (global.get $random)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $again)))))

  ;; An empty place counts 1.
  (func $weigh (param $boxes (ref $boxes)) (param $sum i64) (result i64)
    (local $i i32)
    (local $box (ref null $box))
    (loop $again
      (local.set $box (array.get $boxes (local.get $boxes) (local.get $i)))
      (local.set $sum (i64.add
        (i64.rotl (local.get $sum) (i64.const 7))
        (if (result i64) (ref.is_null (local.get $box))
          (then (i64.const 1))
          (else (i64.extend_i32_u (struct.get $box $number (local.get $box)))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (array.len (local.get $boxes)))))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $boxes (ref $boxes))
    (local $round i32)
    (local $sum i64)
    (if (i32.lt_u (local.get $n) (i32.const 2)) (then (local.set $n (i32.const 2))))
    (global.set $random (i32.const 0x2545f491))
    (local.set $boxes (array.new_default $boxes (local.get $n)))
    (loop $again
      (local.set $boxes
        (call $turned (local.get $boxes) (i32.div_u (local.get $n) (i32.const 7))))
      (call $shift (local.get $boxes))
      (call $fill (local.get $boxes) (local.get $round))
      (call $store (local.get $boxes) (i32.shr_u (local.get $n) (i32.const 2)))
      (local.set $sum (call $weigh (local.get $boxes) (local.get $sum)))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $round) (global.get $rounds))))
    (local.get $sum)))
