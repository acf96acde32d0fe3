//! Programs at random, as trees of statements.

use super::ways::WAYS;
use proptest::prelude::*;

pub(crate) const LOCALS: u32 = 4;

/// Conditions that may hold, which bounds loops.
pub(crate) const FUEL: i32 = 300;

/// A statement that leaves the operand stack as it was.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// A new object that links to another.
    New {
        to: u32,
        next: u32,
        value: i32,
    },
    /// Follows a link.
    Follow {
        to: u32,
        from: u32,
    },
    /// Links one object to another.
    Link {
        from: u32,
        to: u32,
    },
    /// Adds an object's value to the checksum.
    Fold(u32),
    /// A reference goes a way, with collections, at whose end it is the same.
    Through {
        to: u32,
        from: u32,
        way: usize,
    },
    /// A reference waits on the operand stack while the body runs.
    Hold(u32, Vec<Statement>),
    /// Two wait, and become one object.
    HoldTwo {
        to: u32,
        held: [u32; 2],
        body: Vec<Statement>,
    },
    Block(Vec<Statement>),
    /// A block that yields a reference.
    BlockRef {
        to: u32,
        result: u32,
        body: Vec<Statement>,
    },
    Loop {
        condition: u32,
        body: Vec<Statement>,
    },
    /// A loop whose parameter is a reference.
    LoopRef {
        local: u32,
        condition: u32,
        body: Vec<Statement>,
    },
    If {
        condition: u32,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    /// An `if` through which a reference passes as a parameter.
    IfRef {
        to: u32,
        local: u32,
        condition: u32,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    /// A branch to some enclosing label, taken if the condition holds.
    BranchIf {
        label: usize,
        local: u32,
        condition: u32,
    },
    /// The same, always taken, to a label that is not a loop's.
    Branch {
        label: usize,
        local: u32,
    },
    /// Branches out of nested blocks by the checksum.
    Table {
        to: u32,
        locals: [u32; 2],
    },
    Null(u32),
    /// Two references go through a frame as parameters and results, and change places.
    Swap {
        locals: [u32; 2],
        frame: Frame,
        condition: u32,
        body: Vec<Statement>,
    },
    /// Throws a reference with one of two tags if the condition holds, here or in a function.
    Throw {
        local: u32,
        tag: usize,
        condition: u32,
        calls: bool,
    },
    /// Catches what the body throws with some of the tags, folds the reference, and may throw the
    /// exception again.
    Catch {
        to: u32,
        tags: [bool; 2],
        again: Option<u32>,
        legacy: bool,
        body: Vec<Statement>,
    },
}

/// A frame with parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frame {
    Block,
    /// Goes round while the condition holds.
    Loop,
    /// Without the condition the references keep their places.
    If,
}

/// A label around a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Block,
    BlockRef,
    Loop,
    LoopRef,
    /// Not for statements to branch to.
    Hidden,
}

impl Label {
    /// Whether branches to it carry a reference.
    pub(crate) fn is_ref(self) -> bool {
        matches!(self, Self::BlockRef | Self::LoopRef)
    }

    /// Whether branches to it lead forward.
    pub(crate) fn is_forward(self) -> bool {
        matches!(self, Self::Block | Self::BlockRef)
    }
}

/// The depth and kind of a label named by any number, if there are labels.
pub(crate) fn label(labels: &[Label], number: usize) -> Option<(usize, Label)> {
    let depth = number.checked_rem(labels.len())?;
    let label = labels[labels.len() - 1 - depth];
    (label != Label::Hidden).then_some((depth, label))
}

/// The bits of the state that a condition looks at.
pub(crate) fn mask(condition: u32) -> i32 {
    i32::try_from(condition % 8).unwrap()
}

pub(crate) fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let local = || 0..LOCALS;
    let leaf = prop_oneof![
        4 => (local(), local(), any::<i32>()).prop_map(|(to, next, value)| Statement::New { to, next, value }),
        2 => (local(), local()).prop_map(|(to, from)| Statement::Follow { to, from }),
        2 => (local(), local()).prop_map(|(from, to)| Statement::Link { from, to }),
        3 => local().prop_map(Statement::Fold),
        4 => (local(), local(), 0..WAYS.len())
            .prop_map(|(to, from, way)| Statement::Through { to, from, way }),
        2 => (any::<usize>(), local(), any::<u32>())
            .prop_map(|(label, local, condition)| Statement::BranchIf { label, local, condition }),
        1 => (any::<usize>(), local()).prop_map(|(label, local)| Statement::Branch { label, local }),
        1 => (local(), [local(), local()]).prop_map(|(to, locals)| Statement::Table { to, locals }),
        1 => local().prop_map(Statement::Null),
        3 => (local(), 0..2_usize, any::<u32>(), any::<bool>()).prop_map(
            |(local, tag, condition, calls)| Statement::Throw { local, tag, condition, calls }
        ),
    ];
    let one = leaf.prop_recursive(4, 48, 5, move |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..5);
        prop_oneof![
            (local(), list()).prop_map(|(local, body)| Statement::Hold(local, body)),
            (local(), [local(), local()], list()).prop_map(|(to, held, body)| Statement::HoldTwo {
                to,
                held,
                body
            }),
            list().prop_map(Statement::Block),
            (
                local(),
                any::<[bool; 2]>(),
                any::<Option<u32>>(),
                any::<bool>(),
                list()
            )
                .prop_map(|(to, tags, again, legacy, body)| Statement::Catch {
                    to,
                    tags,
                    again,
                    legacy,
                    body
                }),
            (local(), local(), list()).prop_map(|(to, result, body)| Statement::BlockRef {
                to,
                result,
                body
            }),
            (any::<u32>(), list())
                .prop_map(|(condition, body)| Statement::Loop { condition, body }),
            (local(), any::<u32>(), list()).prop_map(|(local, condition, body)| {
                Statement::LoopRef {
                    local,
                    condition,
                    body,
                }
            }),
            (any::<u32>(), list(), list()).prop_map(|(condition, then, otherwise)| Statement::If {
                condition,
                then,
                otherwise
            }),
            (
                [local(), local()],
                prop_oneof![Just(Frame::Block), Just(Frame::Loop), Just(Frame::If)],
                any::<u32>(),
                list()
            )
                .prop_map(|(locals, frame, condition, body)| Statement::Swap {
                    locals,
                    frame,
                    condition,
                    body
                }),
            (local(), local(), any::<u32>(), list(), list()).prop_map(
                |(to, local, condition, then, otherwise)| {
                    Statement::IfRef {
                        to,
                        local,
                        condition,
                        then,
                        otherwise,
                    }
                }
            ),
        ]
    });
    prop::collection::vec(one, 1..8)
}
