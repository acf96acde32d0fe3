//! The special forms with clauses, `cond` and `case`, and the templates of quasiquotation.

use super::builtins;
use super::code::{Op, Syntax};
use super::compiler::{Compiler, Form};
use super::fault::Fault;
use super::types::Kind;

impl<'n> Compiler<'_, 'n> {
    pub(super) fn cond(&mut self, clauses: &[Form<'n>], is_tail: bool) -> Result<(), Fault> {
        let mut ends = Vec::new();
        for clause in clauses {
            let clause = self.items(*clause)?;
            let Some((test, body)) = clause.split_first() else {
                return Err(self.fault("a clause of `cond` has a test"));
            };
            if self.syntax(*test)? == Some(Syntax::Else) {
                self.sequence(body, is_tail)?;
                ends.into_iter().for_each(|end| self.land(end));
                return Ok(());
            }
            self.form(*test, false)?;
            match body {
                [] => ends.push(self.jump(Op::JumpIfTrueKeep)),
                [arrow, receiver] if self.syntax(*arrow)? == Some(Syntax::Arrow) => {
                    self.emit(Op::Dup);
                    let next = self.jump(Op::JumpIfFalse);
                    self.form(*receiver, false)?;
                    self.emit(Op::Swap);
                    self.emit(if is_tail {
                        Op::TailCall(1)
                    } else {
                        Op::Call(1)
                    });
                    ends.push(self.jump(Op::Jump));
                    self.land(next);
                    self.emit(Op::Pop);
                }
                body => {
                    let next = self.jump(Op::JumpIfFalse);
                    self.sequence(body, is_tail)?;
                    ends.push(self.jump(Op::Jump));
                    self.land(next);
                }
            }
        }
        self.nothing();
        ends.into_iter().for_each(|end| self.land(end));
        Ok(())
    }

    pub(super) fn case(
        &mut self,
        key: Form<'n>,
        clauses: &[Form<'n>],
        is_tail: bool,
    ) -> Result<(), Fault> {
        let same = Op::CallBuiltin {
            number: builtins::number("eqv?"),
            count: 2,
        };
        // The key stays on the stack until a clause is found.
        self.form(key, false)?;
        let mut ends = Vec::new();
        let mut has_else = false;
        for clause in clauses {
            let Some([values, body]) = self.pair(*clause)? else {
                return Err(self.fault("a clause of `case` has values"));
            };
            let body = self.items(body)?;
            has_else = self.syntax(values)? == Some(Syntax::Else);
            let mut hits = Vec::new();
            if !has_else {
                for value in self.items(values)? {
                    self.emit(Op::Dup);
                    self.quote(value);
                    self.emit(same);
                    let miss = self.jump(Op::JumpIfFalse);
                    hits.push(self.jump(Op::Jump));
                    self.land(miss);
                }
            }
            let next = (!has_else).then(|| self.jump(Op::Jump));
            hits.into_iter().for_each(|hit| self.land(hit));
            self.emit(Op::Pop);
            self.sequence(&body, is_tail)?;
            ends.push(self.jump(Op::Jump));
            if let Some(next) = next {
                self.land(next);
            }
        }
        if !has_else {
            self.emit(Op::Pop);
            self.nothing();
        }
        ends.into_iter().for_each(|end| self.land(end));
        Ok(())
    }

    /// Code that builds what a template of quasiquotation says, `level` quasiquotations deep.
    pub(super) fn template(&mut self, template: Form<'n>, level: u32) -> Result<(), Fault> {
        if level > 50 {
            return Err(self.fault("templates are nested too deeply"));
        }
        match self.kind(template) {
            Kind::Pair | Kind::SourcePair => {
                let (items, end) = self.spine(template)?;
                if let [head, value] = &*items
                    && end == self.nil
                    && let Some(inner) = self.inner_level(*head, level)?
                {
                    if inner == 0 {
                        return self.form(*value, false);
                    }
                    self.quote(*head);
                    self.nested(*value, inner)?;
                    self.quote(self.nil);
                    self.emit_call("cons", 2);
                    self.emit_call("cons", 2);
                    return Ok(());
                }
                self.parts(&items, end, level)
            }
            Kind::Vector => {
                let elements = self.elements(template)?;
                self.parts(&elements, self.nil, level)?;
                self.emit_call("list->vector", 1);
                Ok(())
            }
            _ => {
                self.quote(template);
                Ok(())
            }
        }
    }

    /// A template inside another: lists in lists use the host's stack, as forms do.
    fn nested(&mut self, template: Form<'n>, level: u32) -> Result<(), Fault> {
        self.descend()?;
        self.template(template, level)?;
        self.ascend();
        Ok(())
    }

    /// How deep the template after `unquote` or `quasiquote` is.
    fn inner_level(&self, head: Form<'n>, level: u32) -> Result<Option<u32>, Fault> {
        Ok(match self.syntax(head)? {
            Some(Syntax::Unquote) => Some(level - 1),
            Some(Syntax::Quasiquote) => Some(level + 1),
            _ => None,
        })
    }

    /// A list of templates before `end`, which `unquote` may take for itself: `(a . ,b)`.
    fn parts(&mut self, items: &[Form<'n>], end: Form<'n>, level: u32) -> Result<(), Fault> {
        let (mut items, mut end) = (items.to_vec(), Err(end));
        if let [.., head, value] = &*items
            && end == Err(self.nil)
            && self.inner_level(*head, level)? == Some(0)
        {
            end = Ok(*value);
            items.truncate(items.len() - 2);
        }
        let mut joins = Vec::new();
        for item in items {
            let spliced = self.spliced(item, level)?;
            match spliced {
                Some(value) => self.form(value, false)?,
                None => self.nested(item, level)?,
            }
            joins.push(if spliced.is_some() { "append" } else { "cons" });
        }
        match end {
            Ok(value) => self.form(value, false)?,
            Err(end) => self.quote(end),
        }
        for join in joins.into_iter().rev() {
            self.emit_call(join, 2);
        }
        Ok(())
    }

    /// What `(unquote-splicing value)` splices in.
    fn spliced(&self, item: Form<'n>, level: u32) -> Result<Option<Form<'n>>, Fault> {
        let Some([head, rest]) = self.pair(item)? else {
            return Ok(None);
        };
        if level != 1 || self.syntax(head)? != Some(Syntax::UnquoteSplicing) {
            return Ok(None);
        }
        match &*self.items(rest)? {
            [value] => Ok(Some(*value)),
            _ => Err(self.fault("`unquote-splicing` takes one form")),
        }
    }

    fn emit_call(&mut self, name: &str, count: u16) {
        let number = builtins::number(name);
        self.emit(Op::CallBuiltin { number, count });
    }
}
