//! The special forms.

use super::builtins;
use super::code::{Op, Syntax};
use super::compiler::{Compiler, Form};
use super::fault::Fault;
use super::types::Kind;

impl<'n> Compiler<'_, 'n> {
    pub(super) fn special(
        &mut self,
        syntax: Syntax,
        args: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        match (syntax, args) {
            (Syntax::Quote, [value]) => self.quote(*value),
            (Syntax::Quasiquote, [template]) => self.template(*template, 1)?,
            (Syntax::If, [test, then]) => self.conditional(*test, *then, None, is_tail)?,
            (Syntax::If, [test, then, other]) => {
                self.conditional(*test, *then, Some(*other), is_tail)?;
            }
            (Syntax::Define, [target, value @ ..]) => self.define(*target, value)?,
            (Syntax::Set, [name, value]) if self.kind(*name) == Kind::Symbol => {
                self.form(*value, false)?;
                self.assign(*name, Op::SetGlobal)?;
            }
            (Syntax::Lambda, [params, body @ ..]) => self.lambda("lambda", *params, body)?,
            (Syntax::Begin, forms) => self.sequence(forms, is_tail)?,
            (Syntax::Let, [name, bindings, body @ ..]) if self.kind(*name) == Kind::Symbol => {
                self.named_let(*name, *bindings, body, is_tail)?;
            }
            (Syntax::Let, [bindings, body @ ..]) => self.plain_let(*bindings, body, is_tail)?,
            (Syntax::LetStar, [bindings, body @ ..]) => {
                self.let_star(*bindings, body, is_tail)?;
            }
            (Syntax::Letrec, [bindings, body @ ..]) => self.letrec(*bindings, body, is_tail)?,
            (Syntax::And, forms) => self.chain(forms, true, is_tail)?,
            (Syntax::Or, forms) => self.chain(forms, false, is_tail)?,
            (Syntax::When, [test, body @ ..]) => self.guarded(*test, body, true, is_tail)?,
            (Syntax::Unless, [test, body @ ..]) => self.guarded(*test, body, false, is_tail)?,
            (Syntax::Cond, clauses) => self.cond(clauses, is_tail)?,
            (Syntax::Case, [key, clauses @ ..]) => self.case(*key, clauses, is_tail)?,
            (Syntax::Do, [bindings, end, body @ ..]) => {
                self.do_loop(*bindings, *end, body, is_tail)?;
            }
            (Syntax::Assert, [test]) => {
                self.form(*test, false)?;
                let number = builtins::number("%assert");
                self.emit(Op::CallBuiltin { number, count: 1 });
            }
            _ => return Err(self.fault("this special form is not well formed")),
        }
        Ok(())
    }

    fn conditional(
        &mut self,
        test: Form<'n>,
        then: Form<'n>,
        other: Option<Form<'n>>,
        is_tail: bool,
    ) -> Result<(), Fault> {
        self.form(test, false)?;
        let to_other = self.jump(Op::JumpIfFalse);
        self.form(then, is_tail)?;
        let to_end = self.jump(Op::Jump);
        self.land(to_other);
        match other {
            Some(other) => self.form(other, is_tail)?,
            None => self.nothing(),
        }
        self.land(to_end);
        Ok(())
    }

    /// `when` and `unless`.
    fn guarded(
        &mut self,
        test: Form<'n>,
        body: &[Form<'n>],
        wanted: bool,
        is_tail: bool,
    ) -> Result<(), Fault> {
        self.form(test, false)?;
        let to_other = self.jump(Op::JumpIfFalse);
        let arm = |compiler: &mut Self, is_body: bool| {
            if is_body {
                return compiler.sequence(body, is_tail);
            }
            compiler.nothing();
            Ok(())
        };
        arm(self, wanted)?;
        let to_end = self.jump(Op::Jump);
        self.land(to_other);
        arm(self, !wanted)?;
        self.land(to_end);
        Ok(())
    }

    /// `and` and `or`: on to the next form while the value is as `wanted`.
    fn chain(&mut self, forms: &[Form<'n>], wanted: bool, is_tail: bool) -> Result<(), Fault> {
        let Some((last, others)) = forms.split_last() else {
            let empty = if wanted {
                super::heap::TRUE
            } else {
                usize::MAX
            };
            let op = u32::try_from(empty).map_or(Op::False, Op::Constant);
            self.emit(op);
            return Ok(());
        };
        let op = if wanted {
            Op::JumpIfFalseKeep
        } else {
            Op::JumpIfTrueKeep
        };
        let mut jumps = Vec::new();
        for form in others {
            self.form(*form, false)?;
            jumps.push(self.jump(op));
        }
        self.form(*last, is_tail)?;
        jumps.into_iter().for_each(|jump| self.land(jump));
        Ok(())
    }

    // ---- Variables. ----

    /// Pops into a variable, and leaves nothing of interest.
    fn assign(&mut self, name: Form<'n>, global: fn(u32) -> Op) -> Result<(), Fault> {
        let op = match self.variable(name) {
            Some((depth, slot)) => Op::SetLocal {
                depth: self.count(depth)?,
                slot: self.count(slot)?,
            },
            None => global(self.constant(name)),
        };
        self.emit(op);
        self.nothing();
        Ok(())
    }

    /// The name that a `define` defines, and its parameters if it is a procedure.
    fn defined(&self, target: Form<'n>) -> Result<(Form<'n>, Option<Form<'n>>), Fault> {
        let (name, params) = match self.pair(target)? {
            Some([name, params]) => (name, Some(params)),
            None => (target, None),
        };
        if self.kind(name) != Kind::Symbol {
            return Err(self.fault("only a symbol can be defined"));
        }
        Ok((name, params))
    }

    fn define(&mut self, target: Form<'n>, value: &[Form<'n>]) -> Result<(), Fault> {
        let (name, params) = self.defined(target)?;
        let is_here = self.variable(name).is_some_and(|(depth, _)| depth == 0);
        if !self.scopes.is_empty() && !is_here {
            return Err(self.fault("`define` belongs at the top or in a body"));
        }
        match (params, value) {
            (Some(params), body) => self.lambda(&self.name(name), params, body)?,
            (None, [value]) => self.named_value(name, *value)?,
            (None, _) => return Err(self.fault("`define` takes a name and a value")),
        }
        self.assign(name, Op::DefineGlobal)
    }

    /// A value that is to have a name: a `lambda` goes by it in messages.
    fn named_value(&mut self, name: Form<'n>, value: Form<'n>) -> Result<(), Fault> {
        if let Some([head, rest]) = self.pair(value)?
            && self.syntax(head)? == Some(Syntax::Lambda)
            && let [params, body @ ..] = &*self.items(rest)?
        {
            return self.lambda(&self.name(name), *params, body);
        }
        self.form(value, false)
    }

    /// The variables that the `define`s of a body define.
    fn definitions(&self, body: &[Form<'n>]) -> Result<Vec<Form<'n>>, Fault> {
        let mut names = Vec::new();
        for form in body {
            let Some([head, rest]) = self.pair(*form)? else {
                continue;
            };
            if self.syntax(head)? == Some(Syntax::Define)
                && let Some([target, _]) = self.pair(rest)?
            {
                names.push(self.defined(target)?.0);
            }
        }
        Ok(names)
    }

    /// Compiles a body whose frame has these variables and those it defines; the frame's size.
    fn body(
        &mut self,
        mut names: Vec<Form<'n>>,
        body: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        names.extend(self.definitions(body)?);
        self.scopes.push(names);
        self.sequence(body, is_tail)?;
        self.scopes.pop();
        Ok(())
    }

    fn lambda(&mut self, name: &str, params: Form<'n>, body: &[Form<'n>]) -> Result<(), Fault> {
        let (mut names, rest) = self.spine(params)?;
        let (params, has_rest) = (self.count(names.len())?, rest != self.nil);
        if has_rest {
            names.push(rest);
        }
        if names.iter().any(|name| self.kind(*name) != Kind::Symbol) {
            return Err(self.fault("a parameter is a symbol"));
        }
        let size = self.count(1 + names.len() + self.definitions(body)?.len())?;
        self.start(name);
        self.body(names, body, true)?;
        self.emit(Op::Return);
        let code = self.finish(params, has_rest, size)?;
        self.emit(Op::Closure(code));
        Ok(())
    }

    /// The names and values of bindings, and what else each holds.
    fn bindings(&self, bindings: Form<'n>) -> Result<Vec<(Form<'n>, Vec<Form<'n>>)>, Fault> {
        let mut all = Vec::new();
        for binding in self.items(bindings)? {
            let mut parts = self.items(binding)?;
            if parts.len() < 2 || self.kind(parts[0]) != Kind::Symbol {
                return Err(self.fault("a binding is a name and a value"));
            }
            let name = parts.remove(0);
            all.push((name, parts));
        }
        Ok(all)
    }

    fn push_frame(&mut self, count: usize, size: usize) -> Result<(), Fault> {
        let (count, size) = (self.count(count)?, self.count(1 + size)?);
        self.emit(Op::PushFrame { count, size });
        Ok(())
    }

    fn pop_frame(&mut self, is_tail: bool) {
        if !is_tail {
            self.emit(Op::PopFrame);
        }
    }

    fn plain_let(
        &mut self,
        bindings: Form<'n>,
        body: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        let bindings = self.bindings(bindings)?;
        for (name, parts) in &bindings {
            self.named_value(*name, parts[0])?;
        }
        let names: Vec<_> = bindings.iter().map(|(name, _)| *name).collect();
        self.push_frame(names.len(), names.len() + self.definitions(body)?.len())?;
        self.body(names, body, is_tail)?;
        self.pop_frame(is_tail);
        Ok(())
    }

    /// One frame for all: each value sees the variables before it.
    fn let_star(
        &mut self,
        bindings: Form<'n>,
        body: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        let bindings = self.bindings(bindings)?;
        for (name, parts) in &bindings {
            self.named_value(*name, parts[0])?;
            self.push_frame(1, 1)?;
            self.scopes.push(vec![*name]);
        }
        self.push_frame(0, self.definitions(body)?.len())?;
        self.body(Vec::new(), body, is_tail)?;
        self.pop_frame(is_tail);
        for _ in &bindings {
            self.pop_frame(is_tail);
            self.scopes.pop();
        }
        Ok(())
    }

    fn letrec(
        &mut self,
        bindings: Form<'n>,
        body: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        let bindings = self.bindings(bindings)?;
        let names: Vec<_> = bindings.iter().map(|(name, _)| *name).collect();
        self.push_frame(0, names.len() + self.definitions(body)?.len())?;
        self.scopes.push(names.clone());
        for (name, parts) in &bindings {
            self.named_value(*name, parts[0])?;
            self.assign(*name, Op::SetGlobal)?;
            self.emit(Op::Pop);
        }
        self.scopes.pop();
        self.body(names, body, is_tail)?;
        self.pop_frame(is_tail);
        Ok(())
    }

    fn named_let(
        &mut self,
        name: Form<'n>,
        bindings: Form<'n>,
        body: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        let bindings = self.bindings(bindings)?;
        let params: Vec<_> = bindings.iter().map(|(name, _)| *name).collect();
        let count = self.count(params.len())?;
        self.push_frame(0, 1)?;
        self.scopes.push(vec![name]);
        let size = self.count(1 + params.len() + self.definitions(body)?.len())?;
        self.start(&self.name(name));
        self.body(params, body, true)?;
        self.emit(Op::Return);
        let code = self.finish(count, false, size)?;
        self.emit(Op::Closure(code));
        self.emit(Op::Dup);
        self.emit(Op::SetLocal { depth: 0, slot: 1 });
        // The values do not see the name.
        self.scopes.pop();
        self.scopes.push(Vec::new());
        for (_, parts) in &bindings {
            self.form(parts[0], false)?;
        }
        self.scopes.pop();
        self.emit(if is_tail {
            Op::TailCall(count)
        } else {
            Op::Call(count)
        });
        self.pop_frame(is_tail);
        Ok(())
    }

    /// Each turn has a frame of its own, for closures to keep.
    fn do_loop(
        &mut self,
        bindings: Form<'n>,
        end: Form<'n>,
        body: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        let (bindings, end) = (self.bindings(bindings)?, self.items(end)?);
        let Some((test, results)) = end.split_first() else {
            return Err(self.fault("`do` needs a test"));
        };
        let names: Vec<_> = bindings.iter().map(|(name, _)| *name).collect();
        let count = names.len();
        for (_, parts) in &bindings {
            self.form(parts[0], false)?;
        }
        self.push_frame(count, count)?;
        self.scopes.push(names);
        let again = self.here();
        self.form(*test, false)?;
        let to_body = self.jump(Op::JumpIfFalse);
        self.sequence(results, is_tail)?;
        self.pop_frame(is_tail);
        let to_end = self.jump(Op::Jump);
        self.land(to_body);
        self.sequence(body, false)?;
        self.emit(Op::Pop);
        for (name, parts) in &bindings {
            self.form(*parts.get(1).unwrap_or(name), false)?;
        }
        self.emit(Op::PopFrame);
        self.push_frame(count, count)?;
        self.emit(Op::Jump(again));
        self.scopes.pop();
        self.land(to_end);
        Ok(())
    }
}
