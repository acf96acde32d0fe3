//! What can go wrong with a module, an instance or a call, as data a caller can act on.

use crate::exception::Exception;
use crate::trap::{Trap, TrapKind};
use std::fmt;
use windrow::{Bytes, HeapError, TypeError};
use windrow_stack::StackError;

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no bytes.
    #[error("the module is empty; give it a WebAssembly binary or text")]
    Empty,
    /// The text format could not be read.
    #[error("the text of the module is not valid: {message}")]
    Text {
        /// What is wrong and where, with an excerpt.
        message: String,
    },
    /// The binary is malformed or not valid.
    #[error("the module is not valid: {message} (at byte {offset:#x})")]
    Invalid {
        /// What is wrong.
        message: String,
        /// Where, in bytes from the start of the binary.
        offset: u64,
    },
    /// The module uses a feature this engine does not have.
    #[error(
        "the module uses {feature}, which windrow does not support: {message} (at byte {offset:#x})"
    )]
    Unsupported {
        /// The feature's name.
        feature: &'static str,
        /// What uses it.
        message: String,
        /// Where, in bytes from the start of the binary.
        offset: u64,
    },
    /// A function could not be compiled.
    #[error("{} cannot be compiled: {reason}", function.as_deref().unwrap_or("the module"))]
    Compile {
        /// Which function.
        function: Option<String>,
        /// Why.
        reason: String,
    },
    /// The system refused memory or address space.
    #[error("the system refuses {} of memory ({reason}); drop unused modules and stores", Bytes(*bytes))]
    Reservation {
        /// Bytes asked for.
        bytes: u64,
        /// What the system said.
        reason: String,
    },
    /// Nothing was defined for an import.
    #[error("the import {module:?} {name:?} is missing: define it as {ty}")]
    MissingImport {
        /// The import's module name.
        module: String,
        /// The import's name in it.
        name: String,
        /// What it must be.
        ty: String,
    },
    /// What was defined for an import is not what the module needs.
    #[error(
        "the import {module:?} {name:?} has the wrong type (incompatible import type): {expected} expected, {found} found"
    )]
    ImportType {
        /// The import's module name.
        module: String,
        /// The import's name in it.
        name: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A call with the wrong number of arguments.
    #[error("the function takes {expected} arguments, {given} were given")]
    ArgumentCount {
        /// How many it takes.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// A value of the wrong type.
    #[error("{what} must be {expected}, {found} was given")]
    ValueType {
        /// Which value.
        what: String,
        /// The type it must have.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A global that cannot be set.
    #[error("the global is not mutable")]
    Immutable,
    /// An object of one store was used with another.
    #[error("{what} belongs to another store")]
    WrongStore {
        /// What kind of object.
        what: &'static str,
    },
    /// A module or function was used with a store that its code does not fit.
    #[error(
        "the module was compiled by another engine, or for another collector or memory, than the store's; make both from one engine"
    )]
    WrongEngine,
    /// Something was asked of an engine that its options leave out.
    #[error(
        "code of this engine does not look for {what}; make the engine with EngineOptions::{option}(true)"
    )]
    NotCompiledIn {
        /// What code would have to look for.
        what: &'static str,
        /// The option.
        option: &'static str,
    },
    /// The program was stopped.
    #[error("{0}")]
    Trap(#[from] Trap),
    /// The program threw an exception that it did not catch; from a host function: an exception to
    /// throw.
    #[error("{0}")]
    Exception(#[from] Exception),
    /// The heap refused something outside of a program.
    #[error(transparent)]
    Heap(HeapError),
    /// Code or handlers could not be registered.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The program ended itself with this code; 0 means success.
    #[error("the program exited with code {0}")]
    Exit(u32),
    /// A directory that a program was to be given cannot be opened.
    #[error("the directory `{path}` cannot be opened: {reason}")]
    Directory {
        /// The directory.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The names of a module's functions could not be written for profilers.
    #[error(
        "the map of functions `{path}` cannot be written: {reason}; leave out EngineOptions::perf_map"
    )]
    PerfMap {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// An argument, variable or name that a program cannot be given.
    #[error("{what} {reason}")]
    Environment {
        /// What it is.
        what: String,
        /// Why not.
        reason: &'static str,
    },
    /// A host function failed.
    #[error("{0}")]
    Host(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error of a host function.
    pub fn host(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Host(error.into())
    }

    /// The trap, if this is one.
    #[must_use]
    pub const fn as_trap(&self) -> Option<&Trap> {
        match self {
            Self::Trap(trap) => Some(trap),
            _ => None,
        }
    }

    pub(crate) fn compile(function: Option<String>, reason: &dyn fmt::Display) -> Self {
        Self::Compile {
            function,
            reason: reason.to_string(),
        }
    }
}

impl From<TrapKind> for Error {
    fn from(kind: TrapKind) -> Self {
        Self::Trap(Trap::new(kind))
    }
}

impl From<TypeError> for Error {
    fn from(error: TypeError) -> Self {
        match error {
            TypeError::Exhausted(error) => Self::Heap(error),
            error => Self::compile(None, &error),
        }
    }
}

impl From<HeapError> for Error {
    fn from(error: HeapError) -> Self {
        Self::Heap(error)
    }
}

impl From<wasmparser::Error> for Error {
    fn from(error: wasmparser::Error) -> Self {
        let (message, offset) = (error.message().to_owned(), error.offset());
        let missing = error.missing_wasm_feature();
        let feature = missing.and_then(crate::module::feature_name);
        match feature {
            Some(feature) => Self::Unsupported {
                feature,
                message,
                offset,
            },
            None => Self::Invalid { message, offset },
        }
    }
}
