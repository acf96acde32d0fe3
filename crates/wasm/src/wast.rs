//! Runs scripts in the format of WebAssembly's test suite (`.wast`) on this engine.
//!
//! A script is a list of directives: modules to instantiate, functions to call, and assertions
//! about what calls return, where they trap, and which modules are refused. Each script gets an
//! engine and one store of its own, so that its modules can be linked with one another, and the
//! `spectest` module that the suite expects of a host.
//!
//! Refused modules are compared by how they are refused, not by wording: a validator's sentences
//! are not part of the standard. Traps are compared by kind. A directive that needs a feature the
//! engine does not have is skipped with the feature's name, and so is all that depends on it.

mod arguments;
mod patterns;
mod session;
mod spectest;
#[cfg(test)]
mod tests;

use crate::engine::Engine;
use crate::error::Error;
use crate::options::EngineOptions;
use session::Session;
use std::fmt;
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::token::Span;
use wast::{Wast, WastDirective};
use windrow::Config;

/// What came of a script.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScriptReport {
    /// How many directives did what they should.
    pub passed: u64,
    /// Those that did not, in order.
    pub failed: Vec<Finding>,
    /// Those that could not be tried, in order.
    pub skipped: Vec<Finding>,
    /// How often the script's heap was collected.
    pub collections: u64,
}

/// A directive that failed or was skipped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The line it starts on, from 1.
    pub line: usize,
    /// Its keyword.
    pub directive: &'static str,
    /// What is wrong, or what is missing.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}: {}",
            self.line, self.directive, self.message
        )
    }
}

/// Why a directive did not pass.
#[derive(Clone, Debug)]
enum Stop {
    /// The engine did something else than it should.
    Failed(String),
    /// The engine has not what the directive needs.
    Skipped(String),
}

/// Fails a directive.
fn fail<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(message.into()))
}

/// An error that no assertion expects.
impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Unsupported { feature, .. } => Self::Skipped(feature.to_owned()),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<wast::Error> for Stop {
    fn from(error: wast::Error) -> Self {
        Self::Failed(error.message())
    }
}

/// Runs a script in a store made from `config`. `name` is used in messages about its text.
///
/// Modules compile as they are met, and stay until the end of the script.
///
/// # Errors
/// [`Error::Text`] if the script cannot be parsed; what [`Engine::new`] and [`Engine::new_store`]
/// return.
pub fn run_script(config: &Config, name: &str, text: &str) -> Result<ScriptReport, Error> {
    run_script_with(config, EngineOptions::new(), name, text)
}

/// As [`run_script`], in an engine with options of its own.
///
/// # Errors
/// As [`run_script`].
pub fn run_script_with(
    config: &Config,
    options: EngineOptions,
    name: &str,
    text: &str,
) -> Result<ScriptReport, Error> {
    let unreadable = |mut error: wast::Error| {
        error.set_path(name.as_ref());
        error.set_text(text);
        Error::Text {
            message: error.to_string(),
        }
    };
    let mut lexer = Lexer::new(text);
    // The suite tests such characters in names.
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(unreadable)?;
    let script = parse::<Wast<'_>>(&buffer).map_err(unreadable)?;
    let mut session = Session::new(Engine::with_options(config, options)?)?;
    let mut report = ScriptReport::default();
    for directive in script.directives {
        let (keyword, span) = (keyword(&directive), directive.span());
        let finding = |message| Finding {
            line: line(span, text),
            directive: keyword,
            message,
        };
        match session.run(directive) {
            Ok(()) => report.passed += 1,
            Err(Stop::Failed(message)) => report.failed.push(finding(message)),
            Err(Stop::Skipped(reason)) => report.skipped.push(finding(reason)),
        }
    }
    report.collections = session.collections();
    Ok(report)
}

fn line(span: Span, text: &str) -> usize {
    span.linecol_in(text).0 + 1
}

const fn keyword(directive: &WastDirective<'_>) -> &'static str {
    match directive {
        WastDirective::Module(_) => "module",
        WastDirective::ModuleDefinition(_) => "module definition",
        WastDirective::ModuleInstance { .. } => "module instance",
        WastDirective::AssertMalformed { .. } => "assert_malformed",
        WastDirective::AssertInvalid { .. } => "assert_invalid",
        WastDirective::AssertInvalidCustom { .. } => "assert_invalid_custom",
        WastDirective::AssertMalformedCustom { .. } => "assert_malformed_custom",
        WastDirective::Register { .. } => "register",
        WastDirective::Invoke(_) => "invoke",
        WastDirective::AssertTrap { .. } => "assert_trap",
        WastDirective::AssertReturn { .. } => "assert_return",
        WastDirective::AssertExhaustion { .. } => "assert_exhaustion",
        WastDirective::AssertUnlinkable { .. } => "assert_unlinkable",
        WastDirective::AssertException { .. } => "assert_exception",
        WastDirective::AssertSuspension { .. } => "assert_suspension",
        WastDirective::Thread(_) => "thread",
        WastDirective::Wait { .. } => "wait",
    }
}
