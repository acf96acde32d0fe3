; Running out of memory is an error like any other.
(define (fill) (let loop ((list '())) (loop (cons 1 list))))
(print (substring (try fill (lambda (message) message)) 0 13))
; What was made is garbage by now, and there is room again.
(print (length (iota 10000)))
(print (substring (try (lambda () (make-vector 100000000 0)) (lambda (message) message)) 0 13))
