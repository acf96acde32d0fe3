//! Operators that treat all lanes alike: for each, its lanes and the instruction.

use super::{Binary, Builder, Ternary, Type, Unary, Value, cast};
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32, I32X4, I64X2};
use wasmparser::Operator;

/// `emit => operator lanes, ...;` looked up by operator: lanes and `emit`.
macro_rules! table {
    ($op:expr, $kind:ty { $($emit:expr => $($name:ident $ty:ident),+;)* }) => {
        match $op {
            $($(Operator::$name => Some(($ty, $emit as $kind)),)+)*
            _ => None,
        }
    };
}
pub(super) use table;

/// One instruction on one operand.
macro_rules! one {
    ($instruction:ident) => {
        |b, x| b.ins().$instruction(x)
    };
}

/// One instruction on two operands.
macro_rules! two {
    ($instruction:ident) => {
        |b, x, y| b.ins().$instruction(x, y)
    };
}

/// A comparison: all ones in a lane where it holds.
macro_rules! compare {
    ($instruction:ident $condition:expr) => {
        |b, x, y| b.ins().$instruction($condition, x, y)
    };
}
pub(super) use two;

/// Vector to vector.
pub(super) fn unary(op: &Operator<'_>) -> Option<(Type, Unary)> {
    table!(op, Unary {
        one!(bnot) => V128Not I8X16;
        one!(iabs) => I8x16Abs I8X16, I16x8Abs I16X8, I32x4Abs I32X4, I64x2Abs I64X2;
        one!(ineg) => I8x16Neg I8X16, I16x8Neg I16X8, I32x4Neg I32X4, I64x2Neg I64X2;
        one!(popcnt) => I8x16Popcnt I8X16;
        one!(ceil) => F32x4Ceil F32X4, F64x2Ceil F64X2;
        one!(floor) => F32x4Floor F32X4, F64x2Floor F64X2;
        one!(trunc) => F32x4Trunc F32X4, F64x2Trunc F64X2;
        one!(nearest) => F32x4Nearest F32X4, F64x2Nearest F64X2;
        one!(fabs) => F32x4Abs F32X4, F64x2Abs F64X2;
        one!(fneg) => F32x4Neg F32X4, F64x2Neg F64X2;
        one!(sqrt) => F32x4Sqrt F32X4, F64x2Sqrt F64X2;
    })
}

/// Two vectors to one.
pub(super) fn binary(op: &Operator<'_>) -> Option<(Type, Binary)> {
    arithmetic(op)
        .or_else(|| integer_comparison(op))
        .or_else(|| float_comparison(op))
}

fn arithmetic(op: &Operator<'_>) -> Option<(Type, Binary)> {
    table!(op, Binary {
        two!(band) => V128And I8X16;
        two!(band_not) => V128AndNot I8X16;
        two!(bor) => V128Or I8X16;
        two!(bxor) => V128Xor I8X16;
        two!(iadd) => I8x16Add I8X16, I16x8Add I16X8, I32x4Add I32X4, I64x2Add I64X2;
        two!(isub) => I8x16Sub I8X16, I16x8Sub I16X8, I32x4Sub I32X4, I64x2Sub I64X2;
        two!(imul) => I16x8Mul I16X8, I32x4Mul I32X4, I64x2Mul I64X2;
        two!(sadd_sat) => I8x16AddSatS I8X16, I16x8AddSatS I16X8;
        two!(uadd_sat) => I8x16AddSatU I8X16, I16x8AddSatU I16X8;
        two!(ssub_sat) => I8x16SubSatS I8X16, I16x8SubSatS I16X8;
        two!(usub_sat) => I8x16SubSatU I8X16, I16x8SubSatU I16X8;
        two!(smin) => I8x16MinS I8X16, I16x8MinS I16X8, I32x4MinS I32X4;
        two!(umin) => I8x16MinU I8X16, I16x8MinU I16X8, I32x4MinU I32X4;
        two!(smax) => I8x16MaxS I8X16, I16x8MaxS I16X8, I32x4MaxS I32X4;
        two!(umax) => I8x16MaxU I8X16, I16x8MaxU I16X8, I32x4MaxU I32X4;
        two!(avg_round) => I8x16AvgrU I8X16, I16x8AvgrU I16X8;
        two!(sqmul_round_sat) => I16x8Q15MulrSatS I16X8, I16x8RelaxedQ15mulrS I16X8;
        two!(fadd) => F32x4Add F32X4, F64x2Add F64X2;
        two!(fsub) => F32x4Sub F32X4, F64x2Sub F64X2;
        two!(fmul) => F32x4Mul F32X4, F64x2Mul F64X2;
        two!(fdiv) => F32x4Div F32X4, F64x2Div F64X2;
        two!(fmin) => F32x4Min F32X4, F64x2Min F64X2, F32x4RelaxedMin F32X4, F64x2RelaxedMin F64X2;
        two!(fmax) => F32x4Max F32X4, F64x2Max F64X2, F32x4RelaxedMax F32X4, F64x2RelaxedMax F64X2;
        pseudo_min => F32x4PMin F32X4, F64x2PMin F64X2;
        pseudo_max => F32x4PMax F32X4, F64x2PMax F64X2;
    })
}

fn integer_comparison(op: &Operator<'_>) -> Option<(Type, Binary)> {
    table!(op, Binary {
        compare!(icmp IntCC::Equal) => I8x16Eq I8X16, I16x8Eq I16X8, I32x4Eq I32X4, I64x2Eq I64X2;
        compare!(icmp IntCC::NotEqual) =>
            I8x16Ne I8X16, I16x8Ne I16X8, I32x4Ne I32X4, I64x2Ne I64X2;
        compare!(icmp IntCC::SignedLessThan) =>
            I8x16LtS I8X16, I16x8LtS I16X8, I32x4LtS I32X4, I64x2LtS I64X2;
        compare!(icmp IntCC::SignedGreaterThan) =>
            I8x16GtS I8X16, I16x8GtS I16X8, I32x4GtS I32X4, I64x2GtS I64X2;
        compare!(icmp IntCC::SignedLessThanOrEqual) =>
            I8x16LeS I8X16, I16x8LeS I16X8, I32x4LeS I32X4, I64x2LeS I64X2;
        compare!(icmp IntCC::SignedGreaterThanOrEqual) =>
            I8x16GeS I8X16, I16x8GeS I16X8, I32x4GeS I32X4, I64x2GeS I64X2;
        compare!(icmp IntCC::UnsignedLessThan) => I8x16LtU I8X16, I16x8LtU I16X8, I32x4LtU I32X4;
        compare!(icmp IntCC::UnsignedGreaterThan) => I8x16GtU I8X16, I16x8GtU I16X8, I32x4GtU I32X4;
        compare!(icmp IntCC::UnsignedLessThanOrEqual) =>
            I8x16LeU I8X16, I16x8LeU I16X8, I32x4LeU I32X4;
        compare!(icmp IntCC::UnsignedGreaterThanOrEqual) =>
            I8x16GeU I8X16, I16x8GeU I16X8, I32x4GeU I32X4;
    })
}

fn float_comparison(op: &Operator<'_>) -> Option<(Type, Binary)> {
    table!(op, Binary {
        compare!(fcmp FloatCC::Equal) => F32x4Eq F32X4, F64x2Eq F64X2;
        compare!(fcmp FloatCC::NotEqual) => F32x4Ne F32X4, F64x2Ne F64X2;
        compare!(fcmp FloatCC::LessThan) => F32x4Lt F32X4, F64x2Lt F64X2;
        compare!(fcmp FloatCC::GreaterThan) => F32x4Gt F32X4, F64x2Gt F64X2;
        compare!(fcmp FloatCC::LessThanOrEqual) => F32x4Le F32X4, F64x2Le F64X2;
        compare!(fcmp FloatCC::GreaterThanOrEqual) => F32x4Ge F32X4, F64x2Ge F64X2;
    })
}

/// A vector and a distance, of which lanes take as many bits as they have, to a vector.
pub(super) fn shift(op: &Operator<'_>) -> Option<(Type, Binary)> {
    table!(op, Binary {
        two!(ishl) => I8x16Shl I8X16, I16x8Shl I16X8, I32x4Shl I32X4, I64x2Shl I64X2;
        two!(sshr) => I8x16ShrS I8X16, I16x8ShrS I16X8, I32x4ShrS I32X4, I64x2ShrS I64X2;
        two!(ushr) => I8x16ShrU I8X16, I16x8ShrU I16X8, I32x4ShrU I32X4, I64x2ShrU I64X2;
    })
}

/// Three vectors to one.
pub(super) fn ternary(op: &Operator<'_>) -> Option<(Type, Ternary)> {
    table!(op, Ternary {
        |b, x, y, mask| b.ins().bitselect(mask, x, y) =>
            V128Bitselect I8X16, I8x16RelaxedLaneselect I8X16, I16x8RelaxedLaneselect I16X8,
            I32x4RelaxedLaneselect I32X4, I64x2RelaxedLaneselect I64X2;
        |b, x, y, z| b.ins().fma(x, y, z) => F32x4RelaxedMadd F32X4, F64x2RelaxedMadd F64X2;
        negative_fma => F32x4RelaxedNmadd F32X4, F64x2RelaxedNmadd F64X2;
    })
}

/// A vector to an `i32`.
pub(super) fn test(op: &Operator<'_>) -> Option<(Type, Unary)> {
    table!(op, Unary {
        any_true => V128AnyTrue I8X16;
        all_true =>
            I8x16AllTrue I8X16, I16x8AllTrue I16X8, I32x4AllTrue I32X4, I64x2AllTrue I64X2;
        |b, x| b.ins().vhigh_bits(I32, x) =>
            I8x16Bitmask I8X16, I16x8Bitmask I16X8, I32x4Bitmask I32X4, I64x2Bitmask I64X2;
    })
}

fn any_true(b: &mut Builder<'_>, vector: Value) -> Value {
    let holds = b.ins().vany_true(vector);
    b.ins().uextend(I32, holds)
}

fn all_true(b: &mut Builder<'_>, vector: Value) -> Value {
    let holds = b.ins().vall_true(vector);
    b.ins().uextend(I32, holds)
}

fn negative_fma(b: &mut Builder<'_>, x: Value, y: Value, z: Value) -> Value {
    let x = b.ins().fneg(x);
    b.ins().fma(x, y, z)
}

/// `y < x ? y : x`: with a NaN or two zeros, the first operand.
fn pseudo_min(b: &mut Builder<'_>, x: Value, y: Value) -> Value {
    let takes_y = b.ins().fcmp(FloatCC::LessThan, y, x);
    select_lanes(b, takes_y, y, x)
}

/// `x < y ? y : x`: with a NaN or two zeros, the first operand.
fn pseudo_max(b: &mut Builder<'_>, x: Value, y: Value) -> Value {
    let takes_y = b.ins().fcmp(FloatCC::LessThan, x, y);
    select_lanes(b, takes_y, y, x)
}

fn select_lanes(b: &mut Builder<'_>, mask: Value, then: Value, otherwise: Value) -> Value {
    let mask = cast(b, b.func.dfg.value_type(then), mask);
    b.ins().bitselect(mask, then, otherwise)
}
