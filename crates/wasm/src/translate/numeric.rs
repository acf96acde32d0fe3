//! Integers and floats: each operator is one instruction or a short sequence.
//!
//! Cranelift's division and conversion instructions trap as wasm asks, with codes of their own.

use super::Translator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use types::{F32, F64, I8, I16, I32, I64};
use wasmparser::Operator;

type Builder<'a> = FunctionBuilder<'a>;
type Unary = fn(&mut Builder<'_>, Value) -> Value;
type Binary = fn(&mut Builder<'_>, Value, Value) -> Value;

impl Translator<'_> {
    /// Translates operators on numbers. Whether `op` is one.
    pub(super) fn numeric_operator(&mut self, op: &Operator<'_>) -> bool {
        let binary = integer_binary(op).or_else(|| float_binary(op));
        let value = if let Some(emit) = binary {
            let (right, left) = (self.pop(), self.pop());
            emit(&mut self.b, left, right)
        } else if let Some(condition) = integer_condition(op) {
            let (right, left) = (self.pop(), self.pop());
            let holds = self.b.ins().icmp(condition, left, right);
            self.b.ins().uextend(I32, holds)
        } else if let Some(condition) = float_condition(op) {
            let (right, left) = (self.pop(), self.pop());
            let holds = self.b.ins().fcmp(condition, left, right);
            self.b.ins().uextend(I32, holds)
        } else if let Some(emit) = unary(op).or_else(|| conversion(op)) {
            let operand = self.pop();
            emit(&mut self.b, operand)
        } else {
            return false;
        };
        self.push(value);
        true
    }
}

fn integer_binary(op: &Operator<'_>) -> Option<Binary> {
    let emit: Binary = match op {
        Operator::I32Add | Operator::I64Add => |b, x, y| b.ins().iadd(x, y),
        Operator::I32Sub | Operator::I64Sub => |b, x, y| b.ins().isub(x, y),
        Operator::I32Mul | Operator::I64Mul => |b, x, y| b.ins().imul(x, y),
        Operator::I32DivS | Operator::I64DivS => |b, x, y| b.ins().sdiv(x, y),
        Operator::I32DivU | Operator::I64DivU => |b, x, y| b.ins().udiv(x, y),
        Operator::I32RemS | Operator::I64RemS => |b, x, y| b.ins().srem(x, y),
        Operator::I32RemU | Operator::I64RemU => |b, x, y| b.ins().urem(x, y),
        Operator::I32And | Operator::I64And => |b, x, y| b.ins().band(x, y),
        Operator::I32Or | Operator::I64Or => |b, x, y| b.ins().bor(x, y),
        Operator::I32Xor | Operator::I64Xor => |b, x, y| b.ins().bxor(x, y),
        Operator::I32Shl | Operator::I64Shl => |b, x, y| b.ins().ishl(x, y),
        Operator::I32ShrS | Operator::I64ShrS => |b, x, y| b.ins().sshr(x, y),
        Operator::I32ShrU | Operator::I64ShrU => |b, x, y| b.ins().ushr(x, y),
        Operator::I32Rotl | Operator::I64Rotl => |b, x, y| b.ins().rotl(x, y),
        Operator::I32Rotr | Operator::I64Rotr => |b, x, y| b.ins().rotr(x, y),
        _ => return None,
    };
    Some(emit)
}

fn float_binary(op: &Operator<'_>) -> Option<Binary> {
    let emit: Binary = match op {
        Operator::F32Add | Operator::F64Add => |b, x, y| b.ins().fadd(x, y),
        Operator::F32Sub | Operator::F64Sub => |b, x, y| b.ins().fsub(x, y),
        Operator::F32Mul | Operator::F64Mul => |b, x, y| b.ins().fmul(x, y),
        Operator::F32Div | Operator::F64Div => |b, x, y| b.ins().fdiv(x, y),
        Operator::F32Min | Operator::F64Min => |b, x, y| b.ins().fmin(x, y),
        Operator::F32Max | Operator::F64Max => |b, x, y| b.ins().fmax(x, y),
        Operator::F32Copysign | Operator::F64Copysign => |b, x, y| b.ins().fcopysign(x, y),
        _ => return None,
    };
    Some(emit)
}

fn integer_condition(op: &Operator<'_>) -> Option<IntCC> {
    Some(match op {
        Operator::I32Eq | Operator::I64Eq => IntCC::Equal,
        Operator::I32Ne | Operator::I64Ne => IntCC::NotEqual,
        Operator::I32LtS | Operator::I64LtS => IntCC::SignedLessThan,
        Operator::I32LtU | Operator::I64LtU => IntCC::UnsignedLessThan,
        Operator::I32GtS | Operator::I64GtS => IntCC::SignedGreaterThan,
        Operator::I32GtU | Operator::I64GtU => IntCC::UnsignedGreaterThan,
        Operator::I32LeS | Operator::I64LeS => IntCC::SignedLessThanOrEqual,
        Operator::I32LeU | Operator::I64LeU => IntCC::UnsignedLessThanOrEqual,
        Operator::I32GeS | Operator::I64GeS => IntCC::SignedGreaterThanOrEqual,
        Operator::I32GeU | Operator::I64GeU => IntCC::UnsignedGreaterThanOrEqual,
        _ => return None,
    })
}

fn float_condition(op: &Operator<'_>) -> Option<FloatCC> {
    Some(match op {
        Operator::F32Eq | Operator::F64Eq => FloatCC::Equal,
        Operator::F32Ne | Operator::F64Ne => FloatCC::NotEqual,
        Operator::F32Lt | Operator::F64Lt => FloatCC::LessThan,
        Operator::F32Gt | Operator::F64Gt => FloatCC::GreaterThan,
        Operator::F32Le | Operator::F64Le => FloatCC::LessThanOrEqual,
        Operator::F32Ge | Operator::F64Ge => FloatCC::GreaterThanOrEqual,
        _ => return None,
    })
}

fn unary(op: &Operator<'_>) -> Option<Unary> {
    let emit: Unary = match op {
        Operator::I32Eqz | Operator::I64Eqz => |b, x| {
            let holds = b.ins().icmp_imm_u(IntCC::Equal, x, 0);
            b.ins().uextend(I32, holds)
        },
        Operator::I32Clz | Operator::I64Clz => |b, x| b.ins().clz(x),
        Operator::I32Ctz | Operator::I64Ctz => |b, x| b.ins().ctz(x),
        Operator::I32Popcnt | Operator::I64Popcnt => |b, x| b.ins().popcnt(x),
        Operator::F32Abs | Operator::F64Abs => |b, x| b.ins().fabs(x),
        Operator::F32Neg | Operator::F64Neg => |b, x| b.ins().fneg(x),
        Operator::F32Ceil | Operator::F64Ceil => |b, x| b.ins().ceil(x),
        Operator::F32Floor | Operator::F64Floor => |b, x| b.ins().floor(x),
        Operator::F32Trunc | Operator::F64Trunc => |b, x| b.ins().trunc(x),
        Operator::F32Nearest | Operator::F64Nearest => |b, x| b.ins().nearest(x),
        Operator::F32Sqrt | Operator::F64Sqrt => |b, x| b.ins().sqrt(x),
        Operator::I32Extend8S => |b, x| extend_low(b, x, I8, I32),
        Operator::I32Extend16S => |b, x| extend_low(b, x, I16, I32),
        Operator::I64Extend8S => |b, x| extend_low(b, x, I8, I64),
        Operator::I64Extend16S => |b, x| extend_low(b, x, I16, I64),
        Operator::I64Extend32S => |b, x| extend_low(b, x, I32, I64),
        _ => return None,
    };
    Some(emit)
}

/// Sign-extends the low bits of an integer.
fn extend_low(b: &mut Builder<'_>, value: Value, low: Type, to: Type) -> Value {
    let low = b.ins().ireduce(low, value);
    b.ins().sextend(to, low)
}

fn conversion(op: &Operator<'_>) -> Option<Unary> {
    let emit: Unary = match op {
        Operator::I32WrapI64 => |b, x| b.ins().ireduce(I32, x),
        Operator::I64ExtendI32S => |b, x| b.ins().sextend(I64, x),
        Operator::I64ExtendI32U => |b, x| b.ins().uextend(I64, x),
        Operator::I32TruncF32S | Operator::I32TruncF64S => |b, x| b.ins().fcvt_to_sint(I32, x),
        Operator::I32TruncF32U | Operator::I32TruncF64U => |b, x| b.ins().fcvt_to_uint(I32, x),
        Operator::I64TruncF32S | Operator::I64TruncF64S => |b, x| b.ins().fcvt_to_sint(I64, x),
        Operator::I64TruncF32U | Operator::I64TruncF64U => |b, x| b.ins().fcvt_to_uint(I64, x),
        Operator::I32TruncSatF32S | Operator::I32TruncSatF64S => {
            |b, x| b.ins().fcvt_to_sint_sat(I32, x)
        }
        Operator::I32TruncSatF32U | Operator::I32TruncSatF64U => {
            |b, x| b.ins().fcvt_to_uint_sat(I32, x)
        }
        Operator::I64TruncSatF32S | Operator::I64TruncSatF64S => {
            |b, x| b.ins().fcvt_to_sint_sat(I64, x)
        }
        Operator::I64TruncSatF32U | Operator::I64TruncSatF64U => {
            |b, x| b.ins().fcvt_to_uint_sat(I64, x)
        }
        Operator::F32ConvertI32S | Operator::F32ConvertI64S => {
            |b, x| b.ins().fcvt_from_sint(F32, x)
        }
        Operator::F32ConvertI32U | Operator::F32ConvertI64U => {
            |b, x| b.ins().fcvt_from_uint(F32, x)
        }
        Operator::F64ConvertI32S | Operator::F64ConvertI64S => {
            |b, x| b.ins().fcvt_from_sint(F64, x)
        }
        Operator::F64ConvertI32U | Operator::F64ConvertI64U => {
            |b, x| b.ins().fcvt_from_uint(F64, x)
        }
        Operator::F32DemoteF64 => |b, x| b.ins().fdemote(F32, x),
        Operator::F64PromoteF32 => |b, x| b.ins().fpromote(F64, x),
        Operator::I32ReinterpretF32 => |b, x| b.ins().bitcast(I32, MemFlagsData::new(), x),
        Operator::I64ReinterpretF64 => |b, x| b.ins().bitcast(I64, MemFlagsData::new(), x),
        Operator::F32ReinterpretI32 => |b, x| b.ins().bitcast(F32, MemFlagsData::new(), x),
        Operator::F64ReinterpretI64 => |b, x| b.ins().bitcast(F64, MemFlagsData::new(), x),
        _ => return None,
    };
    Some(emit)
}
