//! From values to text, circular ones too: `write` for the reader, `display` for people.
//!
//! Printing makes nothing in the heap, so it runs in a scope without collections: references stay
//! what they are, can be kept in a set, and need no handles. A first walk finds the pairs and vectors
//! that lead back to themselves; they get labels, `#0=(a . #0#)`. Both walks keep stacks of their own,
//! so that the depth of data is no matter.

use super::heap::{CONSTANT_NAMES, Heap};
use super::types::{Kind, Types};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use windrow::{ArrayRef, Error, GcRef, NoGc, StructRef, Unrooted};

/// How values are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    Display,
    Write,
}

impl Heap {
    /// A value as text.
    pub(crate) fn print(&mut self, value: GcRef, style: Style) -> Result<String, Error> {
        let (types, mut scope) = (self.types, self.store.scope());
        let handle = scope.root(value);
        let heap = scope.no_gc();
        let value = handle.map(|handle| heap.unrooted(handle)).transpose()?;
        let mut printer = Printer {
            heap: &heap,
            types,
            style,
            cyclic: HashSet::new(),
            labels: HashMap::new(),
            out: String::new(),
        };
        printer.find_cycles(value)?;
        printer.print(value)?;
        Ok(printer.out)
    }
}

type Value<'n> = Option<Unrooted<'n>>;

/// What is still to be done, the next on top.
enum Task<'n> {
    Print(Value<'n>),
    /// The rest of a list: what follows the first item.
    Rest(Value<'n>),
    Text(&'static str),
    /// A walk has seen all that a value leads to.
    Leave(Unrooted<'n>),
}

struct Printer<'h, 'n> {
    heap: &'h NoGc<'n>,
    types: Types,
    style: Style,
    cyclic: HashSet<Unrooted<'n>>,
    labels: HashMap<Unrooted<'n>, usize>,
    out: String,
}

impl<'n> Printer<'_, 'n> {
    fn kind(&self, value: Value<'n>) -> Kind {
        let value = value.map_or(GcRef::NULL, Unrooted::gc_ref);
        self.types.kind(self.heap, value)
    }

    /// A pair's car and cdr, or a vector's elements; nothing for what has no parts.
    fn parts(&self, value: Unrooted<'n>) -> Result<Vec<Value<'n>>, Error> {
        match self.kind(Some(value)) {
            Kind::Pair | Kind::SourcePair => Ok(self.pair(value)?.into()),
            Kind::Vector => {
                let vector = value.cast::<ArrayRef>(self.heap);
                let vector = vector.expect("a vector is an array");
                let indices = 0..vector.len(self.heap);
                indices.map(|at| vector.read_ref(self.heap, at)).collect()
            }
            _ => Ok(Vec::new()),
        }
    }

    fn pair(&self, value: Unrooted<'n>) -> Result<[Value<'n>; 2], Error> {
        let pair = value.cast::<StructRef>(self.heap).expect("a pair");
        let car = pair.read_ref(self.heap, self.types.car)?;
        let cdr = pair.read_ref(self.heap, self.types.cdr)?;
        Ok([car, cdr])
    }

    /// Walks depth first: who is met again on the way down leads back to itself.
    fn find_cycles(&mut self, value: Value<'n>) -> Result<(), Error> {
        let mut is_open = HashMap::new();
        let mut tasks = vec![Task::Print(value)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Print(Some(value)) => {
                    let parts = self.parts(value)?;
                    if parts.is_empty() {
                        continue;
                    }
                    match is_open.get(&value) {
                        Some(true) => {
                            self.cyclic.insert(value);
                        }
                        Some(false) => {}
                        None => {
                            is_open.insert(value, true);
                            tasks.push(Task::Leave(value));
                            tasks.extend(parts.into_iter().map(Task::Print));
                        }
                    }
                }
                Task::Leave(value) => {
                    is_open.insert(value, false);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn print(&mut self, value: Value<'n>) -> Result<(), Error> {
        let mut tasks = vec![Task::Print(value)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Print(value) => self.open(value, &mut tasks)?,
                Task::Rest(value) => self.rest(value, &mut tasks)?,
                Task::Text(text) => self.out.push_str(text),
                Task::Leave(_) => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, value: Value<'n>, tasks: &mut Vec<Task<'n>>) -> Result<(), Error> {
        if let Some(value) = value.filter(|value| self.cyclic.contains(value)) {
            let next = self.labels.len();
            if let Some(label) = self.labels.get(&value) {
                write!(self.out, "#{label}#").expect("a string takes all");
                return Ok(());
            }
            self.labels.insert(value, next);
            write!(self.out, "#{next}=").expect("a string takes all");
        }
        match (value, self.kind(value)) {
            (Some(pair), Kind::Pair | Kind::SourcePair) => {
                let [car, cdr] = self.pair(pair)?;
                self.out.push('(');
                tasks.extend([Task::Rest(cdr), Task::Print(car)]);
            }
            (Some(vector), Kind::Vector) => {
                self.out.push_str("#(");
                tasks.push(Task::Text(")"));
                for (index, part) in self.parts(vector)?.into_iter().enumerate().rev() {
                    tasks.push(Task::Print(part));
                    if index > 0 {
                        tasks.push(Task::Text(" "));
                    }
                }
            }
            (value, kind) => self.atom(value, kind)?,
        }
        Ok(())
    }

    fn rest(&mut self, value: Value<'n>, tasks: &mut Vec<Task<'n>>) -> Result<(), Error> {
        match (value, self.kind(value)) {
            (Some(pair), Kind::Pair | Kind::SourcePair) if !self.cyclic.contains(&pair) => {
                let [car, cdr] = self.pair(pair)?;
                self.out.push(' ');
                tasks.extend([Task::Rest(cdr), Task::Print(car)]);
            }
            (Some(nil), Kind::Constant) if self.constant(nil)? == 0 => self.out.push(')'),
            (value, _) => {
                self.out.push_str(" . ");
                tasks.extend([Task::Text(")"), Task::Print(value)]);
            }
        }
        Ok(())
    }

    fn constant(&self, value: Unrooted<'n>) -> Result<usize, Error> {
        let object = value.cast::<StructRef>(self.heap).expect("a struct");
        let number = object.read(self.heap, self.types.constant)?;
        Ok(usize::try_from(number).unwrap_or(0))
    }

    fn atom(&mut self, value: Value<'n>, kind: Kind) -> Result<(), Error> {
        let Some(value) = value else {
            self.out.push_str("#f");
            return Ok(());
        };
        let object = value.cast::<StructRef>(self.heap);
        match (kind, object) {
            (Kind::Str, _) => self.text(value.gc_ref(), self.style),
            (Kind::Symbol, Some(symbol)) => {
                let name = symbol.read_ref(self.heap, self.types.name)?;
                let name = name.map_or(GcRef::NULL, Unrooted::gc_ref);
                self.text(name, Style::Display);
            }
            (Kind::Float, Some(float)) => {
                let text = float_text(float.read(self.heap, self.types.float)?);
                self.out.push_str(&text);
            }
            (Kind::Long, Some(long)) => {
                let number: i64 = long.read(self.heap, self.types.long)?;
                self.out.push_str(&number.to_string());
            }
            (Kind::Constant, _) => self.out.push_str(CONSTANT_NAMES[self.constant(value)?]),
            (Kind::Closure | Kind::Builtin, _) => self.out.push_str("#<procedure>"),
            (Kind::Frame, _) => self.out.push_str("#<environment>"),
            (Kind::Host, _) => self.out.push_str("#<weak-table>"),
            _ => {
                let int = value.gc_ref().as_i31().unwrap_or(0);
                self.out.push_str(&int.to_string());
            }
        }
        Ok(())
    }

    fn text(&mut self, string: GcRef, style: Style) {
        let text = super::text::text_of(self.heap, &self.types, string);
        if style == Style::Display {
            self.out.push_str(&text);
            return;
        }
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.out.extend(['\\', c]),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

pub(crate) fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "+nan.0".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "+inf.0" } else { "-inf.0" }.to_owned();
    }
    format!("{float:?}")
}
