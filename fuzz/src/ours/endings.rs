//! Errors of this engine as endings.

use crate::observe::{Ending, Stop};
use windrow::{HeapError, Store, Val};
use windrow_wasm::{Error, Extern, TrapKind};

/// What a host function says that has no result to give.
pub(crate) const NO_RESULT: &str = "no result to give";

/// How a call ended that failed, with the arguments of the exception if there is one whose tag is
/// exported.
pub(crate) fn ending(
    store: &mut Store,
    exports: &[(String, Extern)],
    error: &Error,
) -> (Ending, Vec<Val>) {
    let ending = match error {
        Error::Trap(trap) => of_trap(&trap.kind),
        Error::Exception(exception) => {
            for (name, item) in exports {
                if let Extern::Tag(tag) = item
                    && let Ok(Some(args)) = exception.args(store, tag)
                {
                    return (Ending::Threw(Some(name.clone())), args);
                }
            }
            Ending::Threw(None)
        }
        Error::Heap(HeapError::HeapFull { .. }) | Error::Reservation { .. } => {
            Ending::Limit(error.to_string())
        }
        Error::Host(error) if error.to_string() == NO_RESULT => Ending::HostError,
        error => Ending::Failed(error.to_string()),
    };
    (ending, Vec::new())
}

fn of_trap(kind: &TrapKind) -> Ending {
    Ending::Trapped(match kind {
        TrapKind::Unreachable => Stop::Unreachable,
        TrapKind::DivisionByZero => Stop::DivisionByZero,
        TrapKind::IntegerOverflow => Stop::IntegerOverflow,
        TrapKind::InvalidConversion => Stop::InvalidConversion,
        TrapKind::MemoryOutOfBounds => Stop::MemoryOutOfBounds,
        TrapKind::TableOutOfBounds => Stop::TableOutOfBounds,
        TrapKind::ArrayOutOfBounds => Stop::ArrayOutOfBounds,
        TrapKind::NullReference
        | TrapKind::NullStruct
        | TrapKind::NullArray
        | TrapKind::NullFunction
        | TrapKind::NullI31
        | TrapKind::NullException => Stop::NullReference,
        TrapKind::CastFailure => Stop::CastFailure,
        TrapKind::IndirectCallType => Stop::IndirectCallType,
        TrapKind::UninitializedElement => Stop::UninitializedElement,
        TrapKind::StackExhausted | TrapKind::Heap(HeapError::HeapFull { .. }) => {
            return Ending::Limit(kind.to_string());
        }
        kind => return Ending::Failed(format!("trap: {kind}")),
    })
}
