//! The two kinds of JSON in a snapshot: long lists of numbers, and strings.

use hashbrown::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes lists of numbers, a line for each few, through a buffer.
pub(super) struct Numbers<'o> {
    out: &'o mut dyn Write,
    buffer: Vec<u8>,
    is_first: bool,
}

impl<'o> Numbers<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            is_first: true,
        }
    }

    /// The next line is the first of a list.
    pub(super) const fn start(&mut self) {
        self.is_first = true;
    }

    /// Numbers of a list.
    pub(super) fn line(&mut self, numbers: &[u64]) -> io::Result<()> {
        for (index, number) in numbers.iter().enumerate() {
            if index > 0 || !std::mem::take(&mut self.is_first) {
                self.buffer.push(b',');
            }
            self.number(*number);
        }
        self.buffer.push(b'\n');
        self.write_if_full()
    }

    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).expect("a digit");
            start -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.buffer.extend(digits.iter().skip(start));
    }

    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        self.buffer.extend_from_slice(text.as_bytes());
        self.write_if_full()
    }

    fn write_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BUFFER_BYTES - 256 {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes what is gathered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }
}

/// A table of strings.
#[derive(Default)]
pub(super) struct Strings {
    strings: Vec<Arc<str>>,
    indices: HashMap<Arc<str>, u64>,
}

impl Strings {
    /// The string's index, a new one if it is new.
    pub(super) fn index(&mut self, string: &str) -> u64 {
        if let Some(index) = self.indices.get(string) {
            return *index;
        }
        let index = self.strings.len() as u64;
        let string: Arc<str> = string.into();
        self.strings.push(Arc::clone(&string));
        self.indices.insert(string, index);
        index
    }

    /// The strings as elements of a list.
    pub(super) fn write(&self, out: &mut Numbers<'_>) -> io::Result<()> {
        for (index, string) in self.strings.iter().enumerate() {
            out.text(if index == 0 { "\"" } else { ",\n\"" })?;
            out.text(&escaped(string))?;
            out.text("\"")?;
        }
        Ok(())
    }
}

/// A string as JSON writes it between quotes.
fn escaped(string: &str) -> String {
    let mut escaped = String::with_capacity(string.len());
    for letter in string.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            control if u32::from(control) < 0x20 => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_and_strings_read_back(
            lines in prop::collection::vec(prop::array::uniform3(any::<u64>()), 0..50),
            strings in prop::collection::vec(any::<String>(), 0..50),
        ) {
            let mut out = Vec::new();
            let mut numbers = Numbers::new(&mut out);
            numbers.text("[[").unwrap();
            for line in &lines {
                numbers.line(line).unwrap();
            }
            numbers.text("],[").unwrap();
            let mut table = Strings::default();
            let indices: Vec<_> = strings.iter().map(|string| table.index(string)).collect();
            table.write(&mut numbers).unwrap();
            numbers.text("]]").unwrap();
            numbers.flush().unwrap();
            let (read, table): (Vec<u64>, Vec<String>) = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read, lines.concat());
            for (string, index) in strings.iter().zip(indices) {
                prop_assert_eq!(&table[usize::try_from(index).unwrap()], string);
            }
        }
    }
}
