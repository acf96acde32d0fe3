//! Random programs as text.

use super::program::{FUEL, Frame, LOCALS, Label, Statement, label, mask};
use super::ways::{FUNCTIONS, WAYS};

struct Writer {
    text: String,
    labels: Vec<Label>,
}

const REF: &str = "(ref null $box)";

fn condition(condition: u32) -> String {
    format!("(call $go_on (i32.const {}))", mask(condition))
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn within(&mut self, label: Label, body: &[Statement]) {
        self.labels.push(label);
        self.statements(body);
        self.labels.pop();
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::New { to, next, value } => self.push(&format!(
                "(local.set {to} (struct.new $box (i32.const {value}) (local.get {next})))"
            )),
            Statement::Follow { to, from } => {
                self.push(&format!("(local.set {to} (call $next (local.get {from})))"));
            }
            Statement::Link { from, to } => {
                self.push(&format!("(call $link (local.get {from}) (local.get {to}))"));
            }
            Statement::Fold(local) => self.push(&format!("(call $fold (local.get {local}))")),
            Statement::Through { to, from, way } => self.push(&format!(
                "(local.get {from}) {} (local.set {to})",
                WAYS[*way].replace("REF", REF)
            )),
            Statement::Null(local) => self.push(&format!("(local.set {local} (ref.null $box))")),
            Statement::Hold(local, body) => {
                self.push(&format!("(local.get {local})"));
                self.statements(body);
                self.push("(call $fold)");
            }
            Statement::HoldTwo {
                to,
                held: [first, second],
                body,
            } => {
                self.push(&format!("(local.get {first}) (local.get {second})"));
                self.statements(body);
                self.push(&format!("(local.set {to} (call $join))"));
            }
            _ => self.control(statement),
        }
    }

    fn control(&mut self, statement: &Statement) {
        match statement {
            Statement::Block(body) => {
                self.push("block");
                self.within(Label::Block, body);
                self.push("end");
            }
            Statement::BlockRef { to, result, body } => {
                self.push(&format!("block (result {REF})"));
                self.within(Label::BlockRef, body);
                self.push(&format!("(local.get {result}) end (local.set {to})"));
            }
            Statement::Loop {
                condition: mask,
                body,
            } => {
                self.push("loop");
                self.within(Label::Loop, body);
                self.push(&format!("(br_if 0 {}) end", condition(*mask)));
            }
            Statement::LoopRef {
                local,
                condition: mask,
                body,
            } => {
                self.push(&format!("(local.get {local}) loop (param {REF})"));
                self.push("(call $fold)");
                self.within(Label::LoopRef, body);
                self.push(&format!(
                    "(local.get {local}) (br_if 0 {}) drop end",
                    condition(*mask)
                ));
            }
            Statement::If {
                condition: mask,
                then,
                otherwise,
            } => {
                self.push(&format!("{} if", condition(*mask)));
                self.within(Label::Block, then);
                if !otherwise.is_empty() {
                    self.push("else");
                    self.within(Label::Block, otherwise);
                }
                self.push("end");
            }
            Statement::IfRef {
                to,
                local,
                condition: mask,
                then,
                otherwise,
            } => {
                self.push(&format!("(local.get {local}) {}", condition(*mask)));
                self.push(&format!("if (param {REF}) (result {REF})"));
                self.within(Label::BlockRef, then);
                self.push("else");
                self.within(Label::BlockRef, otherwise);
                self.push(&format!(
                    "(call $fold) (local.get {local}) end (local.set {to})"
                ));
            }
            Statement::Swap { .. } => self.swap(statement),
            Statement::BranchIf {
                label,
                local,
                condition: mask,
            } => {
                self.branch(*label, *local, Some(*mask));
            }
            Statement::Branch { label, local } => self.branch(*label, *local, None),
            Statement::Throw {
                local,
                tag,
                condition: mask,
                calls: true,
            } => self.push(&format!(
                "(call $throw{tag} (local.get {local}) {})",
                condition(*mask)
            )),
            Statement::Throw {
                local,
                tag,
                condition: mask,
                calls: false,
            } => self.push(&format!(
                "{} if (throw $t{tag} (local.get {local})) end",
                condition(*mask)
            )),
            Statement::Catch { legacy: true, .. } => self.legacy_try(statement),
            Statement::Catch { .. } => self.try_table(statement),
            Statement::Table {
                to,
                locals: [first, second],
            } => self.push(&format!(
                "block $a (result {REF}) block $b (result {REF}) (local.get {first})
                 (br_table $a $b $a (i32.and (global.get $sum) (i32.const 3)))
                 end (call $fold) (local.get {second}) end (local.set {to})"
            )),
            _ => unreachable!("written by the caller"),
        }
    }

    fn swap(&mut self, statement: &Statement) {
        let Statement::Swap {
            locals: [first, second],
            frame,
            condition: mask,
            body,
        } = statement
        else {
            unreachable!("checked by the caller")
        };
        self.push(&format!("(local.get {first}) (local.get {second})"));
        let ty = format!("(param {REF} {REF}) (result {REF} {REF})");
        let condition = condition(*mask);
        match frame {
            Frame::Block => self.push(&format!("block {ty}")),
            Frame::Loop => self.push(&format!("loop {ty}")),
            Frame::If => self.push(&format!("{condition} if {ty}")),
        }
        self.within(Label::Hidden, body);
        match frame {
            Frame::Block | Frame::Loop => self.push(&format!("(br_if 0 {condition})")),
            Frame::If => self.push("else (call $swap)"),
        }
        self.push(&format!("end (local.set {first}) (local.set {second})"));
    }

    fn try_table(&mut self, statement: &Statement) {
        let Statement::Catch {
            to,
            tags,
            again,
            body,
            ..
        } = statement
        else {
            unreachable!("checked by the caller")
        };
        let catches: String = (0..2)
            .filter(|tag| tags[*tag])
            .map(|tag| format!("(catch_ref $t{tag} 0)"))
            .collect();
        self.push(&format!(
            "block (result {REF}) block (result {REF} (ref exn)) try_table {catches}"
        ));
        self.labels.extend([Label::BlockRef, Label::Hidden]);
        self.within(Label::Block, body);
        self.labels.truncate(self.labels.len() - 2);
        self.push(&format!(
            "end (local.get {to}) (br 1) end (local.set $e) (call $keep)"
        ));
        if let Some(again) = again {
            self.push(&format!(
                "{} if (throw_ref (local.get $e)) end",
                condition(*again)
            ));
        }
        self.push(&format!("end (local.set {to})"));
    }

    fn legacy_try(&mut self, statement: &Statement) {
        let Statement::Catch {
            to,
            tags,
            again,
            body,
            ..
        } = statement
        else {
            unreachable!("checked by the caller")
        };
        self.push(&format!("try (result {REF})"));
        self.within(Label::BlockRef, body);
        self.push(&format!("(local.get {to})"));
        for tag in (0..2).filter(|tag| tags[*tag]) {
            self.push(&format!("catch $t{tag} (call $keep)"));
            if let Some(again) = again {
                self.push(&format!("{} if rethrow 1 end", condition(*again)));
            }
        }
        self.push(&format!("end (local.set {to})"));
    }

    fn branch(&mut self, number: usize, local: u32, mask: Option<u32>) {
        let Some((depth, label)) = label(&self.labels, number) else {
            return;
        };
        let (value, unused) = if label.is_ref() {
            (format!("(local.get {local})"), "drop")
        } else {
            (String::new(), "")
        };
        match mask {
            Some(mask) => self.push(&format!(
                "{value} (br_if {depth} {}) {unused}",
                condition(mask)
            )),
            None if label.is_forward() => self.push(&format!("{value} (br {depth})")),
            None => {}
        }
    }
}

/// A module that runs the statements and returns the checksum.
pub(crate) fn module(statements: &[Statement]) -> String {
    let mut writer = Writer {
        text: String::new(),
        labels: Vec::new(),
    };
    writer.statements(statements);
    format!(
        r#"(module
          (import "host" "pass" (func $pass (param anyref) (result anyref)))
          (import "host" "collect" (func $collect))
          (type $box (struct (field (mut i32)) (field (mut (ref null $box)))))
          (type $boxes (array (mut (ref null $box))))
          (tag $t0 (param {REF}))
          (tag $t1 (param {REF}))
          (global $sum (mut i32) (i32.const 0))
          (global $fuel (mut i32) (i32.const {FUEL}))
          (func $fold (param $b {REF})
            (global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 31))
              (if (result i32) (ref.is_null (local.get $b))
                (then (i32.const 7)) (else (struct.get $box 0 (local.get $b)))))))
          (func $keep (param $b {REF}) (result {REF})
            (call $fold (local.get $b))
            (drop (struct.new $box (i32.const 1) (local.get $b)))
            (local.get $b))
          (func $throw0 (param $b {REF}) (param $really i32)
            (drop (struct.new $box (i32.const 1) (local.get $b)))
            (if (local.get $really) (then (throw $t0 (local.get $b)))))
          (func $throw1 (param $b {REF}) (param $really i32)
            (if (local.get $really) (then (throw $t1 (local.get $b))))
            (drop (struct.new $box (i32.const 1) (local.get $b))))
          (func $next (param $b {REF}) (result {REF})
            (block $null (return (struct.get $box 1 (br_on_null $null (local.get $b)))))
            (ref.null $box))
          (func $link (param $b {REF}) (param $to {REF})
            (if (i32.eqz (ref.is_null (local.get $b)))
              (then (struct.set $box 1 (local.get $b) (local.get $to)))))
          (func $join (param $a {REF}) (param $b {REF}) (result {REF})
            (call $fold (local.get $a))
            (struct.new $box (i32.const 5) (struct.new $box (i32.const 6) (local.get $b))))
          (func $go_on (param $mask i32) (result i32)
            (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
            (i32.and (i32.gt_s (global.get $fuel) (i32.const 0))
              (i32.ne (i32.const 0) (i32.and (i32.xor (global.get $sum) (global.get $fuel)) (local.get $mask)))))
          {functions}
          (func (export "run") (result i32) (local {locals}) (local $e exnref)
            (local.set 0 (block $thrown (result {REF})
              (try_table (catch $t0 $thrown) (catch $t1 $thrown) {body})
              (local.get 0)))
            (call $fold (local.get 0))
            (global.get $sum)))"#,
        locals = format!("{REF} ").repeat(LOCALS as usize),
        body = writer.text,
        functions = FUNCTIONS.replace("REF", REF),
    )
}
