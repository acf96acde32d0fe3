;; matrix: products of square matrices of f64.
;;
;; A matrix is an array of rows, a row an array of numbers. Rows of the product are sums of multiples
;; of whole rows, so that the innermost loop goes along two rows at once.
;;
;; Isolates    nothing of the collector's: it is a control. What differs between collectors here is
;;             not collection. Array accesses with a bounds check, in long loops.
;; run(n)      A B and then A (A B), for n by n matrices A and B of multiples of 1/64 below 1; the
;;             result is a checksum over the bits of the second product.
;; Live        four matrices of n rows, 8 n + 12 bytes each rounded up to 8: 11 MiB for n = 600.
;; Allocates   the same: four matrices and nothing else.
;; Time        proportional to n^3. Stack: three frames.
(module $matrix
  (type $row (array (mut f64)))
  (type $matrix (array (mut (ref null $row))))

  ;; A step of Marsaglia's xorshift generator with 32 bits of state.
  (func $next_random (param $x i32) (result i32)
    (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
    (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
    (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))

  ;; A matrix of zeros.
  (func $zeros (param $n i32) (result (ref $matrix))
    (local $matrix (ref $matrix))
    (local $i i32)
    (local.set $matrix (array.new_default $matrix (local.get $n)))
    (loop $rows
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (array.set $matrix (local.get $matrix) (local.get $i)
            (array.new_default $row (local.get $n)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $rows))))
    (local.get $matrix))

  ;; A matrix of numbers that look random.
  (func $random (param $n i32) (param $seed i32) (result (ref $matrix))
    (local $matrix (ref $matrix))
    (local $row (ref null $row))
    (local $i i32)
    (local $j i32)
    (local.set $matrix (call $zeros (local.get $n)))
    (loop $rows
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $row (array.get $matrix (local.get $matrix) (local.get $i)))
          (local.set $j (i32.const 0))
          (loop $columns
            (local.set $seed (call $next_random (local.get $seed)))
            (array.set $row (local.get $row) (local.get $j)
              (f64.div
                (f64.convert_i32_u (i32.shr_u (local.get $seed) (i32.const 26)))
                (f64.const 64)))
            (local.set $j (i32.add (local.get $j) (i32.const 1)))
            (br_if $columns (i32.lt_u (local.get $j) (local.get $n))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $rows))))
    (local.get $matrix))

  ;; Adds a multiple of one row to another, as long.
  (func $add_multiple (param $to (ref null $row)) (param $factor f64) (param $from (ref null $row))
    (local $j i32)
    (loop $columns
      (array.set $row (local.get $to) (local.get $j)
        (f64.add
          (array.get $row (local.get $to) (local.get $j))
          (f64.mul (local.get $factor) (array.get $row (local.get $from) (local.get $j)))))
      (local.set $j (i32.add (local.get $j) (i32.const 1)))
      (br_if $columns (i32.lt_u (local.get $j) (array.len (local.get $to))))))

  (func $multiply (param $a (ref $matrix)) (param $b (ref $matrix)) (result (ref $matrix))
    (local $product (ref $matrix))
    (local $i i32)
    (local $k i32)
    (local.set $product (call $zeros (array.len (local.get $a))))
    (loop $rows
      (if (i32.lt_u (local.get $i) (array.len (local.get $a)))
        (then
          (local.set $k (i32.const 0))
          (loop $terms
            (call $add_multiple
              (array.get $matrix (local.get $product) (local.get $i))
              (array.get $row
                (array.get $matrix (local.get $a) (local.get $i)) (local.get $k))
              (array.get $matrix (local.get $b) (local.get $k)))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $terms (i32.lt_u (local.get $k) (array.len (local.get $a)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $rows))))
    (local.get $product))

  (func $weigh (param $matrix (ref $matrix)) (result i64)
    (local $row (ref null $row))
    (local $i i32)
    (local $j i32)
    (local $sum i64)
    (loop $rows
      (if (i32.lt_u (local.get $i) (array.len (local.get $matrix)))
        (then
          (local.set $row (array.get $matrix (local.get $matrix) (local.get $i)))
          (local.set $j (i32.const 0))
          (loop $columns
            (local.set $sum (i64.add
              (i64.rotl (local.get $sum) (i64.const 7))
              (i64.reinterpret_f64 (array.get $row (local.get $row) (local.get $j)))))
            (local.set $j (i32.add (local.get $j) (i32.const 1)))
            (br_if $columns (i32.lt_u (local.get $j) (array.len (local.get $row)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $rows))))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (local $a (ref $matrix))
    (local.set $a (call $random (local.get $n) (i32.const 0x2545f491)))
    (call $weigh
      (call $multiply
        (local.get $a)
        (call $multiply
          (local.get $a)
          (call $random (local.get $n) (i32.const 0x9e3779b1)))))))
