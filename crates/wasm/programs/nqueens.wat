;; nqueens: all ways to place n queens, on lists that never change.
;;
;; After the benchmark that Lisp and Scheme systems have shared since the eighties. The rows that are
;; still free are two lists, those to try in this column and those that were tried; placing a queen
;; joins them. The board is a third list, the queens placed so far, and shares its tail with every
;; board tried from there. No cell is ever written to after it was made.
;;
;; Isolates    small immutable objects that die almost at once, with no stores for a barrier to see;
;;             a few short lists live in each frame.
;; run(n)      all boards of n rows and columns; the result is the sum over all solutions of a number
;;             in which the row of each queen counts, and so does the number of solutions.
;; Live        at most a list of n cells and two more cells for each of up to n^2 frames: some
;;             kilobytes.
;; Allocates   cells of a reference and an i32, 16 bytes each with an 8-byte header: their number
;;             grows fivefold to sixfold with each n; 439 MiB for n = 13.
;; Time        a little more than in proportion to what is allocated. Stack: at most n^2 frames.
(module $nqueens
  (type $cell (sub final (struct
    (field $row i32)
    (field $rest (ref null $cell)))))

  ;; The rows from 1 to n.
  (func $rows (param $n i32) (result (ref null $cell))
    (local $rows (ref null $cell))
    (loop $again
      (if (local.get $n)
        (then
          (local.set $rows (struct.new $cell (local.get $n) (local.get $rows)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $again))))
    (local.get $rows))

  ;; The cells of one list, copied, before those of another.
  (func $join (param $list (ref null $cell)) (param $end (ref null $cell)) (result (ref null $cell))
    (if (ref.is_null (local.get $list)) (then (return (local.get $end))))
    (struct.new $cell
      (struct.get $cell $row (local.get $list))
      (call $join (struct.get $cell $rest (local.get $list)) (local.get $end))))

  ;; Whether none of the queens stands on a diagonal of a row in the next column.
  (func $is_safe (param $row i32) (param $queens (ref null $cell)) (result i32)
    (local $distance i32)
    (local $difference i32)
    (loop $again
      (if (ref.is_null (local.get $queens)) (then (return (i32.const 1))))
      (local.set $distance (i32.add (local.get $distance) (i32.const 1)))
      (local.set $difference
        (i32.sub (local.get $row) (struct.get $cell $row (local.get $queens))))
      (local.set $queens (struct.get $cell $rest (local.get $queens)))
      (br_if $again (i32.ne
        (i32.mul (local.get $difference) (local.get $difference))
        (i32.mul (local.get $distance) (local.get $distance)))))
    (i32.const 0))

  ;; A number for a solution.
  (func $weigh (param $queens (ref null $cell)) (result i64)
    (local $sum i64)
    (local.set $sum (i64.const 1))
    (loop $again
      (if (i32.eqz (ref.is_null (local.get $queens)))
        (then
          (local.set $sum (i64.add
            (i64.mul (local.get $sum) (i64.const 31))
            (i64.extend_i32_u (struct.get $cell $row (local.get $queens)))))
          (local.set $queens (struct.get $cell $rest (local.get $queens)))
          (br $again))))
    (local.get $sum))

  ;; The sum over all solutions with these queens: rows to try, rows tried in this column.
  (func $place
    (param $rows (ref null $cell)) (param $tried (ref null $cell)) (param $queens (ref null $cell))
    (result i64)
    (local $row i32)
    (local $rest (ref null $cell))
    (local $sum i64)
    (if (ref.is_null (local.get $rows))
      (then
        ;; All rows are taken, or this column has no row left.
        (if (ref.is_null (local.get $tried)) (then (return (call $weigh (local.get $queens)))))
        (return (i64.const 0))))
    (local.set $row (struct.get $cell $row (local.get $rows)))
    (local.set $rest (struct.get $cell $rest (local.get $rows)))
    (if (call $is_safe (local.get $row) (local.get $queens))
      (then (local.set $sum (call $place
        (call $join (local.get $rest) (local.get $tried))
        (ref.null $cell)
        (struct.new $cell (local.get $row) (local.get $queens))))))
    (i64.add (local.get $sum)
      (call $place
        (local.get $rest)
        (struct.new $cell (local.get $row) (local.get $tried))
        (local.get $queens))))

  (func $run (export "run") (param $n i32) (result i64)
    (call $place (call $rows (local.get $n)) (ref.null $cell) (ref.null $cell))))
