; Weak tables: an entry lives as long as its key, whatever its value leads to.
(define table (make-weak-table))
(define kept (list "kept"))
(weak-table-set! table kept 'value)
(weak-table-set! table (list "dropped") 'other)
(print "set: " (weak-table-count table) " " (weak-table-ref table kept))
(print "absent: " (weak-table-ref table (list "kept") 'none))

; The value leads to the key, and keeps it no more than nothing would.
(define (remember-myself)
  (let ((key (list 'self)))
    (weak-table-set! table key (list key))))
(remember-myself)

; Keys of keys: the first is kept, and so all are.
(define chain (make-weak-table))
(define first (list 0))
(let loop ((n 1) (key first))
  (when (< n 50)
    (let ((next (list n)))
      (weak-table-set! chain key next)
      (loop (+ n 1) next))))

(define can-collect? #f)
(let ((before (gc)))
  (iota 1000)
  (set! can-collect? (< (- (gc) before) 2000)))

; A collector that never collects keeps everything.
(print "after a collection: " (if can-collect? (weak-table-count table) 1))
(print "the kept: " (weak-table-ref table kept))
(print "chain: " (weak-table-count chain))
(let walk ((key first) (steps 0))
  (let ((next (weak-table-ref chain key)))
    (if next (walk next (+ steps 1)) (print "steps: " steps))))
(set! first #f)
(gc)
(print "chain let go: " (if can-collect? (weak-table-count chain) 0))
(weak-table-delete! table kept)
(print "deleted: " (weak-table-ref table kept 'gone))
(print (try (lambda () (weak-table-set! table 1 2)) (lambda (message) message)))

; Symbols that nobody uses go as well.
(define (make-symbols from to)
  (when (< from to)
    (string->symbol (string-append "symbol-" (number->string from)))
    (make-symbols (+ from 1) to)))
(make-symbols 0 400)
(gc)
(make-symbols 400 1200)
(print "symbols swept: " (or (not can-collect?) (< (symbol-count) 1400)))
(print "the same symbol: " (eq? 'abc (string->symbol "abc")))
