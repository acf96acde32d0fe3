//! From text to values: what is read lies in the heap, and lists know where they began.
//!
//! Each call leaves one value on the stack. Comments run from `;` to the end of the line, in `#|` and
//! `|#`, or take the next form with `#;`.

use super::fault::{Fault, Place};
use super::heap::{Heap, NIL, NOTHING, TRUE};
use super::types::Kind;
use std::rc::Rc;
use windrow::{ArrayRef, GcRef};

/// Lists in lists in lists: deeper ones are refused, since the host's stack is used for them.
const MAX_DEPTH: u32 = 250;

/// A file being read.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) file: Rc<str>,
    text: Rc<[char]>,
    at: usize,
    place: Place,
}

impl Reader {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let mut reader = Self {
            file: file.into(),
            text: text.chars().collect(),
            at: 0,
            place: Place { line: 1, column: 1 },
        };
        if text.starts_with("#!") {
            reader.skip_while(|c| c != '\n');
        }
        reader
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> String {
        self.text[self.at..].iter().collect()
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        if next == '\n' {
            self.place.line += 1;
            self.place.column = 1;
        } else {
            self.place.column += 1;
        }
        Some(next)
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
    }

    fn fault(&self, message: &str, place: Place) -> Fault {
        Fault::new(message).at(&self.file, place)
    }

    fn unfinished(&self, what: &str, place: Place) -> Fault {
        Fault {
            is_incomplete: true,
            ..self.fault(&format!("{what} without an end"), place)
        }
    }

    fn skip_blanks(&mut self, heap: &mut Heap, depth: u32) -> Result<(), Fault> {
        loop {
            self.skip_while(char::is_whitespace);
            let two = [self.peek(), self.text.get(self.at + 1).copied()];
            match two {
                [Some(';'), _] => self.skip_while(|c| c != '\n'),
                [Some('#'), Some('|')] => self.skip_block()?,
                [Some('#'), Some(';')] => {
                    self.next();
                    self.next();
                    self.datum(heap, depth)?;
                    heap.pop();
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_block(&mut self) -> Result<(), Fault> {
        let (start, mut depth) = (self.place, 0);
        loop {
            match (self.next(), self.peek()) {
                (Some('#'), Some('|')) => {
                    self.next();
                    depth += 1;
                }
                (Some('|'), Some('#')) => {
                    self.next();
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => {}
                (None, _) => return Err(self.unfinished("a comment", start)),
            }
        }
    }

    /// Reads the next form and pushes it, with the place where it began; `None` at the end.
    pub(crate) fn read(&mut self, heap: &mut Heap) -> Result<Option<Place>, Fault> {
        let height = heap.height();
        let read = self.try_read(heap);
        if read.is_err() {
            heap.stack().truncate(height);
        }
        read
    }

    fn try_read(&mut self, heap: &mut Heap) -> Result<Option<Place>, Fault> {
        self.skip_blanks(heap, 0)?;
        if self.peek().is_none() {
            return Ok(None);
        }
        let place = self.place;
        self.datum(heap, 0)?;
        Ok(Some(place))
    }

    fn datum(&mut self, heap: &mut Heap, depth: u32) -> Result<(), Fault> {
        self.skip_blanks(heap, depth)?;
        let place = self.place;
        if depth > MAX_DEPTH {
            return Err(self.fault("lists are nested too deeply", place));
        }
        match self.next() {
            None => Err(self.unfinished("a form", place)),
            Some('(') => self.list(heap, depth, place),
            Some(')') => Err(self.fault("`)` without `(`", place)),
            Some('\'') => self.quotation(heap, depth, place, "quote"),
            Some('`') => self.quotation(heap, depth, place, "quasiquote"),
            Some(',') if self.peek() == Some('@') => {
                self.next();
                self.quotation(heap, depth, place, "unquote-splicing")
            }
            Some(',') => self.quotation(heap, depth, place, "unquote"),
            Some('"') => self.string(heap, place),
            Some('#') if self.peek() == Some('(') => {
                self.next();
                let count = self.items(heap, depth, place)?;
                if heap.pop() != heap.constant(NIL) {
                    return Err(self.fault("a vector has no `.`", place));
                }
                let length = super::heap::index(count);
                let vector = heap.array_of(Kind::Vector, 0, count, length)?;
                heap.push(vector);
                Ok(())
            }
            Some(first) => self.atom(heap, first, place),
        }
    }

    /// `'form` as `(quote form)`.
    fn quotation(
        &mut self,
        heap: &mut Heap,
        depth: u32,
        place: Place,
        name: &str,
    ) -> Result<(), Fault> {
        let symbol = heap.intern(name)?;
        heap.push(symbol);
        self.datum(heap, depth + 1)?;
        heap.push(heap.constant(NIL));
        heap.cons()?;
        heap.cons_at(Kind::SourcePair, place.bits())
    }

    fn list(&mut self, heap: &mut Heap, depth: u32, place: Place) -> Result<(), Fault> {
        match self.items(heap, depth, place)? {
            0 => Ok(()),
            count => {
                heap.list(count - 1)?;
                heap.cons_at(Kind::SourcePair, place.bits())
            }
        }
    }

    /// Reads up to `)`. Pushes the items, and what follows a dot or `()`; returns how many items.
    fn items(&mut self, heap: &mut Heap, depth: u32, place: Place) -> Result<usize, Fault> {
        let mut count = 0;
        loop {
            self.skip_blanks(heap, depth)?;
            match self.peek() {
                None => return Err(self.unfinished("a list", place)),
                Some(')') => {
                    self.next();
                    heap.push(heap.constant(NIL));
                    return Ok(count);
                }
                Some('.') if count > 0 && self.is_lone_dot() => {
                    self.next();
                    self.datum(heap, depth + 1)?;
                    self.skip_blanks(heap, depth)?;
                    let end = self.place;
                    return match self.next() {
                        Some(')') => Ok(count),
                        None => Err(self.unfinished("a list", place)),
                        Some(_) => Err(self.fault("one form follows a `.`", end)),
                    };
                }
                Some(_) => self.datum(heap, depth + 1)?,
            }
            count += 1;
        }
    }

    fn is_lone_dot(&self) -> bool {
        self.text.get(self.at + 1).is_none_or(|c| is_delimiter(*c))
    }

    fn string(&mut self, heap: &mut Heap, place: Place) -> Result<(), Fault> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.unfinished("a string", place)),
                Some('"') => break,
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('"' | '\\')) => text.push(c),
                    Some('\n') => self.skip_while(char::is_whitespace),
                    Some(c) => {
                        return Err(self.fault(&format!("unknown escape `\\{c}`"), place));
                    }
                    None => return Err(self.unfinished("a string", place)),
                },
                Some(c) => text.push(c),
            }
        }
        let string = heap.string(&text)?;
        heap.push(string);
        Ok(())
    }

    fn atom(&mut self, heap: &mut Heap, first: char, place: Place) -> Result<(), Fault> {
        let mut text = String::from(first);
        while let Some(c) = self.peek().filter(|c| !is_delimiter(*c)) {
            text.push(c);
            self.next();
        }
        let value = match text.as_str() {
            "#t" | "#true" => heap.constant(TRUE),
            "#f" | "#false" => GcRef::NULL,
            "#nothing" => heap.constant(NOTHING),
            _ if first == '#' => return Err(self.fault(&format!("unknown syntax `{text}`"), place)),
            _ => match heap.number(&text) {
                Some(number) => number?,
                None => heap.intern(&text)?,
            },
        };
        heap.push(value);
        Ok(())
    }
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"' | ';' | '\'' | '`' | ',')
}

impl Heap {
    /// A string. A safepoint.
    pub(crate) fn string(&mut self, text: &str) -> Result<GcRef, Fault> {
        let id = self.types.id(Kind::Str);
        let mut scope = self.store.scope();
        let string = ArrayRef::from_slice(&mut scope, id, text.as_bytes())?;
        Ok(string.gc_ref(&scope))
    }

    /// The number a text spells, if it is one. A safepoint.
    pub(crate) fn number(&mut self, text: &str) -> Option<Result<GcRef, Fault>> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        if let Ok(int) = text.parse() {
            return Some(self.int(int));
        }
        if digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Some(Err(Fault::new(format!("{text} has more than 64 bits"))));
        }
        text.parse().ok().map(|float| self.float(float))
    }
}
