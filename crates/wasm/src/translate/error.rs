//! Why a function body is refused, and the names of the proposals this engine has not.

use wasmparser::Operator;
use windrow_cranelift::CompileError;

/// Why a function body could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TranslateError {
    /// The body is malformed or invalid.
    #[error("{0}")]
    Invalid(#[from] wasmparser::Error),
    /// The body uses a feature this engine does not have.
    #[error(
        "the {proposal} proposal is not supported (at offset {offset:#x}); compile the module without it"
    )]
    Unsupported {
        /// The proposal, as the specification calls it.
        proposal: &'static str,
        /// Where the instruction is, in bytes from the start of the module.
        offset: u64,
    },
    /// The body uses vectors, and the machine lacks the instructions.
    #[error(
        "vector instructions need a processor with {extension}, which this one lacks (at offset {offset:#x}); compile the module without them"
    )]
    Processor {
        /// What is missing.
        extension: &'static str,
        /// Where the instruction is, in bytes from the start of the module.
        offset: u64,
    },
    /// The body keeps so many references alive over so many calls that its stack maps would take
    /// more memory than a function is worth.
    #[error(
        "the function keeps too many references over too many calls (more than {MAX_SPILLS} in all); split it"
    )]
    TooManyReferences,
    /// The code generator refused the function, which no valid body should make it do.
    #[error(transparent)]
    Codegen(#[from] CompileError),
}

/// References over calls, counted once a call, that one function may have. Each costs about three
/// hundred bytes while the function is compiled.
pub(super) const MAX_SPILLS: usize = 1 << 21;

/// The proposal an operator belongs to.
pub(super) fn proposal(op: &Operator<'_>) -> &'static str {
    macro_rules! proposal {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match op {
                $(Operator::$op { .. } => proposal!(@name $proposal),)*
                _ => "a later",
            }
        };
        (@name threads) => { "threads" };
        (@name memory_control) => { "memory control" };
        (@name wide_arithmetic) => { "wide arithmetic" };
        (@name stack_switching) => { "stack switching" };
        (@name custom_descriptors) => { "custom descriptors" };
        (@name shared_everything_threads) => { "shared-everything threads" };
        (@name $proposal:ident) => { stringify!($proposal) };
    }
    wasmparser::for_each_operator!(proposal)
}
