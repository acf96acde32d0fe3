; Data that changes, and leads back to itself.
(define pair (cons 1 2))
(set-cdr! pair 3)
(print pair)

(define ring (list 'a 'b 'c))
(set-cdr! (cddr ring) ring)
(write ring) (newline)
(print (list-ref ring 100))

(define vector (vector 1 2 3))
(vector-set! vector 1 vector)
(write vector) (newline)
(define both (cons ring vector))
(write both) (newline)

(define (ring-of . items)
  (let ((end (list-tail items (- (length items) 1))))
    (set-cdr! end items)
    items))
(print "equal: " (equal? (ring-of 1 2 1 2) (ring-of 1 2)) " " (equal? (ring-of 1 2) (ring-of 1 3)))
(define shared '(x))
(write (list shared shared)) (newline)
(print (try (lambda () (length ring)) (lambda (message) message)))

; A long list of rings dies as one.
(define rings (map (lambda (n) (ring-of n n)) (iota 100)))
(print (list-ref (list-ref rings 50) 7))
(set! rings #f)
(gc)
