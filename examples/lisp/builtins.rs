//! Built-in procedures: their table, and those for the system.
//!
//! Arguments lie on the value stack, where collections find and update them, until the procedure has
//! returned; each look at one reads its slot.

use super::fault::Fault;
use super::machine::Lisp;
use super::printer::Style;
use super::types::Kind;
use super::{lists, numbers, tables, text};
use std::io::Write;
use windrow::{CollectionKind, GcRef, ObjectRef};

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

pub(super) type Answer = Result<GcRef, Fault>;

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
    of("cons", 2, 2, lists::cons),
    of("car", 1, 1, lists::car),
    of("cdr", 1, 1, lists::cdr),
    of("set-car!", 2, 2, lists::set_car),
    of("set-cdr!", 2, 2, lists::set_cdr),
    of("list", 0, ANY, lists::list),
    of("append", 0, ANY, lists::append),
    of("length", 1, 1, lists::length),
    of("null?", 1, 1, lists::is_null),
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
    of("vector", 0, ANY, lists::vector),
    of("make-vector", 1, 2, lists::make_vector),
    of("vector-length", 1, 1, lists::vector_length),
    of("vector-ref", 2, 2, lists::vector_ref),
    of("vector-set!", 3, 3, lists::vector_set),
    of("list->vector", 1, 1, lists::list_to_vector),
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

    pub(super) fn pair(&mut self, value: GcRef) -> Result<ObjectRef, Fault> {
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
