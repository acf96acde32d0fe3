//! Random programs give the same result on every collector and memory, and in an interpreter.
//!
//! A program keeps references in locals, on the operand stack across nested control, in block and
//! loop parameters, in exceptions and in objects, allocates all the time, and folds what it sees into a checksum.
//! Under zeal every allocation moves every object, so a reference that a stack map misses is stale
//! at its next use; one taken for dead is null, which only the interpreter can tell.

mod oracle;
mod writer;

use super::harness::Program;
use proptest::prelude::*;
use windrow::{CollectorKind, Config, MemoryKind, Zeal};
use windrow_wasm::Engine;

const LOCALS: u32 = 4;

/// Conditions that may hold, which bounds loops.
const FUEL: i32 = 300;

/// A statement that leaves the operand stack as it was.
#[derive(Clone, Debug)]
enum Statement {
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
    /// A local goes through an array and comes back.
    Array {
        to: u32,
        from: u32,
        len: u32,
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

/// A label around a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Block,
    BlockRef,
    Loop,
    LoopRef,
    /// Not for statements to branch to.
    Hidden,
}

impl Label {
    /// Whether branches to it carry a reference.
    fn is_ref(self) -> bool {
        matches!(self, Self::BlockRef | Self::LoopRef)
    }

    /// Whether branches to it lead forward.
    fn is_forward(self) -> bool {
        matches!(self, Self::Block | Self::BlockRef)
    }
}

/// The depth and kind of a label named by any number, if there are labels.
fn label(labels: &[Label], number: usize) -> Option<(usize, Label)> {
    let depth = number.checked_rem(labels.len())?;
    let label = labels[labels.len() - 1 - depth];
    (label != Label::Hidden).then_some((depth, label))
}

/// The bits of the state that a condition looks at.
fn mask(condition: u32) -> i32 {
    i32::try_from(condition % 8).unwrap()
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let local = || 0..LOCALS;
    let leaf = prop_oneof![
        4 => (local(), local(), any::<i32>()).prop_map(|(to, next, value)| Statement::New { to, next, value }),
        2 => (local(), local()).prop_map(|(to, from)| Statement::Follow { to, from }),
        2 => (local(), local()).prop_map(|(from, to)| Statement::Link { from, to }),
        3 => local().prop_map(Statement::Fold),
        1 => (local(), local(), 0..20_u32).prop_map(|(to, from, len)| Statement::Array { to, from, len }),
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

fn run(config: &Config, text: &str) -> i32 {
    Program::new(&Engine::new(config).unwrap(), text)
        .call("run", &[])
        .unwrap()
}

#[test]
fn compiled_code_does_what_an_interpreter_does() {
    let null = Config::new().collector(CollectorKind::Null);
    let zeal = Config::new()
        .collector(CollectorKind::Copying)
        .zeal(Zeal::every(1));
    let checked = zeal.clone().memory(MemoryKind::Checked);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(128));
    let outcome = runner.run(&statements(), |statements| {
        let (text, expected) = (writer::module(&statements), oracle::run(&statements));
        prop_assert_eq!(
            run(&null, &text),
            expected,
            "without collections, in\n{}",
            text
        );
        prop_assert_eq!(run(&zeal, &text), expected, "guarded, in\n{}", text);
        prop_assert_eq!(run(&checked, &text), expected, "checked, in\n{}", text);
        Ok(())
    });
    outcome.unwrap();
}
