//! What the compiler makes and the machine runs: instructions for a stack machine.
//!
//! Code is the host's and not a value: closures know theirs by number. Quoted data and the symbols of
//! global variables are constants of the heap, which code knows by index. Variables live in frames:
//! arrays in the heap whose first element is the frame around, so that a variable is how many frames
//! out it is, and which element.

use super::fault::Place;
use std::rc::Rc;

/// One instruction. What it pops and pushes is on the value stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// Pushes a constant of the heap.
    Constant(u32),
    Int(i32),
    False,
    Local {
        depth: u16,
        slot: u16,
    },
    /// Pops into a variable.
    SetLocal {
        depth: u16,
        slot: u16,
    },
    /// The value of the symbol at an index of the constants.
    Global(u32),
    SetGlobal(u32),
    DefineGlobal(u32),
    Pop,
    /// Pushes the top once more.
    Dup,
    /// Exchanges the two on top.
    Swap,
    Jump(u32),
    /// Pops; jumps if it was false.
    JumpIfFalse(u32),
    /// Jumps if the top is false, and pops it otherwise.
    JumpIfFalseKeep(u32),
    JumpIfTrueKeep(u32),
    /// A closure of the code with a number over the frame of now.
    Closure(u32),
    /// Pops `count` values into a new frame of `size` elements, which becomes the frame of now.
    PushFrame {
        count: u16,
        size: u16,
    },
    /// Back to the frame around.
    PopFrame,
    /// Calls what lies below this many arguments.
    Call(u16),
    TailCall(u16),
    /// Calls a global variable's value; nothing lies below the arguments.
    CallGlobal {
        symbol: u32,
        count: u16,
    },
    TailCallGlobal {
        symbol: u32,
        count: u16,
    },
    /// Calls a built-in procedure, whatever its name means by now.
    CallBuiltin {
        number: u16,
        count: u16,
    },
    Return,
}

/// The code of one procedure, or of a form at the top.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// For people.
    pub(crate) name: Rc<str>,
    pub(crate) file: Rc<str>,
    pub(crate) params: u16,
    /// Whether one more parameter takes the arguments that are left, as a list.
    pub(crate) has_rest: bool,
    /// Elements of its frame: the frame around, parameters, variables defined inside.
    pub(crate) frame_size: u16,
    pub(crate) ops: Vec<Op>,
    /// From which instruction on which form is run.
    pub(crate) places: Vec<(u32, Place)>,
}

impl Code {
    /// Where the instruction before `at` comes from.
    pub(crate) fn place(&self, at: usize) -> Option<Place> {
        let after = |(from, _): &(u32, Place)| (*from as usize) < at;
        let count = self.places.partition_point(after);
        self.places[..count].last().map(|(_, place)| *place)
    }
}

/// Words that mean something to the compiler: a symbol's `syntax` is the index here, plus one.
pub(crate) const SYNTAX: &[(&str, Syntax)] = &[
    ("quote", Syntax::Quote),
    ("quasiquote", Syntax::Quasiquote),
    ("unquote", Syntax::Unquote),
    ("unquote-splicing", Syntax::UnquoteSplicing),
    ("if", Syntax::If),
    ("define", Syntax::Define),
    ("set!", Syntax::Set),
    ("lambda", Syntax::Lambda),
    ("begin", Syntax::Begin),
    ("let", Syntax::Let),
    ("let*", Syntax::LetStar),
    ("letrec", Syntax::Letrec),
    ("letrec*", Syntax::Letrec),
    ("and", Syntax::And),
    ("or", Syntax::Or),
    ("when", Syntax::When),
    ("unless", Syntax::Unless),
    ("cond", Syntax::Cond),
    ("case", Syntax::Case),
    ("do", Syntax::Do),
    ("else", Syntax::Else),
    ("=>", Syntax::Arrow),
    ("assert", Syntax::Assert),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syntax {
    Quote,
    Quasiquote,
    Unquote,
    UnquoteSplicing,
    If,
    Define,
    Set,
    Lambda,
    Begin,
    Let,
    LetStar,
    Letrec,
    And,
    Or,
    When,
    Unless,
    Cond,
    Case,
    Do,
    Else,
    Arrow,
    Assert,
}
