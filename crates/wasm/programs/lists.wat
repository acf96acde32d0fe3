;; lists: linked lists built, mapped, reversed and summed.
;;
;; What programs in functional languages do all day. A list is a chain of cells whose heads are of
;; any type: an unboxed i31 where the number fits in 31 bits, a box otherwise. The elements built
;; fit; their images under the map mostly do not.
;;
;; A round, of which there are ten, each on lists of its own:
;;   build    n cells with the numbers of a linear congruential generator, front to back;
;;   map      a new list of x -> x * x + round, in the same order, by appending at its tail;
;;   reverse  the mapped list, in place;
;;   sum      of its elements, each weighted by its place.
;;
;; Isolates    tracing of long chains (a collector that follows them by recursion dies here, one
;;             that prefetches gains nothing), casts, unboxed and boxed numbers, stores into cells
;;             that may be old.
;; run(n)      ten rounds on lists of n elements; the result is the sum of all sums.
;; Live        two lists and their boxes: up to 48 bytes an element, 46 MiB for n = 1,000,000.
;; Allocates   480 bytes an element at most (two cells and a box of 16 bytes each, ten times):
;;             458 MiB for n = 1,000,000.
;; Time        proportional to n. Stack: three frames.
(module $lists
  (type $box (sub final (struct (field $value i32))))
  (type $cell (sub final (struct
    (field $head anyref)
    (field $tail (mut (ref null $cell))))))

  (global $rounds i32 (i32.const 10))

  ;; A number as a list element.
  (func $wrap (param $x i32) (result anyref)
    ;; It fits if its two highest bits agree.
    (if (i32.ge_s (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 1))) (i32.const 0))
      (then (return (ref.i31 (local.get $x)))))
    (struct.new $box (local.get $x)))

  ;; The number in a list element.
  (func $unwrap (param $element anyref) (result i32)
    (if (ref.test (ref i31) (local.get $element))
      (then (return (i31.get_s (ref.cast (ref i31) (local.get $element))))))
    (struct.get $box $value (ref.cast (ref $box) (local.get $element))))

  (func $build (param $length i32) (param $seed i32) (result (ref null $cell))
    (local $list (ref null $cell))
    (loop $again
      (if (local.get $length)
        (then
          (local.set $seed (i32.add
            (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
          (local.set $list (struct.new $cell
            (call $wrap (i32.shr_s (local.get $seed) (i32.const 12)))
            (local.get $list)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $again))))
    (local.get $list))

  (func $map (param $list (ref null $cell)) (param $add i32) (result (ref null $cell))
    (local $first (ref null $cell))
    (local $last (ref null $cell))
    (local $cell (ref null $cell))
    (local $x i32)
    (loop $again
      (if (i32.eqz (ref.is_null (local.get $list)))
        (then
          (local.set $x (call $unwrap (struct.get $cell $head (local.get $list))))
          (local.set $cell (struct.new $cell
            (call $wrap (i32.add (i32.mul (local.get $x) (local.get $x)) (local.get $add)))
            (ref.null $cell)))
          (if (ref.is_null (local.get $last))
            (then (local.set $first (local.get $cell)))
            (else (struct.set $cell $tail (local.get $last) (local.get $cell))))
          (local.set $last (local.get $cell))
          (local.set $list (struct.get $cell $tail (local.get $list)))
          (br $again))))
    (local.get $first))

  (func $reverse (param $list (ref null $cell)) (result (ref null $cell))
    (local $reversed (ref null $cell))
    (local $rest (ref null $cell))
    (loop $again
      (if (i32.eqz (ref.is_null (local.get $list)))
        (then
          (local.set $rest (struct.get $cell $tail (local.get $list)))
          (struct.set $cell $tail (local.get $list) (local.get $reversed))
          (local.set $reversed (local.get $list))
          (local.set $list (local.get $rest))
          (br $again))))
    (local.get $reversed))

  (func $sum (param $list (ref null $cell)) (result i64)
    (local $place i64)
    (local $sum i64)
    (loop $again
      (if (i32.eqz (ref.is_null (local.get $list)))
        (then
          (local.set $place (i64.add (local.get $place) (i64.const 1)))
          (local.set $sum (i64.add (local.get $sum)
            (i64.mul (local.get $place)
              (i64.extend_i32_s (call $unwrap (struct.get $cell $head (local.get $list)))))))
          (local.set $list (struct.get $cell $tail (local.get $list)))
          (br $again))))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $round i32)
    (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum)
        (call $sum
          (call $reverse
            (call $map
              (call $build (local.get $n) (local.get $round))
              (local.get $round))))))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $round) (global.get $rounds))))
    (local.get $sum)))
