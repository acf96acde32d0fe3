//! Calls: of closures, whose frames are made here, and of built-in procedures, of which three (`apply`,
//! `try`, `eval`) have the machine go on elsewhere.

use super::builtins::{Args, BUILTINS};
use super::compiler::compile;
use super::fault::{Fault, Place};
use super::heap::NIL;
use super::machine::{Activation, Callee, Lisp, Registers, TRY};
use super::printer::Style;
use super::types::Kind;
use std::rc::Rc;
use windrow::GcRef;

impl Lisp {
    pub(super) fn call(
        &mut self,
        now: &mut Registers,
        callee: Callee,
        count: usize,
        is_tail: bool,
    ) -> Result<(), Fault> {
        let procedure = self.callee(callee, count)?;
        match (self.heap.kind(procedure), procedure.as_object()) {
            (Kind::Closure, Some(closure)) => {
                let isolate = self.heap.store.isolate();
                let number = isolate.load_u32(closure, self.heap.types.code.offset());
                self.call_closure(now, callee, number, count, is_tail)
            }
            (Kind::Builtin, Some(builtin)) => {
                let isolate = self.heap.store.isolate();
                let number = isolate.load_u32(builtin, self.heap.types.builtin.offset()) as usize;
                match BUILTINS[number].name {
                    "apply" if count >= 2 => return self.apply(now, callee, count, is_tail),
                    "try" if count == 2 => return self.call_try(now, callee, is_tail),
                    "eval" if count == 1 => return self.eval(now, callee, is_tail),
                    _ => {}
                }
                self.call_builtin(number, count)?;
                if let Callee::Below = callee {
                    let value = self.heap.pop();
                    self.heap.pop();
                    self.heap.push(value);
                }
                Ok(())
            }
            _ => {
                let text = self.heap.print(procedure, Style::Write)?;
                Err(Fault::new(format!("{text} is not a procedure")))
            }
        }
    }

    #[inline]
    fn callee(&self, callee: Callee, count: usize) -> Result<GcRef, Fault> {
        match callee {
            Callee::Below => Ok(self.heap.peek(count)),
            Callee::Global(at) => self.global(at),
        }
    }

    fn call_closure(
        &mut self,
        now: &mut Registers,
        callee: Callee,
        number: u32,
        mut count: usize,
        is_tail: bool,
    ) -> Result<(), Fault> {
        let code = Rc::clone(&self.codes[number as usize]);
        let params = usize::from(code.params);
        if count < params || (count > params && !code.has_rest) {
            let more = if code.has_rest { " or more" } else { "" };
            return Err(Fault::new(format!(
                "{} takes {params}{more} arguments, not {count}",
                code.name
            )));
        }
        if code.has_rest {
            self.heap.push(self.heap.constant(NIL));
            self.heap.list(count - params)?;
            count = params + 1;
        }
        let size = code.frame_size.into();
        let frame = self.heap.array_of(Kind::Frame, 1, count, size)?;
        // The closure may have moved since.
        let closure = self.callee(callee, 0)?;
        let around = self.heap.environment(closure);
        self.heap.init_element(frame, 0, around);
        if let Callee::Below = callee {
            self.heap.pop();
        }
        self.go(now, is_tail)?;
        self.heap.push(frame);
        (now.number, now.code, now.at) = (number, code, 0);
        Ok(())
    }

    /// Makes room for a procedure's frame: behind the caller's temporaries, or where the caller's was.
    fn go(&mut self, now: &mut Registers, is_tail: bool) -> Result<(), Fault> {
        if is_tail {
            self.heap.stack().truncate(now.base);
            return Ok(());
        }
        self.heap.check_height()?;
        let narrow = super::heap::index;
        self.calls.push(Activation {
            code: now.number,
            at: narrow(now.at),
            base: narrow(now.base),
        });
        now.base = self.heap.height();
        Ok(())
    }

    /// Replaces the arguments on top by what a built-in procedure makes of them.
    pub(super) fn call_builtin(&mut self, number: usize, count: usize) -> Result<(), Fault> {
        let builtin = &BUILTINS[number];
        if count < builtin.least || count > builtin.most {
            let (name, least) = (builtin.name, builtin.least);
            let more = if builtin.most > least { " or more" } else { "" };
            return Err(Fault::new(format!(
                "{name} takes {least}{more} arguments, not {count}"
            )));
        }
        let start = self.heap.height() - count;
        let value = (builtin.run)(self, Args { start, count })?;
        let stack = self.heap.stack();
        stack.truncate(start);
        stack.push(value);
        Ok(())
    }

    /// Takes the procedure itself from under its arguments.
    fn drop_callee(&mut self, callee: Callee, count: usize) {
        if let Callee::Below = callee {
            let at = self.heap.height() - 1 - count;
            self.heap.stack().remove(at);
        }
    }

    /// `(apply procedure argument ... list)`
    fn apply(
        &mut self,
        now: &mut Registers,
        callee: Callee,
        count: usize,
        is_tail: bool,
    ) -> Result<(), Fault> {
        self.drop_callee(callee, count);
        let list = self.heap.pop();
        let spread = self.heap.spread(list)?;
        self.call(now, Callee::Below, count - 2 + spread, is_tail)
    }

    /// `(try thunk handler)`
    fn call_try(
        &mut self,
        now: &mut Registers,
        callee: Callee,
        is_tail: bool,
    ) -> Result<(), Fault> {
        self.drop_callee(callee, 2);
        let (handler, thunk) = (self.heap.pop(), self.heap.pop());
        self.go(now, is_tail)?;
        self.heap.push(handler);
        self.heap.push(thunk);
        *now = self.enter(TRY, now.base);
        Ok(())
    }

    fn eval(&mut self, now: &mut Registers, callee: Callee, is_tail: bool) -> Result<(), Fault> {
        self.drop_callee(callee, 1);
        let place = now
            .code
            .place(now.at)
            .unwrap_or(Place { line: 1, column: 1 });
        let number = compile(&mut self.heap, &mut self.codes, &now.code.file, place)?;
        self.go(now, is_tail)?;
        self.heap.push(GcRef::NULL);
        *now = self.enter(number, now.base);
        Ok(())
    }
}
