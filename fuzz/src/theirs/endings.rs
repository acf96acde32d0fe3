//! Errors of the other engine as endings.

use super::Log;
use crate::observe::{Ending, Stop};
use std::fmt;
use wasmtime::{Error, GcHeapOutOfMemory, Store, Tag, ThrownException, Trap, Val};

/// A host function has no result to give.
#[derive(Debug)]
pub(super) struct NoResult;

impl fmt::Display for NoResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no result to give")
    }
}

impl std::error::Error for NoResult {}

/// How a call ended that failed, with the arguments of the exception if there is one whose tag is
/// exported.
pub(super) fn ending(
    store: &mut Store<Log>,
    tags: &[(String, Tag)],
    error: &Error,
) -> (Ending, Vec<Val>) {
    if error.is::<ThrownException>() {
        return thrown(store, tags);
    }
    let ending = if let Some(trap) = error.downcast_ref::<Trap>() {
        of_trap(*trap)
    } else if error.is::<NoResult>() {
        Ending::HostError
    } else if error.is::<GcHeapOutOfMemory<()>>() {
        Ending::Limit(error.to_string())
    } else {
        Ending::Failed(format!("{error:#}"))
    };
    (ending, Vec::new())
}

fn thrown(store: &mut Store<Log>, tags: &[(String, Tag)]) -> (Ending, Vec<Val>) {
    let Some(exception) = store.take_pending_exception() else {
        return (Ending::Failed("no exception".to_owned()), Vec::new());
    };
    let tag = exception.tag(&mut *store).expect("exceptions have tags");
    for (name, other) in tags {
        if Tag::eq(&tag, other, &*store) {
            let args = exception.fields(&mut *store).expect("it was thrown here");
            let args = args.collect();
            return (Ending::Threw(Some(name.clone())), args);
        }
    }
    (Ending::Threw(None), Vec::new())
}

fn of_trap(trap: Trap) -> Ending {
    Ending::Trapped(match trap {
        Trap::UnreachableCodeReached => Stop::Unreachable,
        Trap::IntegerDivisionByZero => Stop::DivisionByZero,
        Trap::IntegerOverflow => Stop::IntegerOverflow,
        Trap::BadConversionToInteger => Stop::InvalidConversion,
        Trap::MemoryOutOfBounds => Stop::MemoryOutOfBounds,
        Trap::TableOutOfBounds => Stop::TableOutOfBounds,
        Trap::ArrayOutOfBounds => Stop::ArrayOutOfBounds,
        Trap::NullReference => Stop::NullReference,
        Trap::IndirectCallToNull => Stop::UninitializedElement,
        Trap::BadSignature => Stop::IndirectCallType,
        Trap::CastFailure => Stop::CastFailure,
        Trap::StackOverflow | Trap::AllocationTooLarge => {
            return Ending::Limit(trap.to_string());
        }
        trap => return Ending::Failed(trap.to_string()),
    })
}
