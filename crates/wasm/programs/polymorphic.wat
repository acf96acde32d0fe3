;; polymorphic: objects of five types behind one, told apart by casts and called through vtables.
;;
;; What compilers make of a language with classes. A shape's first field is the table of its methods,
;; a struct of typed function references that all shapes of its class share; methods cast their
;; receiver to what it must be. A step takes one of 1,024 shapes, classifies it by a ladder of
;; branching casts, calls two of its methods, and puts the shape that the second one made, often of
;; another class, in its place. Squares are rectangles too, so a cast may have to look twice.
;;
;; Isolates    casts to final and to open types, those that hold and those that do not; function
;;             references in the heap, and calls through them. Little lives.
;; run(n)      n steps; the result is a checksum over every shape made.
;; Live        1,024 shapes and the array of them, 28 KiB at most, and four tables.
;; Allocates   n shapes of one to three i32 and a table, 16 or 24 bytes each with an 8-byte header:
;;             390 MiB for n = 20,000,000.
;; Time        proportional to n. Stack: three frames.
(module $polymorphic
  (rec
    (type $shape (sub (struct (field $table (ref $table)))))
    (type $table (sub final (struct
      (field $area (ref $area))
      (field $grow (ref $grow)))))
    ;; A method that reads: the area.
    (type $area (func (param (ref $shape)) (result i32)))
    ;; A method that makes: the shape that follows this one.
    (type $grow (func (param (ref $shape) i32) (result (ref $shape)))))
  (type $circle (sub final $shape (struct (field $table (ref $table)) (field $radius i32))))
  (type $rectangle (sub $shape (struct
    (field $table (ref $table)) (field $width i32) (field $height i32))))
  (type $square (sub final $rectangle (struct
    (field $table (ref $table)) (field $width i32) (field $height i32))))
  (type $triangle (sub final $shape (struct
    (field $table (ref $table)) (field $a i32) (field $b i32) (field $c i32))))
  (type $shapes (array (mut (ref null $shape))))

  (global $circle (ref $table)
    (struct.new $table (ref.func $circle_area) (ref.func $circle_grow)))
  ;; Squares inherit a method and override the other.
  (global $rectangle (ref $table)
    (struct.new $table (ref.func $rectangle_area) (ref.func $rectangle_grow)))
  (global $square (ref $table)
    (struct.new $table (ref.func $rectangle_area) (ref.func $square_grow)))
  (global $triangle (ref $table)
    (struct.new $table (ref.func $triangle_area) (ref.func $triangle_grow)))

  (func $circle_area (type $area) (param $self (ref $shape)) (result i32)
    (local $radius i32)
    (local.set $radius (struct.get $circle $radius (ref.cast (ref $circle) (local.get $self))))
    (i32.mul (i32.const 3) (i32.mul (local.get $radius) (local.get $radius))))

  (func $rectangle_area (type $area) (param $self (ref $shape)) (result i32)
    (local $rectangle (ref $rectangle))
    (local.set $rectangle (ref.cast (ref $rectangle) (local.get $self)))
    (i32.mul
      (struct.get $rectangle $width (local.get $rectangle))
      (struct.get $rectangle $height (local.get $rectangle))))

  (func $triangle_area (type $area) (param $self (ref $shape)) (result i32)
    (local $triangle (ref $triangle))
    (local.set $triangle (ref.cast (ref $triangle) (local.get $self)))
    (i32.add
      (struct.get $triangle $a (local.get $triangle))
      (i32.mul
        (struct.get $triangle $b (local.get $triangle))
        (struct.get $triangle $c (local.get $triangle)))))

  (func $circle_grow (type $grow) (param $self (ref $shape)) (param $by i32) (result (ref $shape))
    (local $radius i32)
    (local.set $radius (i32.add (local.get $by)
      (struct.get $circle $radius (ref.cast (ref $circle) (local.get $self)))))
    (if (result (ref $shape)) (i32.and (local.get $by) (i32.const 1))
      (then (struct.new $square
        (global.get $square) (local.get $radius) (local.get $radius)))
      (else (struct.new $circle (global.get $circle) (local.get $radius)))))

  (func $square_grow (type $grow) (param $self (ref $shape)) (param $by i32) (result (ref $shape))
    (local $side i32)
    (local.set $side (struct.get $square $width (ref.cast (ref $square) (local.get $self))))
    (if (result (ref $shape)) (i32.and (local.get $by) (i32.const 1))
      (then (struct.new $rectangle
        (global.get $rectangle)
        (local.get $side) (i32.add (local.get $side) (local.get $by))))
      (else (struct.new $triangle
        (global.get $triangle) (local.get $side) (local.get $side) (local.get $by)))))

  (func $rectangle_grow (type $grow) (param $self (ref $shape)) (param $by i32)
    (result (ref $shape))
    (local $rectangle (ref $rectangle))
    (local.set $rectangle (ref.cast (ref $rectangle) (local.get $self)))
    (struct.new $triangle
      (global.get $triangle)
      (struct.get $rectangle $height (local.get $rectangle))
      (i32.add (struct.get $rectangle $width (local.get $rectangle)) (local.get $by))
      (local.get $by)))

  (func $triangle_grow (type $grow) (param $self (ref $shape)) (param $by i32)
    (result (ref $shape))
    (local $triangle (ref $triangle))
    (local.set $triangle (ref.cast (ref $triangle) (local.get $self)))
    (struct.new $circle
      (global.get $circle)
      (i32.xor (struct.get $triangle $b (local.get $triangle)) (local.get $by))))

  ;; A number for a shape's class, found by looking for one after the other.
  (func $classify (param $shape (ref $shape)) (result i32)
    (local $rectangle (ref $rectangle))
    (block $is_rectangle (result (ref $rectangle))
      (block $is_triangle (result (ref $triangle))
        (br_on_cast $is_triangle (ref $shape) (ref $triangle)
          (br_on_cast $is_rectangle (ref $shape) (ref $rectangle) (local.get $shape)))
        (return (struct.get $circle $radius (ref.cast (ref $circle)))))
      (return (i32.add (struct.get $triangle $c) (i32.const 0x10000))))
    (local.set $rectangle)
    (i32.add
      (if (result i32) (ref.test (ref $square) (local.get $rectangle))
        (then (i32.const 0x20000))
        (else (i32.const 0x30000)))
      (struct.get $rectangle $height (local.get $rectangle))))

  (func $area (param $shape (ref $shape)) (result i32)
    (call_ref $area
      (local.get $shape)
      (struct.get $table $area (struct.get $shape $table (local.get $shape)))))

  (func $grow (param $shape (ref $shape)) (param $by i32) (result (ref $shape))
    (call_ref $grow
      (local.get $shape)
      (local.get $by)
      (struct.get $table $grow (struct.get $shape $table (local.get $shape)))))

  (func $run (export "run") (param $n i32) (result i64)
    (local $shapes (ref $shapes))
    (local $shape (ref $shape))
    (local $random i32)
    (local $i i32)
    (local $sum i64)
    (local.set $shapes (array.new $shapes
      (struct.new $circle (global.get $circle) (i32.const 1)) (i32.const 1024)))
    (loop $steps
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $random (i32.add
            (i32.mul (local.get $random) (i32.const 1664525)) (i32.const 1013904223)))
          (local.set $shape (ref.as_non_null (array.get $shapes
            (local.get $shapes) (i32.shr_u (local.get $random) (i32.const 22)))))
          (local.set $sum (i64.add
            (i64.rotl (local.get $sum) (i64.const 7))
            (i64.extend_i32_u (i32.add
              (call $classify (local.get $shape))
              (call $area (local.get $shape))))))
          (array.set $shapes
            (local.get $shapes) (i32.shr_u (local.get $random) (i32.const 22))
            (call $grow
              (local.get $shape)
              (i32.and (i32.shr_u (local.get $random) (i32.const 8)) (i32.const 0xff))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $steps))))
    ;; What the last steps made is still to be counted.
    (local.set $i (i32.const 0))
    (loop $shapes
      (local.set $shape
        (ref.as_non_null (array.get $shapes (local.get $shapes) (local.get $i))))
      (local.set $sum (i64.add
        (i64.rotl (local.get $sum) (i64.const 7))
        (i64.extend_i32_u (i32.add
          (call $classify (local.get $shape))
          (call $area (local.get $shape))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $shapes (i32.lt_u (local.get $i) (i32.const 1024))))
    (local.get $sum)))
