; How many ways there are to place n queens, and the first.
(define (safe? row queens)
  (let loop ((queens queens) (distance 1))
    (or (null? queens)
        (let ((other (car queens)))
          (and (not (= other row))
               (not (= (abs (- other row)) distance))
               (loop (cdr queens) (+ distance 1)))))))

(define (solutions n)
  (let place ((columns n))
    (if (= columns 0)
        '(())
        (let ((fewer (place (- columns 1))))
          (apply append
            (map (lambda (row)
                   (map (lambda (queens) (cons row queens))
                        (filter (lambda (queens) (safe? row queens)) fewer)))
                 (iota n)))))))

(define all (solutions 7))
(print (length all) " solutions, the first " (car all))
