//! Constants, locals, globals, `drop` and `select`.

use super::{Translator, clif_type};
use crate::env::Repr;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use wasmparser::Operator;
use windrow_cranelift::Region;

/// Global cells overlap nothing else.
const GLOBALS: Region = Region::Client(0);

impl Translator<'_> {
    /// Translates operators on variables. Whether `op` is one.
    pub(super) fn variable_operator(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I32Const { value } => {
                // An `i32` immediate is kept zero-extended.
                let value = self
                    .b
                    .ins()
                    .iconst(types::I32, i64::from(value.cast_unsigned()));
                self.push(value);
            }
            Operator::I64Const { value } => {
                let value = self.b.ins().iconst(types::I64, *value);
                self.push(value);
            }
            Operator::F32Const { value } => {
                let value = self.b.ins().f32const(f32::from_bits(value.bits()));
                self.push(value);
            }
            Operator::F64Const { value } => {
                let value = self.b.ins().f64const(f64::from_bits(value.bits()));
                self.push(value);
            }
            Operator::LocalGet { local_index } => {
                let value = self.locals.value(&mut self.b, *local_index);
                self.push(value);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.locals.set(&mut self.b, *local_index, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.stack.peek(&mut self.b, 0);
                self.locals.set(&mut self.b, *local_index, value);
            }
            Operator::GlobalGet { global_index } => self.global_get(*global_index),
            Operator::GlobalSet { global_index } => self.global_set(*global_index),
            Operator::Drop => {
                self.stack.truncate(self.stack.len() - 1);
            }
            Operator::Select | Operator::TypedSelect { .. } => {
                let condition = self.pop();
                let (otherwise, then) = (self.pop(), self.pop());
                let value = self.b.ins().select(condition, then, otherwise);
                self.push(value);
            }
            _ => return false,
        }
        true
    }

    /// The cell of a global, its representation, and how to access it.
    fn global(&mut self, index: u32) -> (Value, Repr, MemFlagsData) {
        let global = self
            .env
            .globals
            .get(index as usize)
            .expect("a validated global index is in range");
        let (repr, is_mutable) = (self.env.repr(global.content_type), global.mutable);
        let cell = self.load_context(types::I64, self.offsets.global(index));
        let flags = GLOBALS.trusted(self.b.func);
        // A collection rewrites references in cells of any kind.
        let flags = if is_mutable || repr == Repr::Gc {
            flags
        } else {
            flags.with_readonly()
        };
        (cell, repr, flags)
    }

    fn global_get(&mut self, index: u32) {
        let (cell, repr, flags) = self.global(index);
        let value = self.b.ins().load(clif_type(repr), flags, cell, 0);
        self.push(value);
    }

    fn global_set(&mut self, index: u32) {
        let value = self.pop();
        let (cell, repr, flags) = self.global(index);
        if repr == Repr::Gc {
            self.emitter
                .store_barrier(&mut self.b, &mut self.host, value);
        }
        self.b.ins().store(flags, value, cell, 0);
    }
}
