;; Every string builtin, exported as it is, with a null array beside one of the length asked for.
(module
  (type $units (array (mut i16)))
  (import "wasm:js-string" "test" (func $test (param externref) (result i32)))
  (import "wasm:js-string" "cast" (func $cast (param externref) (result (ref extern))))
  (import "wasm:js-string" "fromCharCodeArray"
    (func $fromCharCodeArray (param (ref null $units) i32 i32) (result (ref extern))))
  (import "wasm:js-string" "intoCharCodeArray"
    (func $intoCharCodeArray (param externref (ref null $units) i32) (result i32)))
  (import "wasm:js-string" "fromCharCode" (func $fromCharCode (param i32) (result (ref extern))))
  (import "wasm:js-string" "fromCodePoint" (func $fromCodePoint (param i32) (result (ref extern))))
  (import "wasm:js-string" "charCodeAt" (func $charCodeAt (param externref i32) (result i32)))
  (import "wasm:js-string" "codePointAt" (func $codePointAt (param externref i32) (result i32)))
  (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
  (import "wasm:js-string" "concat" (func $concat (param externref externref) (result (ref extern))))
  (import "wasm:js-string" "substring"
    (func $substring (param externref i32 i32) (result (ref extern))))
  (import "wasm:js-string" "equals" (func $equals (param externref externref) (result i32)))
  (import "wasm:js-string" "compare" (func $compare (param externref externref) (result i32)))

  (export "test" (func $test))
  (export "cast" (func $cast))
  (export "fromCharCode" (func $fromCharCode))
  (export "fromCodePoint" (func $fromCodePoint))
  (export "charCodeAt" (func $charCodeAt))
  (export "codePointAt" (func $codePointAt))
  (export "length" (func $length))
  (export "concat" (func $concat))
  (export "substring" (func $substring))
  (export "equals" (func $equals))
  (export "compare" (func $compare))

  ;; What is no string: an object of the program's own, and a small integer.
  (func (export "object") (result externref)
    (extern.convert_any (array.new $units (i32.const 0) (i32.const 3))))
  (func (export "i31") (result externref) (extern.convert_any (ref.i31 (i32.const 3))))

  ;; A string through an array of `len` units, from `at` on, and back from `start` to `end`.
  (func (export "through") (param $string externref) (param $len i32) (param $at i32)
    (param $start i32) (param $end i32) (result externref)
    (local $array (ref null $units))
    (local.set $array (array.new $units (i32.const 0x2d) (local.get $len)))
    (if (i32.ne
          (call $intoCharCodeArray (local.get $string) (local.get $array) (local.get $at))
          (call $length (local.get $string)))
      (then unreachable))
    (call $fromCharCodeArray (local.get $array) (local.get $start) (local.get $end)))
  (func (export "intoNull") (param externref) (result i32)
    (call $intoCharCodeArray (local.get 0) (ref.null $units) (i32.const 0)))
  (func (export "fromNull") (result externref)
    (call $fromCharCodeArray (ref.null $units) (i32.const 0) (i32.const 0)))
)
