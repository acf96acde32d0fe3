;; strings: words made from syllables, and counted.
;;
;; A string is an array of bytes. A word is spelled by a number, six bits a syllable: for each, the
;; word so far and the syllable are concatenated to a new string. A hash table with chains counts the
;; words; it doubles when it has as many entries as buckets. A word that is there already is dropped
;; after its bytes were hashed and compared.
;;
;; Isolates    small arrays without references, most of them dead at once; bulk copies between them;
;;             a table of references that is replaced by a larger one while it grows.
;; run(n)      n words, of n / 8 different ones; the result is a checksum over every byte of every
;;             word and how often each word came.
;; Live        n / 8 entries (24 bytes each with an 8-byte header), their words (16 or 24 bytes) and
;;             between one and two buckets of 4 bytes for each: 12 MiB for n = 2,000,000.
;; Allocates   a string for each syllable of each word, and one more: 144 MiB for n = 2,000,000.
;; Time        proportional to n. Stack: three frames.
(module $strings
  (type $string (array (mut i8)))
  (type $strings (array (mut (ref null $string))))
  (type $entry (sub final (struct
    (field $word (ref $string))
    (field $hash i32)
    (field $count (mut i32))
    (field $next (mut (ref null $entry))))))
  (type $buckets (array (mut (ref null $entry))))

  ;; 64 syllables of two letters.
  (data $letters "babebibodadedidofafefifogagegigokakekikolalelilomamemimonanenino"
    "papepiporarerirosasesisotatetitovavevivowawewiwoyayeyiyozazezizo")
  (global $syllables (mut (ref null $strings)) (ref.null $strings))

  ;; The table; its length is a power of two.
  (global $buckets (mut (ref null $buckets)) (ref.null $buckets))
  (global $entries (mut i32) (i32.const 0))

  (func $make_syllables
    (local $i i32)
    (global.set $syllables (array.new_default $strings (i32.const 64)))
    (loop $again
      (array.set $strings (global.get $syllables) (local.get $i)
        (array.new_data $string $letters
          (i32.shl (local.get $i) (i32.const 1)) (i32.const 2)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 64)))))

  (func $concatenate (param $a (ref null $string)) (param $b (ref null $string))
    (result (ref $string))
    (local $both (ref $string))
    (local.set $both (array.new_default $string
      (i32.add (array.len (local.get $a)) (array.len (local.get $b)))))
    (array.copy $string $string
      (local.get $both) (i32.const 0)
      (local.get $a) (i32.const 0) (array.len (local.get $a)))
    (array.copy $string $string
      (local.get $both) (array.len (local.get $a))
      (local.get $b) (i32.const 0) (array.len (local.get $b)))
    (local.get $both))

  ;; The word that a number spells, its lowest six bits first.
  (func $spell (param $number i32) (result (ref $string))
    (local $word (ref $string))
    (local.set $word (array.new_default $string (i32.const 0)))
    (loop $again
      (local.set $word (call $concatenate
        (local.get $word)
        (array.get $strings (global.get $syllables)
          (i32.and (local.get $number) (i32.const 63)))))
      (local.set $number (i32.shr_u (local.get $number) (i32.const 6)))
      (br_if $again (local.get $number)))
    (local.get $word))

  ;; FNV-1a.
  (func $hash (param $string (ref $string)) (result i32)
    (local $i i32)
    (local $hash i32)
    (local.set $hash (i32.const 0x811c9dc5))
    (loop $again
      (if (i32.lt_u (local.get $i) (array.len (local.get $string)))
        (then
          (local.set $hash (i32.mul (i32.const 0x01000193)
            (i32.xor (local.get $hash)
              (array.get_u $string (local.get $string) (local.get $i)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $again))))
    (local.get $hash))

  (func $is_equal (param $a (ref $string)) (param $b (ref $string)) (result i32)
    (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (array.len (local.get $b)))
      (then (return (i32.const 0))))
    (loop $again
      (if (i32.lt_u (local.get $i) (array.len (local.get $a)))
        (then
          (if (i32.ne
                (array.get_u $string (local.get $a) (local.get $i))
                (array.get_u $string (local.get $b) (local.get $i)))
            (then (return (i32.const 0))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $again))))
    (i32.const 1))

  ;; The bucket of a hash in a table.
  (func $bucket (param $buckets (ref null $buckets)) (param $hash i32) (result i32)
    (i32.and
      (i32.xor (local.get $hash) (i32.shr_u (local.get $hash) (i32.const 15)))
      (i32.sub (array.len (local.get $buckets)) (i32.const 1))))

  ;; Moves all entries to a table twice as long.
  (func $double
    (local $old (ref null $buckets))
    (local $new (ref $buckets))
    (local $entry (ref null $entry))
    (local $next (ref null $entry))
    (local $i i32)
    (local $bucket i32)
    (local.set $old (global.get $buckets))
    (local.set $new (array.new_default $buckets
      (i32.shl (array.len (local.get $old)) (i32.const 1))))
    (loop $again
      (local.set $entry (array.get $buckets (local.get $old) (local.get $i)))
      (loop $chain
        (if (i32.eqz (ref.is_null (local.get $entry)))
          (then
            (local.set $next (struct.get $entry $next (local.get $entry)))
            (local.set $bucket
              (call $bucket (local.get $new) (struct.get $entry $hash (local.get $entry))))
            (struct.set $entry $next (local.get $entry)
              (array.get $buckets (local.get $new) (local.get $bucket)))
            (array.set $buckets (local.get $new) (local.get $bucket) (local.get $entry))
            (local.set $entry (local.get $next))
            (br $chain))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (array.len (local.get $old)))))
    (global.set $buckets (local.get $new)))

  ;; Counts a word once more; how often it has come before.
  (func $count (param $word (ref $string)) (param $hash i32) (result i32)
    (local $entry (ref null $entry))
    (local $count i32)
    (local.set $entry (array.get $buckets (global.get $buckets)
      (call $bucket (global.get $buckets) (local.get $hash))))
    (loop $chain
      (if (i32.eqz (ref.is_null (local.get $entry)))
        (then
          (if (i32.eq (struct.get $entry $hash (local.get $entry)) (local.get $hash))
            (then
              (if (call $is_equal (struct.get $entry $word (local.get $entry)) (local.get $word))
                (then
                  (local.set $count (struct.get $entry $count (local.get $entry)))
                  (struct.set $entry $count (local.get $entry)
                    (i32.add (local.get $count) (i32.const 1)))
                  (return (local.get $count))))))
          (local.set $entry (struct.get $entry $next (local.get $entry)))
          (br $chain))))
    (if (i32.eq (global.get $entries) (array.len (global.get $buckets))) (then (call $double)))
    (global.set $entries (i32.add (global.get $entries) (i32.const 1)))
    (call $insert (local.get $word) (local.get $hash))
    (i32.const 0))

  (func $insert (param $word (ref $string)) (param $hash i32)
    (local $bucket i32)
    (local.set $bucket (call $bucket (global.get $buckets) (local.get $hash)))
    (array.set $buckets (global.get $buckets) (local.get $bucket)
      (struct.new $entry
        (local.get $word)
        (local.get $hash)
        (i32.const 1)
        (array.get $buckets (global.get $buckets) (local.get $bucket)))))

  (func $run (export "run") (param $n i32) (result i64)
    (local $different i32)
    (local $random i32)
    (local $i i32)
    (local $hash i32)
    (local $word (ref $string))
    (local $sum i64)
    (call $make_syllables)
    (global.set $buckets (array.new_default $buckets (i32.const 16)))
    (global.set $entries (i32.const 0))
    (local.set $different (i32.add (i32.shr_u (local.get $n) (i32.const 3)) (i32.const 1)))
    (loop $words
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $random (i32.add
            (i32.mul (local.get $random) (i32.const 1664525)) (i32.const 1013904223)))
          (local.set $word (call $spell (i32.rem_u
            (i32.shr_u (local.get $random) (i32.const 4)) (local.get $different))))
          (local.set $hash (call $hash (local.get $word)))
          (local.set $sum (i64.add
            (i64.rotl (local.get $sum) (i64.const 7))
            (i64.extend_i32_u (i32.add
              (local.get $hash)
              (call $count (local.get $word) (local.get $hash))))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $words))))
    (i64.add (local.get $sum) (i64.extend_i32_u (global.get $entries)))))
