;; floats: arithmetic where each number is an object.
;;
;; What a language without types pays for numbers. A ring of 1,024 numbers between 0 and 1, each of
;; which follows the logistic map and is drawn to its neighbour: x becomes the mean, seven to one, of
;; f(x) and f(y), where f(x) = 3.75 x (1 - x). Every intermediate result is a box, made by one
;; function, read by the next and dead then; the last one is stored into the ring.
;;
;; Isolates    boxes of eight bytes that die at once; one store into an old array for each nine.
;; run(n)      n steps, each the next number of the ring; the result is a checksum over the bits of
;;             every number stored.
;; Live        1,024 boxes and the array of them: 20 KiB.
;; Allocates   9 n + 1,028 boxes of an f64: 16 bytes each with an 8-byte header, 1.3 GiB for
;;             n = 10,000,000.
;; Time        proportional to n. Stack: three frames.
(module $floats
  (type $float (sub final (struct (field $value f64))))
  (type $ring (array (mut (ref null $float))))

  (global $one (ref $float) (struct.new $float (f64.const 1)))
  (global $rate (ref $float) (struct.new $float (f64.const 3.75)))
  (global $mine (ref $float) (struct.new $float (f64.const 0.875)))
  (global $neighbours (ref $float) (struct.new $float (f64.const 0.125)))

  (func $add (param $a (ref $float)) (param $b (ref $float)) (result (ref $float))
    (struct.new $float (f64.add
      (struct.get $float $value (local.get $a)) (struct.get $float $value (local.get $b)))))

  (func $subtract (param $a (ref $float)) (param $b (ref $float)) (result (ref $float))
    (struct.new $float (f64.sub
      (struct.get $float $value (local.get $a)) (struct.get $float $value (local.get $b)))))

  (func $multiply (param $a (ref $float)) (param $b (ref $float)) (result (ref $float))
    (struct.new $float (f64.mul
      (struct.get $float $value (local.get $a)) (struct.get $float $value (local.get $b)))))

  ;; 3.75 x (1 - x)
  (func $logistic (param $x (ref $float)) (result (ref $float))
    (call $multiply
      (global.get $rate)
      (call $multiply (local.get $x) (call $subtract (global.get $one) (local.get $x)))))

  (func $step (param $x (ref $float)) (param $neighbour (ref $float)) (result (ref $float))
    (call $add
      (call $multiply (global.get $mine) (call $logistic (local.get $x)))
      (call $multiply (global.get $neighbours) (call $logistic (local.get $neighbour)))))

  ;; Numbers at equal distances between 0 and 1.
  (func $ring (result (ref $ring))
    (local $ring (ref $ring))
    (local $i i32)
    (local.set $ring (array.new_default $ring (i32.const 1024)))
    (loop $again
      (array.set $ring (local.get $ring) (local.get $i)
        (struct.new $float (f64.div
          (f64.convert_i32_u (i32.add (local.get $i) (i32.const 1))) (f64.const 1025))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 1024))))
    (local.get $ring))

  ;; The number at a place, counted round and round.
  (func $at (param $ring (ref $ring)) (param $i i32) (result (ref $float))
    (ref.as_non_null
      (array.get $ring (local.get $ring) (i32.and (local.get $i) (i32.const 1023)))))

  (func $run (export "run") (param $n i32) (result i64)
    (local $ring (ref $ring))
    (local $x (ref $float))
    (local $i i32)
    (local $sum i64)
    (local.set $ring (call $ring))
    (loop $steps
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $x (call $step
            (call $at (local.get $ring) (local.get $i))
            (call $at (local.get $ring) (i32.add (local.get $i) (i32.const 1)))))
          (array.set $ring
            (local.get $ring) (i32.and (local.get $i) (i32.const 1023)) (local.get $x))
          (local.set $sum (i64.add
            (i64.rotl (local.get $sum) (i64.const 7))
            (i64.reinterpret_f64 (struct.get $float $value (local.get $x)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $steps))))
    (local.get $sum)))
