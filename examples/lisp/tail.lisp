; A million turns take no more room than one, and deep recursion is only memory.
(define (loop n) (if (= n 0) 'done (loop (- n 1))))
(print "tail calls: " (loop 1000000))

(define (even-p n) (or (= n 0) (odd-p (- n 1))))
(define (odd-p n) (and (not (= n 0)) (even-p (- n 1))))
(print "between procedures: " (even-p 100000))

(define (through-apply n)
  (cond ((= n 0) 'done) (else (apply through-apply (list (- n 1))))))
(print "through apply: " (through-apply 100000))

(define (sum n) (if (= n 0) 0 (+ n (sum (- n 1)))))
(print "deep: " (sum 100000))

(define (forever n) (+ 1 (forever n)))
; The stack is full, or the heap is: which is first is up to `--heap-max`.
(print "too deep: " (try (lambda () (forever 0)) (lambda (message) 'caught)))
