//! The machine: runs code on the value stack.
//!
//! A call in progress has its frame on the value stack, at `base`, and its temporaries above; where to
//! go on afterwards is in an [`Activation`], which holds no reference. So recursion takes neither the
//! host's stack nor more than a few words a level, and a tail call takes nothing: it replaces its
//! caller's frame.

use super::code::{Code, Op};
use super::compiler::compile;
use super::fault::{Fault, Place};
use super::heap::{Heap, NOTHING};
use super::reader::Reader;
use super::types::Kind;
use std::io::Write;
use std::rc::Rc;
use windrow::{Config, GcRef};

/// Callers that a message names.
const NAMED_CALLERS: usize = 6;

/// Code of the machine's own: calls a thunk, its handler at `base`.
pub(super) const TRY: u32 = 0;
/// Calls a handler with a message.
const HANDLE: u32 = 1;

/// A procedure that waits for another to return.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activation {
    pub(super) code: u32,
    pub(super) at: u32,
    pub(super) base: u32,
}

/// The procedure that runs.
pub(super) struct Registers {
    pub(super) number: u32,
    pub(super) code: Rc<Code>,
    /// The next instruction.
    pub(super) at: usize,
    /// Where its frame is on the value stack.
    pub(super) base: usize,
}

/// Where the procedure to be called is.
#[derive(Clone, Copy)]
pub(super) enum Callee {
    /// On the stack, below its arguments.
    Below,
    /// The value of the symbol at an index of the constants.
    Global(u32),
}

/// A Lisp: heap, code, and where output goes.
pub(crate) struct Lisp {
    pub(crate) heap: Heap,
    pub(crate) out: Box<dyn Write>,
    pub(super) codes: Vec<Rc<Code>>,
    pub(super) calls: Vec<Activation>,
}

impl Lisp {
    /// A Lisp with its library.
    pub(crate) fn new(config: &Config, out: Box<dyn Write>) -> Result<Self, Fault> {
        let own = |name: &str, ops: Vec<Op>| {
            Rc::new(Code {
                name: name.into(),
                file: "".into(),
                params: 0,
                has_rest: false,
                frame_size: 1,
                ops,
                places: Vec::new(),
            })
        };
        let mut lisp = Self {
            heap: Heap::new(config)?,
            out,
            codes: vec![
                own("try", vec![Op::Call(0), Op::Return]),
                own("try", vec![Op::Call(1), Op::Return]),
            ],
            calls: Vec::new(),
        };
        lisp.heap.define_words()?;
        lisp.run("prelude.lisp", include_str!("prelude.lisp"))?;
        Ok(lisp)
    }

    /// Runs all forms of a text.
    pub(crate) fn run(&mut self, file: &str, text: &str) -> Result<(), Fault> {
        let mut reader = Reader::new(file, text);
        while self.run_next(&mut reader)? {
            self.heap.pop();
        }
        Ok(())
    }

    /// Runs the next form, if there is one, and pushes its value.
    pub(crate) fn run_next(&mut self, reader: &mut Reader) -> Result<bool, Fault> {
        let height = self.heap.height();
        let result = self.try_next(reader);
        if result.is_err() {
            self.heap.stack().truncate(height);
            self.calls.clear();
        }
        result
    }

    fn try_next(&mut self, reader: &mut Reader) -> Result<bool, Fault> {
        let Some(place) = reader.read(&mut self.heap)? else {
            return Ok(false);
        };
        let number = compile(&mut self.heap, &mut self.codes, &reader.file, place)?;
        let value = self.execute(number)?;
        self.heap.push(value);
        Ok(true)
    }

    fn execute(&mut self, number: u32) -> Result<GcRef, Fault> {
        let mut registers = self.enter(number, self.heap.height());
        self.heap.push(GcRef::NULL);
        loop {
            match self.step(&mut registers) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => {}
                Err(fault) => {
                    let fault = self.explain(fault, &registers);
                    registers = self.recover(fault, &registers)?;
                }
            }
        }
    }

    pub(super) fn enter(&self, number: u32, base: usize) -> Registers {
        Registers {
            number,
            code: Rc::clone(&self.codes[number as usize]),
            at: 0,
            base,
        }
    }

    // ---- Errors. ----

    /// Adds place and callers to a fault.
    fn explain(&self, mut fault: Fault, now: &Registers) -> Fault {
        if let Some(place) = now.code.place(now.at) {
            fault = fault.at(&now.code.file, place);
        }
        let mut name = &now.code.name;
        for call in self.calls.iter().rev().take(NAMED_CALLERS) {
            let code = &self.codes[call.code as usize];
            if let Some(Place { line, column }) = code.place(call.at as usize) {
                let file = &code.file;
                let caller = format!("in {name}, called at {file}:{line}:{column}");
                fault.callers.push(caller);
            }
            name = &code.name;
        }
        if self.calls.len() > NAMED_CALLERS {
            let others = self.calls.len() - NAMED_CALLERS;
            fault.callers.push(format!("and {others} more"));
        }
        fault
    }

    /// Gives up all calls up to the innermost `try`, and calls its handler.
    fn recover(&mut self, fault: Fault, now: &Registers) -> Result<Registers, Fault> {
        let mut found = (now.number == TRY).then_some(now.base);
        while found.is_none() {
            let Some(call) = self.calls.pop() else {
                return Err(fault);
            };
            found = (call.code == TRY).then_some(call.base as usize);
        }
        let base = found.unwrap_or_default();
        let handler = self.heap.at(base);
        self.heap.stack().truncate(base);
        self.heap.push(handler);
        self.heap.push(handler);
        let registers = self.enter(HANDLE, base);
        match self.heap.string(&fault.message) {
            Ok(message) => {
                self.heap.push(message);
                Ok(registers)
            }
            // No room for the message: the next one out gets this fault.
            Err(fault) => self.recover(fault, &registers),
        }
    }

    // ---- Instructions. ----

    /// Runs instructions until the last procedure returns; `None` after a call, to go on.
    fn step(&mut self, now: &mut Registers) -> Result<Option<GcRef>, Fault> {
        loop {
            let op = now.code.ops[now.at];
            now.at += 1;
            match op {
                Op::Constant(at) => {
                    let roots = self.heap.roots();
                    let value = roots.constants[at as usize];
                    roots.stack.push(value);
                }
                Op::Int(value) => self.heap.push(GcRef::from_i31(value)),
                Op::False => self.heap.push(GcRef::NULL),
                Op::Local { depth, slot } => {
                    let frame = self.frame(now, depth);
                    let value = self.heap.element(frame, slot.into());
                    self.heap.push(value);
                }
                Op::SetLocal { depth, slot } => {
                    let frame = self.frame(now, depth);
                    let value = self.heap.pop();
                    self.heap.set_element(frame, slot.into(), value);
                }
                Op::Global(at) => {
                    let value = self.global(at)?;
                    self.heap.push(value);
                }
                Op::SetGlobal(at) => {
                    self.global(at)?;
                    self.define(at);
                }
                Op::DefineGlobal(at) => self.define(at),
                Op::Pop => {
                    self.heap.pop();
                }
                Op::Dup => {
                    let top = self.heap.peek(0);
                    self.heap.push(top);
                }
                Op::Swap => {
                    let (top, below) = (self.heap.pop(), self.heap.pop());
                    self.heap.push(top);
                    self.heap.push(below);
                }
                Op::Jump(to) => now.at = to as usize,
                Op::JumpIfFalse(to) => {
                    if self.heap.pop().is_null() {
                        now.at = to as usize;
                    }
                }
                Op::JumpIfFalseKeep(to) | Op::JumpIfTrueKeep(to) => {
                    let jumps = matches!(op, Op::JumpIfFalseKeep(_));
                    if self.heap.peek(0).is_null() == jumps {
                        now.at = to as usize;
                    } else {
                        self.heap.pop();
                    }
                }
                Op::Closure(number) => {
                    let closure = self.heap.closure(number, now.base)?;
                    self.heap.push(closure);
                }
                Op::PushFrame { count, size } => {
                    let count = count.into();
                    let frame = self.heap.array_of(Kind::Frame, 1, count, size.into())?;
                    let around = self.heap.at(now.base);
                    self.heap.init_element(frame, 0, around);
                    self.heap.stack()[now.base] = frame;
                }
                Op::PopFrame => {
                    let around = self.frame(now, 1);
                    self.heap.stack()[now.base] = around;
                }
                Op::Call(count) => self.call(now, Callee::Below, count.into(), false)?,
                Op::TailCall(count) => {
                    self.call(now, Callee::Below, count.into(), true)?;
                }
                Op::CallGlobal { symbol, count } => {
                    self.call(now, Callee::Global(symbol), count.into(), false)?;
                }
                Op::TailCallGlobal { symbol, count } => {
                    self.call(now, Callee::Global(symbol), count.into(), true)?;
                }
                Op::CallBuiltin { number, count } => {
                    self.call_builtin(number.into(), count.into())?;
                }
                Op::Return => {
                    let stack = self.heap.stack();
                    let value = stack.pop().unwrap_or_default();
                    stack.truncate(now.base);
                    let Some(call) = self.calls.pop() else {
                        return Ok(Some(value));
                    };
                    stack.push(value);
                    *now = self.enter(call.code, call.base as usize);
                    now.at = call.at as usize;
                }
            }
        }
    }

    /// The frame some frames out of the one of now.
    #[inline]
    fn frame(&self, now: &Registers, depth: u16) -> GcRef {
        let frame = self.heap.at(now.base);
        (0..depth).fold(frame, |frame, _| self.heap.element(frame, 0))
    }

    #[inline]
    pub(super) fn global(&self, at: u32) -> Result<GcRef, Fault> {
        match self.heap.global_at(at as usize) {
            (_, Some(value)) => Ok(value),
            (symbol, None) => {
                let name = self.heap.symbol_name(symbol);
                Err(Fault::new(format!("`{name}` is not defined")))
            }
        }
    }

    fn define(&mut self, at: u32) {
        let symbol = self.heap.constant(at as usize);
        let value = self.heap.pop();
        self.heap.set_global(symbol, value);
    }

    /// The value that stands for none.
    pub(crate) fn nothing(&self) -> GcRef {
        self.heap.constant(NOTHING)
    }
}
