//! Pairs, what looks into them, and vectors.

use super::builtins::{Answer, Args};
use super::fault::Fault;
use super::heap::{Heap, NIL, index};
use super::machine::Lisp;
use super::types::Kind;
use std::collections::HashSet;
use windrow::{ArrayRef, GcRef};

// ---- Pairs. ----

pub(super) fn cons(lisp: &mut Lisp, args: Args) -> Answer {
    let _ = args;
    lisp.heap.cons()?;
    Ok(lisp.heap.peek(0))
}

pub(super) fn car(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    Ok(lisp.heap.car(pair))
}

pub(super) fn cdr(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    Ok(lisp.heap.cdr(pair))
}

pub(super) fn set_car(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    let (offset, value) = (lisp.heap.types.car.offset(), args.get(lisp, 1));
    lisp.heap.set_ref(pair, offset, value);
    Ok(lisp.nothing())
}

pub(super) fn set_cdr(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    let (offset, value) = (lisp.heap.types.cdr.offset(), args.get(lisp, 1));
    lisp.heap.set_ref(pair, offset, value);
    Ok(lisp.nothing())
}

pub(super) fn list(lisp: &mut Lisp, args: Args) -> Answer {
    lisp.heap.push(lisp.heap.constant(NIL));
    lisp.heap.list(args.count)?;
    Ok(lisp.heap.peek(0))
}

/// Copies all lists but the last, which is shared.
pub(super) fn append(lisp: &mut Lisp, args: Args) -> Answer {
    let Some(last) = args.count.checked_sub(1) else {
        return Ok(lisp.heap.constant(NIL));
    };
    let mut count = 0;
    for at in 0..last {
        count += lisp.heap.spread(args.get(lisp, at))?;
    }
    let tail = args.get(lisp, last);
    lisp.heap.push(tail);
    lisp.heap.list(count)?;
    Ok(lisp.heap.peek(0))
}

pub(super) fn length(lisp: &mut Lisp, args: Args) -> Answer {
    let list = args.get(lisp, 0);
    let (mut at, mut count, mut mark) = (list, 0_i64, GcRef::NULL);
    while let Some(pair) = lisp.heap.pair(at).filter(|_| at != mark) {
        count += 1;
        if count.cast_unsigned().is_power_of_two() {
            mark = at;
        }
        at = lisp.heap.cdr(pair);
    }
    if !lisp.heap.is_nil(at) {
        return Err(lisp.wrong("a list", list));
    }
    lisp.heap.int(count)
}

pub(super) fn is_null(lisp: &mut Lisp, args: Args) -> Answer {
    let is_nil = lisp.heap.is_nil(args.get(lisp, 0));
    Ok(lisp.heap.bool(is_nil))
}

impl Heap {
    /// Pushes the items of a list; how many.
    pub(crate) fn spread(&mut self, list: GcRef) -> Result<usize, Fault> {
        let (mut at, mut count) = (list, 0);
        while let Some(pair) = self.pair(at) {
            let item = self.car(pair);
            self.push(item);
            self.check_height()?;
            (at, count) = (self.cdr(pair), count + 1);
        }
        if !self.is_nil(at) {
            return Err(Fault::new("a list expected, not one that ends in a `.`"));
        }
        Ok(count)
    }

    /// Whether two values are one, or numbers of one kind and value.
    pub(crate) fn is_same(&self, one: GcRef, two: GcRef) -> bool {
        let kind = self.kind(one);
        one == two
            || matches!(kind, Kind::Long | Kind::Float)
                && kind == self.kind(two)
                && match [one.as_object(), two.as_object()] {
                    [Some(one), Some(two)] => {
                        // Both have eight bytes in one place.
                        let offset = self.types.long.offset();
                        let isolate = self.store.isolate();
                        isolate.load_u64(one, offset) == isolate.load_u64(two, offset)
                    }
                    _ => false,
                }
    }

    /// Whether two values look the same, circular ones too. What was compared once is taken to be
    /// equal: if it is not, the comparison fails anyhow.
    pub(super) fn is_equal(&self, one: GcRef, two: GcRef) -> bool {
        let (mut todo, mut seen) = (vec![(one, two)], HashSet::new());
        while let Some((one, two)) = todo.pop() {
            if self.is_same(one, two) {
                continue;
            }
            if let [Some(one), Some(two)] = [self.pair(one), self.pair(two)] {
                if seen.insert((one, two)) {
                    todo.push((self.cdr(one), self.cdr(two)));
                    todo.push((self.car(one), self.car(two)));
                }
                continue;
            }
            let [Some(first), Some(second)] = [one.as_object(), two.as_object()] else {
                return false;
            };
            let isolate = self.store.isolate();
            let length = isolate.array_len(first);
            match [self.kind(one), self.kind(two)] {
                [Kind::Vector, Kind::Vector] if length == isolate.array_len(second) => {
                    if seen.insert((first, second)) {
                        todo.extend(
                            (0..length).map(|at| (self.element(one, at), self.element(two, at))),
                        );
                    }
                }
                [Kind::Str, Kind::Str] if self.text(one) == self.text(two) => {}
                _ => return false,
            }
        }
        true
    }
}

// ---- Vectors: through handles, whose errors are the program's. ----

pub(super) fn vector(lisp: &mut Lisp, args: Args) -> Answer {
    let length = index(args.count);
    lisp.heap.array_of(Kind::Vector, 0, args.count, length)
}

pub(super) fn make_vector(lisp: &mut Lisp, args: Args) -> Answer {
    let length = lisp.index(args, 0)?;
    let fill = (args.count > 1).then(|| args.get(lisp, 1));
    let id = lisp.heap.types.id(Kind::Vector);
    let mut scope = lisp.heap.store.scope();
    let fill = fill.and_then(|fill| scope.root(fill));
    let vector = ArrayRef::new(&mut scope, id, length, fill.into())?;
    Ok(vector.gc_ref(&scope))
}

pub(super) fn list_to_vector(lisp: &mut Lisp, args: Args) -> Answer {
    let count = lisp.heap.spread(args.get(lisp, 0))?;
    lisp.heap.array_of(Kind::Vector, 0, count, index(count))
}

/// An argument that is a vector.
fn vector_at(lisp: &mut Lisp, args: Args) -> Answer {
    let vector = args.get(lisp, 0);
    match lisp.heap.kind(vector) {
        Kind::Vector => Ok(vector),
        _ => Err(lisp.wrong("a vector", vector)),
    }
}

pub(super) fn vector_length(lisp: &mut Lisp, args: Args) -> Answer {
    let vector = vector_at(lisp, args)?;
    let length = vector.as_object();
    let length = length.map_or(0, |vector| lisp.heap.store.isolate().array_len(vector));
    lisp.heap.int(length.into())
}

pub(super) fn vector_ref(lisp: &mut Lisp, args: Args) -> Answer {
    let (vector, at) = (vector_at(lisp, args)?, lisp.index(args, 1)?);
    let mut scope = lisp.heap.store.scope();
    let vector = scope.root(vector).expect("it is a vector");
    let vector = vector.try_cast::<ArrayRef>(&scope)?;
    let element = vector.get(&mut scope, at)?.as_ref();
    Ok(element.map_or(GcRef::NULL, |element| element.gc_ref(&scope)))
}

pub(super) fn vector_set(lisp: &mut Lisp, args: Args) -> Answer {
    let (vector, at) = (vector_at(lisp, args)?, lisp.index(args, 1)?);
    let value = args.get(lisp, 2);
    let mut scope = lisp.heap.store.scope();
    let value = scope.root(value);
    let vector = scope.root(vector).expect("it is a vector");
    let vector = vector.try_cast::<ArrayRef>(&scope)?;
    vector.set(&mut scope, at, value.into())?;
    drop(scope);
    Ok(lisp.nothing())
}
