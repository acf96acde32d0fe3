//! How a command fails: with input that cannot be used, with a program that trapped, or with
//! scripts that failed.

use std::fmt;
use windrow_wasm::{Exception, Trap};

/// Why a command ends with an exit code other than zero.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input cannot be used: one line that says what to do.
    Input(String),
    /// The program was stopped.
    Trap(Trap),
    /// So many directives of scripts failed, which were listed already.
    Scripts(usize),
    /// The program threw an exception that it did not catch.
    Exception(Exception),
}

impl Failure {
    /// Bad input, its description made to fit one line.
    pub(crate) fn input(message: impl AsRef<str>) -> Self {
        Self::Input(one_line(message.as_ref()))
    }

    /// The process's exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Trap(_) | Self::Exception(_) | Self::Scripts(_) => 1,
            Self::Input(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(line) => write!(f, "error: {line}"),
            Self::Trap(trap) => write!(f, "trap: {trap}"),
            Self::Scripts(1) => f.write_str("failed: 1 directive"),
            Self::Scripts(count) => write!(f, "failed: {count} directives"),
            Self::Exception(exception) => write!(f, "trap: {exception}"),
        }
    }
}

impl From<Trap> for Failure {
    fn from(trap: Trap) -> Self {
        Self::Trap(trap)
    }
}

/// A message without line breaks and control characters. The excerpt of source text that errors of
/// the text format carry is left out, and its place (`--> file:line:column`) put into words.
fn one_line(message: &str) -> String {
    let mut line = String::new();
    for part in message.lines().map(str::trim) {
        if let Some(place) = part.strip_prefix("--> ") {
            let mut numbers = place.rsplitn(3, ':');
            if let (Some(column), Some(row)) = (numbers.next(), numbers.next()) {
                line.push_str(&format!(" at line {row}, column {column}"));
            }
            break;
        }
        if !line.is_empty() && !part.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    line.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_made_one_line() {
        let excerpt =
            "not valid: expected `(`\n     --> <anon>:3:14\n      |\n    3 | )\n      | ^";
        assert_eq!(
            one_line(excerpt),
            "not valid: expected `(` at line 3, column 14"
        );
        assert_eq!(one_line("a\n  b\n\nc"), "a b c");
        assert_eq!(one_line("bell \u{7} in a name"), "bell \u{fffd} in a name");
    }

    #[test]
    fn exit_codes() {
        assert_eq!(Failure::input("x").exit_code(), 2);
        let trap = Failure::from(Trap::new(windrow_wasm::TrapKind::Unreachable));
        assert_eq!(trap.exit_code(), 1);
        assert_eq!(trap.to_string(), "trap: unreachable");
    }
}
