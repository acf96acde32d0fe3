;; Short-lived strings, each built digit by digit, compared with one that is 256 steps old, and
;; looked into. Alive are 256 strings; `n` times the digits of `n`, and as many again and some, are
;; made. What is left in the end is joined to one long string, and that is copied through an array.
(module
  (type $units (array (mut i16)))
  (type $ring (array (mut externref)))
  (import "'" "" (global $empty (ref extern)))
  (import "wasm:js-string" "fromCharCodeArray"
    (func $fromCharCodeArray (param (ref null $units) i32 i32) (result (ref extern))))
  (import "wasm:js-string" "intoCharCodeArray"
    (func $intoCharCodeArray (param externref (ref null $units) i32) (result i32)))
  (import "wasm:js-string" "fromCharCode" (func $fromCharCode (param i32) (result (ref extern))))
  (import "wasm:js-string" "charCodeAt" (func $charCodeAt (param externref i32) (result i32)))
  (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
  (import "wasm:js-string" "concat" (func $concat (param externref externref) (result (ref extern))))
  (import "wasm:js-string" "substring"
    (func $substring (param externref i32 i32) (result (ref extern))))
  (import "wasm:js-string" "equals" (func $equals (param externref externref) (result i32)))
  (import "wasm:js-string" "compare" (func $compare (param externref externref) (result i32)))

  (global $hash (mut i64) (i64.const 0))

  (func $mix (param $value i32)
    (global.set $hash
      (i64.add
        (i64.mul (global.get $hash) (i64.const 31))
        (i64.extend_i32_s (local.get $value)))))

  ;; The decimal digits of a number.
  (func $digits (param $number i32) (result (ref extern))
    (local $text (ref extern))
    (local.set $text (global.get $empty))
    (loop $more
      (local.set $text
        (call $concat
          (call $fromCharCode
            (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
          (local.get $text)))
      (br_if $more
        (local.tee $number (i32.div_u (local.get $number) (i32.const 10)))))
    (local.get $text))

  (func $look (param $new externref) (param $old externref)
    (call $mix (call $compare (local.get $new) (local.get $old)))
    (call $mix
      (call $equals
        (call $substring (local.get $new) (i32.const 0) (i32.const 2))
        (call $substring (local.get $old) (i32.const 0) (i32.const 2)))))

  (func $join (param $ring (ref $ring)) (result (ref extern))
    (local $text (ref extern)) (local $index i32)
    (local.set $text (global.get $empty))
    (loop $more
      (if (i32.lt_u (local.get $index) (array.len (local.get $ring)))
        (then
          (if (i32.eqz (ref.is_null (array.get $ring (local.get $ring) (local.get $index))))
            (then
              (local.set $text
                (call $concat
                  (local.get $text)
                  (array.get $ring (local.get $ring) (local.get $index))))))
          (local.set $index (i32.add (local.get $index) (i32.const 1)))
          (br $more))))
    (local.get $text))

  (func (export "run") (param $n i32) (result i64)
    (local $ring (ref $ring)) (local $index i32) (local $slot i32)
    (local $text (ref extern)) (local $old externref) (local $array (ref $units))
    (local.set $ring (array.new_default $ring (i32.const 256)))
    (global.set $hash (i64.const 0))
    (loop $more
      (if (i32.lt_u (local.get $index) (local.get $n))
        (then
          (local.set $text (call $digits (local.get $index)))
          (local.set $slot (i32.and (local.get $index) (i32.const 255)))
          (local.set $old (array.get $ring (local.get $ring) (local.get $slot)))
          (if (i32.eqz (ref.is_null (local.get $old)))
            (then (call $look (local.get $text) (local.get $old))))
          (call $mix (call $length (local.get $text)))
          (call $mix (call $charCodeAt (local.get $text) (i32.const 0)))
          (array.set $ring (local.get $ring) (local.get $slot) (local.get $text))
          (local.set $index (i32.add (local.get $index) (i32.const 1)))
          (br $more))))
    (local.set $text (call $join (local.get $ring)))
    (call $mix (call $length (local.get $text)))
    (local.set $array
      (array.new_default $units (i32.add (call $length (local.get $text)) (i32.const 3))))
    (drop (call $intoCharCodeArray (local.get $text) (local.get $array) (i32.const 3)))
    (call $mix
      (call $equals
        (local.get $text)
        (call $fromCharCodeArray
          (local.get $array)
          (i32.const 3)
          (array.len (local.get $array)))))
    (global.get $hash))
)
