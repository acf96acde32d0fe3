//! `i31` references: an integer in the reference itself, marked by the low bit.

use crate::{Emitter, Known};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;

impl Emitter {
    /// The reference that holds the low 31 bits of `value`, an `i32`.
    pub fn i31_new(&mut self, b: &mut FunctionBuilder<'_>, value: Value) -> Value {
        let shifted = b.ins().ishl_imm_u(value, 1);
        b.ins().bor_imm_u(shifted, 1)
    }

    /// The integer of an `i31`, sign-extended.
    pub fn i31_get_s(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        reference: Value,
        known: Known,
    ) -> Value {
        self.check_i31(b, reference, known);
        b.ins().sshr_imm_u(reference, 1)
    }

    /// The integer of an `i31`, zero-extended.
    pub fn i31_get_u(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        reference: Value,
        known: Known,
    ) -> Value {
        self.check_i31(b, reference, known);
        b.ins().ushr_imm_u(reference, 1)
    }

    fn check_i31(&mut self, b: &mut FunctionBuilder<'_>, reference: Value, known: Known) {
        if known == Known::Nullable {
            self.check_null(b, reference);
        }
    }
}
