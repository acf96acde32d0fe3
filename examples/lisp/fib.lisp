; For the clock: cargo run --release --example lisp -- examples/lisp/fib.lisp --stats
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(print (fib 27))
