//! Regular expressions, and the search and replacement of JavaScript's strings.

use super::string::JsString;
use crate::error::Error;
use regress::{Flags, Match, Regex};
use std::ops::Range;

/// A regular expression, as a host value.
#[derive(Debug)]
pub(super) struct RegExp {
    regex: Regex,
    is_global: bool,
}

impl RegExp {
    /// As `new RegExp(pattern, flags)`.
    ///
    /// # Errors
    /// [`Error::Host`] for a pattern or flags that are none.
    pub(super) fn new(pattern: &JsString, flags: &JsString) -> Result<Self, Error> {
        let letters = flags.to_string();
        let is_set: String = letters
            .chars()
            .filter(|flag| "dgimsuvy".contains(*flag))
            .collect();
        if is_set != letters {
            return Err(Error::host(format!(
                "{letters:?} are no flags of a regular expression"
            )));
        }
        let units = pattern.units();
        let code_points = char::decode_utf16(units).map(|decoded| match decoded {
            Ok(code_point) => code_point.into(),
            Err(unpaired) => u32::from(unpaired.unpaired_surrogate()),
        });
        let regex =
            Regex::from_unicode(code_points, Flags::from(letters.as_str())).map_err(|error| {
                Error::host(format!("{pattern:?} is no regular expression: {error}"))
            })?;
        Ok(Self {
            regex,
            is_global: letters.contains('g'),
        })
    }

    /// As `text.replace(regexp, replacement)`, or `None` if the result is too long.
    pub(super) fn replace(&self, text: &JsString, replacement: &JsString) -> Option<JsString> {
        let (text, replacement) = (text.units(), replacement.units());
        let limit = if self.is_global { usize::MAX } else { 1 };
        let mut output = Output::new(&text, &replacement);
        for found in self.regex.find_from_utf16(&text, 0).take(limit) {
            output.replace(found.range(), &found_groups(&found));
        }
        output.finish()
    }
}

fn found_groups(found: &Match) -> Vec<Option<Range<usize>>> {
    found.captures.clone()
}

/// As `text.replace(pattern, replacement)` with a string for a pattern, or `None` if the result is
/// too long.
pub(super) fn replace(
    text: &JsString,
    pattern: &JsString,
    replacement: &JsString,
) -> Option<JsString> {
    let Some(start) = index_of(text, pattern, 0) else {
        return Some(text.clone());
    };
    let (text, replacement) = (text.units(), replacement.units());
    let mut output = Output::new(&text, &replacement);
    output.replace(start..start + pattern.len(), &[]);
    output.finish()
}

/// Where a pattern first occurs at or after an index. Costs at most the product of the lengths.
pub(super) fn index_of(text: &JsString, pattern: &JsString, from: usize) -> Option<usize> {
    let (text, pattern) = (text.units(), pattern.units());
    let last = text.len().checked_sub(pattern.len())?;
    let from = from.min(text.len());
    (from..=last).find(|start| text[*start..].starts_with(&pattern))
}

/// Where a pattern last occurs at or before an index. Costs at most the product of the lengths.
pub(super) fn last_index_of(text: &JsString, pattern: &JsString, from: usize) -> Option<usize> {
    let (text, pattern) = (text.units(), pattern.units());
    let last = text.len().checked_sub(pattern.len())?.min(from);
    (0..=last)
        .rev()
        .find(|start| text[*start..].starts_with(&pattern))
}

/// A text while parts of it are replaced, from left to right.
struct Output<'a> {
    text: &'a [u16],
    replacement: &'a [u16],
    units: Vec<u16>,
    /// Up to where the text is done.
    done: usize,
}

impl<'a> Output<'a> {
    const fn new(text: &'a [u16], replacement: &'a [u16]) -> Self {
        Self {
            text,
            replacement,
            units: Vec::new(),
            done: 0,
        }
    }

    /// Replaces a match, with `$` sequences of the replacement filled in. Does nothing once the
    /// result is too long.
    fn replace(&mut self, found: Range<usize>, groups: &[Option<Range<usize>>]) {
        if self.units.len() > JsString::MAX_UNITS {
            return;
        }
        self.units
            .extend_from_slice(&self.text[self.done..found.start]);
        let mut rest = self.replacement;
        while let Some(at) = rest.iter().position(|unit| *unit == u16::from(b'$')) {
            self.units.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            let (inserted, used) = expand(rest, self.text, &found, groups);
            self.units.extend_from_slice(inserted);
            rest = &rest[used..];
        }
        self.units.extend_from_slice(rest);
        self.done = found.end;
    }

    fn finish(mut self) -> Option<JsString> {
        self.units.extend_from_slice(&self.text[self.done..]);
        (self.units.len() <= JsString::MAX_UNITS).then(|| JsString::from_units(&self.units))
    }
}

/// What a `$` sequence stands for, and how many units it takes. A `$` that begins none is itself.
fn expand<'a>(
    sequence: &'a [u16],
    text: &'a [u16],
    found: &Range<usize>,
    groups: &[Option<Range<usize>>],
) -> (&'a [u16], usize) {
    let ascii = |index: usize| {
        let unit = *sequence.get(index)?;
        u8::try_from(unit).ok()
    };
    let digit = |index: usize| Some(usize::from(ascii(index).filter(u8::is_ascii_digit)? - b'0'));
    let group = |number: usize| {
        let group = groups.get(number.checked_sub(1)?)?;
        Some(group.clone().map_or(&text[..0], |range| &text[range]))
    };
    match ascii(1) {
        Some(b'$') => return (&sequence[..1], 2),
        Some(b'&') => return (&text[found.clone()], 2),
        Some(b'`') => return (&text[..found.start], 2),
        Some(b'\'') => return (&text[found.end..], 2),
        _ => {}
    }
    let two = digit(1)
        .zip(digit(2))
        .and_then(|(tens, ones)| group(10 * tens + ones));
    if let Some(units) = two {
        return (units, 3);
    }
    match digit(1).and_then(group) {
        Some(units) => (units, 2),
        None => (&sequence[..1], 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regexp(text: &str, pattern: &str, flags: &str, replacement: &str) -> String {
        let regexp = RegExp::new(&pattern.into(), &flags.into()).unwrap();
        regexp
            .replace(&text.into(), &replacement.into())
            .unwrap()
            .to_string()
    }

    #[test]
    fn matches_are_replaced() {
        assert_eq!(regexp("%s and %s", "%s", "", "x"), "x and %s");
        assert_eq!(regexp("%s and %s", "%s", "g", "x"), "x and x");
        assert_eq!(
            regexp("John Smith", r"(\w+)\s(\w+)", "", "$2, $1"),
            "Smith, John"
        );
        assert_eq!(regexp("abc", "b", "", "[$`|$&|$'|$$|$1]"), "a[a|b|c|$|$1]c");
        assert_eq!(regexp("abc", "(x)?b", "", "<$1>"), "a<>c");
        assert_eq!(regexp("abc", "(b)", "", "$01$10$2$"), "abb0$2$c");
        assert_eq!(regexp("abc", "", "g", "-"), "-a-b-c-");
        assert_eq!(
            regexp("A\u{1f600}a", "a", "gi", "\u{1f600}"),
            "\u{1f600}\u{1f600}\u{1f600}"
        );
    }

    #[test]
    fn strings_are_replaced_once() {
        let replace = |text: &str, pattern: &str, replacement: &str| {
            replace(&text.into(), &pattern.into(), &replacement.into())
                .unwrap()
                .to_string()
        };
        assert_eq!(replace("a.a", ".", "$&$&"), "a..a");
        assert_eq!(replace("aa", "a", "b"), "ba");
        assert_eq!(replace("aa", "x", "b"), "aa");
        assert_eq!(replace("aa", "", "b"), "baa");
    }

    #[test]
    fn bad_patterns_and_flags_are_errors() {
        for (pattern, flags) in [("(", ""), ("a", "q"), ("[", "g")] {
            let error = RegExp::new(&pattern.into(), &flags.into()).unwrap_err();
            assert!(matches!(error, Error::Host(_)), "{error}");
        }
    }

    #[test]
    fn patterns_are_found_from_either_end() {
        let text = JsString::from("abcabc");
        let find = |pattern: &str, from| index_of(&text, &pattern.into(), from);
        assert_eq!(find("bc", 0), Some(1));
        assert_eq!(find("bc", 2), Some(4));
        assert_eq!(find("bc", 5), None);
        assert_eq!(find("", 3), Some(3));
        assert_eq!(find("", 9), Some(6));
        assert_eq!(find("abcabcd", 0), None);
        let rfind = |pattern: &str, from| last_index_of(&text, &pattern.into(), from);
        assert_eq!(rfind("bc", usize::MAX), Some(4));
        assert_eq!(rfind("bc", 3), Some(1));
        assert_eq!(rfind("bc", 0), None);
        assert_eq!(rfind("abc", 0), Some(0));
        assert_eq!(rfind("", 9), Some(6));
        assert_eq!(rfind("abcabcd", 9), None);
    }
}
