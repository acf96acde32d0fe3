//! Operators, reduced to what liveness is concerned with.

use wasmparser::{Catch, Operator};

/// One operator, as far as liveness is concerned. Locals are numbered among reference locals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Block,
    Loop,
    If,
    Else,
    End,
    /// An unconditional branch.
    Branch(u32),
    /// A branch that may fall through.
    BranchIf(u32),
    /// A branch to one of several labels.
    BranchTable(Vec<u32>),
    /// Return or trap.
    Stop,
    Read(u32),
    Write(u32),
    /// A safepoint that does not throw.
    Safepoint,
    /// A safepoint that may throw.
    Call,
    /// A safepoint, then an exception for sure.
    Throw,
    /// An exception for sure.
    Rethrow,
    TryTable {
        /// The labels its exceptions lead to, as depths outside of it.
        labels: Vec<u32>,
        /// Whether it takes every exception.
        catches_all: bool,
    },
    Try,
    /// A handler of a `try`.
    Catch,
    /// The handler of all exceptions of a `try`.
    CatchAll,
    /// Ends a `try` whose exceptions are handled from the frame at this depth outwards.
    Delegate(u32),
}

/// Whether an operator is a safepoint. A trap is none: its frames are never looked at again.
pub(crate) const fn is_safepoint(op: &Operator<'_>) -> bool {
    matches!(
        op,
        Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::Throw { .. }
            | Operator::StructNew { .. }
            | Operator::StructNewDefault { .. }
            | Operator::ArrayNew { .. }
            | Operator::ArrayNewDefault { .. }
            | Operator::ArrayNewFixed { .. }
            | Operator::ArrayNewData { .. }
            | Operator::ArrayNewElem { .. }
    )
}

impl Step {
    /// The step an operator takes, if any. `local` numbers reference locals.
    pub(crate) fn of(op: &Operator<'_>, local: impl FnOnce(u32) -> Option<u32>) -> Option<Self> {
        Some(match op {
            Operator::Block { .. } => Self::Block,
            Operator::Loop { .. } => Self::Loop,
            Operator::If { .. } => Self::If,
            Operator::Else => Self::Else,
            Operator::End => Self::End,
            Operator::Br { relative_depth } => Self::Branch(*relative_depth),
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth }
            | Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => Self::BranchIf(*relative_depth),
            Operator::BrTable { targets } => {
                let mut depths: Vec<u32> = targets.targets().filter_map(Result::ok).collect();
                depths.push(targets.default());
                depths.sort_unstable();
                depths.dedup();
                Self::BranchTable(depths)
            }
            Operator::Return
            | Operator::Unreachable
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => Self::Stop,
            Operator::LocalGet { local_index } => Self::Read(local(*local_index)?),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                Self::Write(local(*local_index)?)
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                Self::Call
            }
            Operator::Throw { .. } => Self::Throw,
            Operator::ThrowRef | Operator::Rethrow { .. } => Self::Rethrow,
            Operator::TryTable { try_table } => Self::try_table(&try_table.catches),
            Operator::Try { .. } => Self::Try,
            Operator::Catch { .. } => Self::Catch,
            Operator::CatchAll => Self::CatchAll,
            Operator::Delegate { relative_depth } => Self::Delegate(*relative_depth),
            op if is_safepoint(op) => Self::Safepoint,
            _ => return None,
        })
    }

    fn try_table(catches: &[Catch]) -> Self {
        let mut catches_all = false;
        let labels = catches.iter().map(|catch| match *catch {
            Catch::One { label, .. } | Catch::OneRef { label, .. } => label,
            Catch::All { label } | Catch::AllRef { label } => {
                catches_all = true;
                label
            }
        });
        Self::TryTable {
            labels: labels.collect(),
            catches_all,
        }
    }
}
