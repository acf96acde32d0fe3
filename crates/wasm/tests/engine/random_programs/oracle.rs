//! An interpreter of random programs, in which references cannot go stale.

use super::program::{FUEL, Frame, LOCALS, Label, Statement, label, mask};

/// An index into the machine's objects; `None` is null.
type Ref = Option<usize>;

/// Where control goes after a statement.
enum Flow {
    Next,
    Branch { depth: usize, value: Ref },
    Throw { tag: usize, value: Ref },
}

struct Machine {
    /// Value and link.
    objects: Vec<(i32, Ref)>,
    locals: [Ref; LOCALS as usize],
    labels: Vec<Label>,
    sum: i32,
    fuel: i32,
}

/// The checksum a program must return.
pub(crate) fn run(statements: &[Statement]) -> i32 {
    let mut machine = Machine {
        objects: Vec::new(),
        locals: [None; LOCALS as usize],
        labels: Vec::new(),
        sum: 0,
        fuel: FUEL,
    };
    if let Flow::Throw { value, .. } = machine.statements(statements) {
        machine.set(0, value);
    }
    machine.fold(machine.locals[0]);
    machine.sum
}

impl Machine {
    fn get(&self, local: u32) -> Ref {
        self.locals[local as usize]
    }

    fn set(&mut self, local: u32, value: Ref) {
        self.locals[local as usize] = value;
    }

    fn new_object(&mut self, value: i32, next: Ref) -> Ref {
        self.objects.push((value, next));
        Some(self.objects.len() - 1)
    }

    fn fold(&mut self, object: Ref) {
        let value = object.map_or(7, |object| self.objects[object].0);
        self.sum = self.sum.wrapping_mul(31).wrapping_add(value);
    }

    fn go_on(&mut self, condition: u32) -> bool {
        self.fuel -= 1;
        self.fuel > 0 && (self.sum ^ self.fuel) & mask(condition) != 0
    }

    fn statements(&mut self, statements: &[Statement]) -> Flow {
        for statement in statements {
            match self.statement(statement) {
                Flow::Next => {}
                flow => return flow,
            }
        }
        Flow::Next
    }

    /// Runs a body under a label. `Ok(None)` if it fell through, `Ok(Some)` with the value of a
    /// branch to the label, `Err` for a branch beyond it.
    fn within(&mut self, label: Label, body: &[Statement]) -> Result<Option<Ref>, Flow> {
        self.labels.push(label);
        let flow = self.statements(body);
        self.labels.pop();
        match flow {
            Flow::Next => Ok(None),
            Flow::Branch { depth: 0, value } => Ok(Some(value)),
            Flow::Branch { depth, value } => Err(Flow::Branch {
                depth: depth - 1,
                value,
            }),
            thrown @ Flow::Throw { .. } => Err(thrown),
        }
    }

    /// Runs statements from which only falling through leads on.
    fn straight(&mut self, statements: &[Statement]) -> Result<(), Flow> {
        match self.statements(statements) {
            Flow::Next => Ok(()),
            flow => Err(flow),
        }
    }

    fn statement(&mut self, statement: &Statement) -> Flow {
        match *statement {
            Statement::New { to, next, value } => {
                let object = self.new_object(value, self.get(next));
                self.set(to, object);
            }
            Statement::Follow { to, from } => {
                let next = self.get(from).and_then(|object| self.objects[object].1);
                self.set(to, next);
            }
            Statement::Link { from, to } => {
                if let Some(object) = self.get(from) {
                    self.objects[object].1 = self.get(to);
                }
            }
            Statement::Fold(local) => self.fold(self.get(local)),
            Statement::Through { to, from, .. } => self.set(to, self.get(from)),
            Statement::Null(local) => self.set(local, None),
            Statement::Table {
                to,
                locals: [first, second],
            } => {
                if self.sum & 3 == 1 {
                    self.fold(self.get(first));
                    self.set(to, self.get(second));
                } else {
                    self.set(to, self.get(first));
                }
            }
            _ => return self.control(statement).unwrap_or_else(|flow| flow),
        }
        Flow::Next
    }

    fn control(&mut self, statement: &Statement) -> Result<Flow, Flow> {
        match statement {
            Statement::Hold(local, body) => {
                let held = self.get(*local);
                self.straight(body)?;
                self.fold(held);
            }
            Statement::HoldTwo { to, held, body } => {
                let [first, second] = held.map(|local| self.get(local));
                self.straight(body)?;
                self.fold(first);
                let inner = self.new_object(6, second);
                let outer = self.new_object(5, inner);
                self.set(*to, outer);
            }
            Statement::Block(body) => {
                self.within(Label::Block, body)?;
            }
            Statement::BlockRef { to, result, body } => {
                let value = self.within(Label::BlockRef, body)?;
                self.set(*to, value.unwrap_or(self.get(*result)));
            }
            Statement::Loop { condition, body } => {
                while self.within(Label::Loop, body)?.is_some() || self.go_on(*condition) {}
            }
            Statement::LoopRef {
                local,
                condition,
                body,
            } => {
                let mut param = self.get(*local);
                loop {
                    self.fold(param);
                    param = match self.within(Label::LoopRef, body)? {
                        Some(value) => value,
                        None if self.go_on(*condition) => self.get(*local),
                        None => break,
                    };
                }
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } => {
                let arm = if self.go_on(*condition) {
                    then
                } else {
                    otherwise
                };
                self.within(Label::Block, arm)?;
            }
            Statement::IfRef { .. } => self.if_ref(statement)?,
            Statement::Swap {
                locals,
                frame,
                condition,
                body,
            } => {
                let mut held = locals.map(|local| self.get(local));
                if self.runs(*frame, *condition, body)? {
                    held.reverse();
                }
                self.set(locals[0], held[0]);
                self.set(locals[1], held[1]);
            }
            Statement::BranchIf {
                label: number,
                local,
                condition,
            } => {
                if let Some((depth, label)) = label(&self.labels, *number) {
                    let value = if label.is_ref() {
                        self.get(*local)
                    } else {
                        None
                    };
                    if self.go_on(*condition) {
                        return Err(Flow::Branch { depth, value });
                    }
                }
            }
            Statement::Branch {
                label: number,
                local,
            } => {
                if let Some((depth, label)) = label(&self.labels, *number)
                    && label.is_forward()
                {
                    return Err(Flow::Branch {
                        depth,
                        value: self.get(*local),
                    });
                }
            }
            Statement::Throw {
                local,
                tag,
                condition,
                ..
            } => {
                if self.go_on(*condition) {
                    let (tag, value) = (*tag, self.get(*local));
                    return Err(Flow::Throw { tag, value });
                }
            }
            Statement::Catch {
                to,
                tags,
                again,
                legacy,
                body,
            } => {
                let value = match self.guarded(*legacy, body) {
                    Ok(value) => value.unwrap_or(self.get(*to)),
                    Err(Flow::Throw { tag, value }) if tags[tag] => {
                        self.fold(value);
                        if again.is_some_and(|again| self.go_on(again)) {
                            return Err(Flow::Throw { tag, value });
                        }
                        value
                    }
                    Err(flow) => return Err(flow),
                };
                self.set(*to, value);
            }
            _ => unreachable!("run by the caller"),
        }
        Ok(Flow::Next)
    }

    /// Runs the body of a handler: as [`Self::within`], with the labels around the body.
    fn guarded(&mut self, legacy: bool, body: &[Statement]) -> Result<Option<Ref>, Flow> {
        if legacy {
            return self.within(Label::BlockRef, body);
        }
        self.labels.extend([Label::BlockRef, Label::Hidden]);
        let flow = self.within(Label::Block, body);
        self.labels.truncate(self.labels.len() - 2);
        match flow {
            Ok(_) => Ok(None),
            Err(Flow::Branch { depth: 1, value }) => Ok(Some(value)),
            Err(Flow::Branch { depth, value }) => Err(Flow::Branch {
                depth: depth - 2,
                value,
            }),
            Err(flow) => Err(flow),
        }
    }

    /// Runs a frame with two parameters. Whether they come out as they went in.
    fn runs(&mut self, frame: Frame, condition: u32, body: &[Statement]) -> Result<bool, Flow> {
        if matches!(frame, Frame::If) && !self.go_on(condition) {
            return Ok(false);
        }
        loop {
            self.within(Label::Hidden, body)?;
            let again = matches!(frame, Frame::Loop | Frame::Block) && self.go_on(condition);
            if !again || matches!(frame, Frame::Block) {
                return Ok(true);
            }
        }
    }

    fn if_ref(&mut self, statement: &Statement) -> Result<(), Flow> {
        let Statement::IfRef {
            to,
            local,
            condition,
            then,
            otherwise,
        } = statement
        else {
            unreachable!("checked by the caller")
        };
        let param = self.get(*local);
        let value = if self.go_on(*condition) {
            self.within(Label::BlockRef, then)?.unwrap_or(param)
        } else if let Some(value) = self.within(Label::BlockRef, otherwise)? {
            value
        } else {
            self.fold(param);
            self.get(*local)
        };
        self.set(*to, value);
        Ok(())
    }
}
