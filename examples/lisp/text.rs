//! Strings and symbols. Strings are arrays of bytes, UTF-8, and do not change.
//!
//! Text is copied to the host to be worked on, and made into a string through a scope and a handle.

use super::builtins::Args;
use super::fault::Fault;
use super::heap::Heap;
use super::machine::Lisp;
use super::printer::Style;
use super::types::{Kind, Types};
use windrow::{GcRef, Store};

type Answer = Result<GcRef, Fault>;

/// The text of a string. Not a safepoint.
pub(crate) fn text_of(store: &Store, types: &Types, string: GcRef) -> String {
    let Some(string) = string.as_object() else {
        return String::new();
    };
    let isolate = store.isolate();
    let mut bytes = vec![0; isolate.array_len(string) as usize];
    isolate.read_bytes(string, types.first_byte, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Heap {
    pub(crate) fn text(&self, string: GcRef) -> String {
        text_of(&self.store, &self.types, string)
    }

    pub(crate) fn symbol_name(&self, symbol: GcRef) -> String {
        let name = symbol.as_object().map_or(GcRef::NULL, |symbol| {
            let isolate = self.store.isolate();
            isolate.load_ref(symbol, self.types.name.offset())
        });
        self.text(name)
    }
}

fn text(lisp: &mut Lisp, args: Args, at: usize) -> Result<String, Fault> {
    let string = args.get(lisp, at);
    match lisp.heap.kind(string) {
        Kind::Str => Ok(lisp.heap.text(string)),
        _ => Err(lisp.wrong("a string", string)),
    }
}

/// In characters.
pub(crate) fn length(lisp: &mut Lisp, args: Args) -> Answer {
    let count = text(lisp, args, 0)?.chars().count();
    lisp.heap.int(count as i64)
}

/// `(substring string start end)`, in characters.
pub(crate) fn substring(lisp: &mut Lisp, args: Args) -> Answer {
    let text = text(lisp, args, 0)?;
    let start = lisp.index(args, 1)? as usize;
    let end = match args.count {
        2 => text.chars().count(),
        _ => lisp.index(args, 2)? as usize,
    };
    if start > end || end > text.chars().count() {
        return Err(Fault::new(format!(
            "characters {start}..{end} are beyond the string's {}",
            text.chars().count()
        )));
    }
    let part: String = text.chars().skip(start).take(end - start).collect();
    lisp.heap.string(&part)
}

pub(crate) fn append(lisp: &mut Lisp, args: Args) -> Answer {
    let mut all = String::new();
    for at in 0..args.count {
        all += &text(lisp, args, at)?;
    }
    lisp.heap.string(&all)
}

pub(crate) fn equal(lisp: &mut Lisp, args: Args) -> Answer {
    let holds = text(lisp, args, 0)? == text(lisp, args, 1)?;
    Ok(lisp.heap.bool(holds))
}

pub(crate) fn less(lisp: &mut Lisp, args: Args) -> Answer {
    let holds = text(lisp, args, 0)? < text(lisp, args, 1)?;
    Ok(lisp.heap.bool(holds))
}

pub(crate) fn upcase(lisp: &mut Lisp, args: Args) -> Answer {
    let upper = text(lisp, args, 0)?.to_uppercase();
    lisp.heap.string(&upper)
}

/// `(string-search pattern string)`: where the first one begins, in characters, or `#f`.
pub(crate) fn search(lisp: &mut Lisp, args: Args) -> Answer {
    let (pattern, text) = (text(lisp, args, 0)?, text(lisp, args, 1)?);
    match text.split_once(&pattern) {
        Some((before, _)) => lisp.heap.int(before.chars().count() as i64),
        None => Ok(GcRef::NULL),
    }
}

pub(crate) fn to_symbol(lisp: &mut Lisp, args: Args) -> Answer {
    let name = text(lisp, args, 0)?;
    lisp.heap.intern(&name)
}

pub(crate) fn of_symbol(lisp: &mut Lisp, args: Args) -> Answer {
    let symbol = args.get(lisp, 0);
    if lisp.heap.kind(symbol) != Kind::Symbol {
        return Err(lisp.wrong("a symbol", symbol));
    }
    let name = lisp.heap.symbol_name(symbol);
    lisp.heap.string(&name)
}

pub(crate) fn of_number(lisp: &mut Lisp, args: Args) -> Answer {
    let number = args.get(lisp, 0);
    match lisp.heap.kind(number) {
        Kind::Int | Kind::Long | Kind::Float => {
            let text = lisp.heap.print(number, Style::Write)?;
            lisp.heap.string(&text)
        }
        _ => Err(lisp.wrong("a number", number)),
    }
}

/// `#f` where the string spells none.
pub(crate) fn to_number(lisp: &mut Lisp, args: Args) -> Answer {
    let text = text(lisp, args, 0)?;
    lisp.heap.number(&text).unwrap_or(Ok(GcRef::NULL))
}
