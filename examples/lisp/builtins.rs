//! Built-in procedures: their table, and those for pairs, vectors and the system.
//!
//! Arguments lie on the value stack, where collections find and update them, until the procedure has
//! returned; each look at one reads its slot.

use super::fault::Fault;
use super::heap::{Heap, NIL, index};
use super::machine::Lisp;
use super::printer::Style;
use super::types::Kind;
use super::{numbers, tables, text};
use std::collections::HashSet;
use std::io::Write;
use windrow::{ArrayRef, CollectionKind, GcRef, ObjectRef};

/// Where a procedure's arguments are on the value stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args {
    pub(crate) start: usize,
    pub(crate) count: usize,
}

impl Args {
    #[inline]
    pub(crate) fn get(self, lisp: &Lisp, at: usize) -> GcRef {
        lisp.heap.at(self.start + at)
    }
}

type Answer = Result<GcRef, Fault>;

pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) run: fn(&mut Lisp, Args) -> Answer,
}

const fn of(
    name: &'static str,
    least: usize,
    most: usize,
    run: fn(&mut Lisp, Args) -> Answer,
) -> Builtin {
    Builtin {
        name,
        least,
        most,
        run,
    }
}

const ANY: usize = usize::MAX;

pub(crate) const BUILTINS: &[Builtin] = &[
    of("+", 0, ANY, numbers::add),
    of("-", 1, ANY, numbers::subtract),
    of("*", 0, ANY, numbers::multiply),
    of("/", 1, ANY, numbers::divide),
    of("=", 1, ANY, numbers::equal),
    of("<", 1, ANY, numbers::less),
    of(">", 1, ANY, numbers::greater),
    of("<=", 1, ANY, numbers::at_most),
    of(">=", 1, ANY, numbers::at_least),
    of("quotient", 2, 2, numbers::quotient),
    of("remainder", 2, 2, numbers::remainder),
    of("modulo", 2, 2, numbers::modulo),
    of("floor", 1, 1, numbers::floor),
    of("round", 1, 1, numbers::round),
    of("sqrt", 1, 1, numbers::sqrt),
    of("exact", 1, 1, numbers::exact),
    of("inexact", 1, 1, numbers::inexact),
    of("number?", 1, 1, |lisp, args| {
        is(lisp, args, &[Kind::Int, Kind::Long, Kind::Float])
    }),
    of("integer?", 1, 1, |lisp, args| {
        is(lisp, args, &[Kind::Int, Kind::Long])
    }),
    of("cons", 2, 2, cons),
    of("car", 1, 1, car),
    of("cdr", 1, 1, cdr),
    of("set-car!", 2, 2, set_car),
    of("set-cdr!", 2, 2, set_cdr),
    of("list", 0, ANY, list),
    of("append", 0, ANY, append),
    of("length", 1, 1, length),
    of("null?", 1, 1, is_null),
    of("pair?", 1, 1, |lisp, args| {
        is(lisp, args, &[Kind::Pair, Kind::SourcePair])
    }),
    of("symbol?", 1, 1, |lisp, args| {
        is(lisp, args, &[Kind::Symbol])
    }),
    of("string?", 1, 1, |lisp, args| is(lisp, args, &[Kind::Str])),
    of("vector?", 1, 1, |lisp, args| {
        is(lisp, args, &[Kind::Vector])
    }),
    of("procedure?", 1, 1, |lisp, args| {
        is(lisp, args, &[Kind::Closure, Kind::Builtin])
    }),
    of("not", 1, 1, |lisp, args| {
        Ok(lisp.heap.bool(args.get(lisp, 0).is_null()))
    }),
    of("eq?", 2, 2, |lisp, args| {
        Ok(lisp.heap.bool(args.get(lisp, 0) == args.get(lisp, 1)))
    }),
    of("eqv?", 2, 2, |lisp, args| {
        let same = lisp.heap.is_same(args.get(lisp, 0), args.get(lisp, 1));
        Ok(lisp.heap.bool(same))
    }),
    of("equal?", 2, 2, |lisp, args| {
        let equal = lisp.heap.is_equal(args.get(lisp, 0), args.get(lisp, 1));
        Ok(lisp.heap.bool(equal))
    }),
    of("vector", 0, ANY, vector),
    of("make-vector", 1, 2, make_vector),
    of("vector-length", 1, 1, vector_length),
    of("vector-ref", 2, 2, vector_ref),
    of("vector-set!", 3, 3, vector_set),
    of("list->vector", 1, 1, list_to_vector),
    of("string-length", 1, 1, text::length),
    of("substring", 2, 3, text::substring),
    of("string-append", 0, ANY, text::append),
    of("string=?", 2, 2, text::equal),
    of("string<?", 2, 2, text::less),
    of("string-upcase", 1, 1, text::upcase),
    of("string-search", 2, 2, text::search),
    of("string->symbol", 1, 1, text::to_symbol),
    of("symbol->string", 1, 1, text::of_symbol),
    of("number->string", 1, 1, text::of_number),
    of("string->number", 1, 1, text::to_number),
    of("make-weak-table", 0, 0, tables::make),
    of("weak-table-set!", 3, 3, tables::set),
    of("weak-table-ref", 2, 3, tables::get),
    of("weak-table-delete!", 2, 2, tables::delete),
    of("weak-table-count", 1, 1, tables::count),
    of("display", 1, 1, |lisp, args| {
        print(lisp, args, Style::Display)
    }),
    of("write", 1, 1, |lisp, args| print(lisp, args, Style::Write)),
    of("newline", 0, 0, |lisp, _| output(lisp, "\n")),
    of("error", 1, ANY, error),
    of("%assert", 1, 1, assert),
    of("gc", 0, 0, gc),
    of("symbol-count", 0, 0, |lisp, _| {
        lisp.heap.int(lisp.heap.symbol_count() as i64)
    }),
    // Run by the machine where the number of arguments is right.
    of("apply", 2, ANY, |lisp, _| Ok(lisp.nothing())),
    of("try", 2, 2, |lisp, _| Ok(lisp.nothing())),
    of("eval", 1, 1, |lisp, _| Ok(lisp.nothing())),
];

/// The number of a built-in procedure that is there.
pub(crate) fn number(name: &str) -> u16 {
    let at = BUILTINS.iter().position(|builtin| builtin.name == name);
    let at = at.expect("the compiler knows the table");
    u16::try_from(at).expect("the table is short")
}

fn is(lisp: &mut Lisp, args: Args, kinds: &[Kind]) -> Answer {
    let kind = lisp.heap.kind(args.get(lisp, 0));
    Ok(lisp.heap.bool(kinds.contains(&kind)))
}

impl Lisp {
    /// A fault of an argument that is not what it should be.
    #[cold]
    pub(crate) fn wrong(&mut self, expected: &str, found: GcRef) -> Fault {
        match self.heap.print(found, Style::Write) {
            Ok(text) => {
                let shown: String = text.chars().take(60).collect();
                Fault::new(format!("{expected} expected, not {shown}"))
            }
            Err(error) => error.into(),
        }
    }

    fn pair(&mut self, value: GcRef) -> Result<ObjectRef, Fault> {
        match self.heap.pair(value) {
            Some(pair) => Ok(pair),
            None => Err(self.wrong("a pair", value)),
        }
    }

    /// An argument that is an index or a count.
    pub(crate) fn index(&mut self, args: Args, at: usize) -> Result<u32, Fault> {
        let value = args.get(self, at);
        let index = value.as_i31().and_then(|int| u32::try_from(int).ok());
        index.ok_or_else(|| self.wrong("an index", value))
    }
}

// ---- Pairs. ----

fn cons(lisp: &mut Lisp, args: Args) -> Answer {
    let _ = args;
    lisp.heap.cons()?;
    Ok(lisp.heap.peek(0))
}

fn car(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    Ok(lisp.heap.car(pair))
}

fn cdr(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    Ok(lisp.heap.cdr(pair))
}

fn set_car(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    let (offset, value) = (lisp.heap.types.car.offset(), args.get(lisp, 1));
    lisp.heap.set_ref(pair, offset, value);
    Ok(lisp.nothing())
}

fn set_cdr(lisp: &mut Lisp, args: Args) -> Answer {
    let pair = lisp.pair(args.get(lisp, 0))?;
    let (offset, value) = (lisp.heap.types.cdr.offset(), args.get(lisp, 1));
    lisp.heap.set_ref(pair, offset, value);
    Ok(lisp.nothing())
}

fn list(lisp: &mut Lisp, args: Args) -> Answer {
    lisp.heap.push(lisp.heap.constant(NIL));
    lisp.heap.list(args.count)?;
    Ok(lisp.heap.peek(0))
}

/// Copies all lists but the last, which is shared.
fn append(lisp: &mut Lisp, args: Args) -> Answer {
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

fn length(lisp: &mut Lisp, args: Args) -> Answer {
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

fn is_null(lisp: &mut Lisp, args: Args) -> Answer {
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
    fn is_equal(&self, one: GcRef, two: GcRef) -> bool {
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

fn vector(lisp: &mut Lisp, args: Args) -> Answer {
    let length = index(args.count);
    lisp.heap.array_of(Kind::Vector, 0, args.count, length)
}

fn make_vector(lisp: &mut Lisp, args: Args) -> Answer {
    let length = lisp.index(args, 0)?;
    let fill = (args.count > 1).then(|| args.get(lisp, 1));
    let id = lisp.heap.types.id(Kind::Vector);
    let mut scope = lisp.heap.store.scope();
    let fill = fill.and_then(|fill| scope.root(fill));
    let vector = ArrayRef::new(&mut scope, id, length, fill.into())?;
    Ok(vector.gc_ref(&scope))
}

fn list_to_vector(lisp: &mut Lisp, args: Args) -> Answer {
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

fn vector_length(lisp: &mut Lisp, args: Args) -> Answer {
    let vector = vector_at(lisp, args)?;
    let length = vector.as_object();
    let length = length.map_or(0, |vector| lisp.heap.store.isolate().array_len(vector));
    lisp.heap.int(length.into())
}

fn vector_ref(lisp: &mut Lisp, args: Args) -> Answer {
    let (vector, at) = (vector_at(lisp, args)?, lisp.index(args, 1)?);
    let mut scope = lisp.heap.store.scope();
    let vector = scope.root(vector).expect("it is a vector");
    let vector = vector.try_cast::<ArrayRef>(&scope)?;
    let element = vector.get(&mut scope, at)?.as_ref();
    Ok(element.map_or(GcRef::NULL, |element| element.gc_ref(&scope)))
}

fn vector_set(lisp: &mut Lisp, args: Args) -> Answer {
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

// ---- The system. ----

fn output(lisp: &mut Lisp, text: &str) -> Answer {
    let written = lisp.out.write_all(text.as_bytes());
    written.map_err(|error| Fault::new(error.to_string()))?;
    Ok(lisp.nothing())
}

fn print(lisp: &mut Lisp, args: Args, style: Style) -> Answer {
    let text = lisp.heap.print(args.get(lisp, 0), style)?;
    output(lisp, &text)
}

/// A message, and what it is about.
fn error(lisp: &mut Lisp, args: Args) -> Answer {
    let mut message = lisp.heap.print(args.get(lisp, 0), Style::Display)?;
    for at in 1..args.count {
        message.push(' ');
        message += &lisp.heap.print(args.get(lisp, at), Style::Write)?;
    }
    Err(Fault::new(message))
}

fn assert(lisp: &mut Lisp, args: Args) -> Answer {
    if args.get(lisp, 0).is_null() {
        return Err(Fault::new("assertion failed"));
    }
    Ok(lisp.nothing())
}

/// Collects; the bytes that are alive.
fn gc(lisp: &mut Lisp, _: Args) -> Answer {
    lisp.heap.store.gc(CollectionKind::Full)?;
    let live = lisp.heap.store.stats().live_bytes;
    lisp.heap.int(live.cast_signed())
}
