//! Between lane types: widening, narrowing, numbers to numbers; and what multiplies or adds
//! neighbours in wider lanes. The code generator knows each of these sequences as one.

use super::lanes::{table, two};
use super::{Binary, Builder, Type, Unary, Value, constant};
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use wasmparser::Operator;

/// Both operands widened by one instruction, then multiplied.
macro_rules! multiply {
    ($widen:ident) => {
        |b, x, y| {
            let (x, y) = (b.ins().$widen(x), b.ins().$widen(y));
            b.ins().imul(x, y)
        }
    };
}

/// Both halves widened, then neighbours added.
macro_rules! pairwise {
    ($low:ident $high:ident) => {
        |b, x| {
            let (low, high) = (b.ins().$low(x), b.ins().$high(x));
            b.ins().iadd_pairwise(low, high)
        }
    };
}

/// Vector to vector.
pub(super) fn unary(op: &Operator<'_>) -> Option<(Type, Unary)> {
    table!(op, Unary {
        |b, x| b.ins().swiden_low(x) =>
            I16x8ExtendLowI8x16S I8X16, I32x4ExtendLowI16x8S I16X8, I64x2ExtendLowI32x4S I32X4;
        |b, x| b.ins().swiden_high(x) =>
            I16x8ExtendHighI8x16S I8X16, I32x4ExtendHighI16x8S I16X8, I64x2ExtendHighI32x4S I32X4;
        |b, x| b.ins().uwiden_low(x) =>
            I16x8ExtendLowI8x16U I8X16, I32x4ExtendLowI16x8U I16X8, I64x2ExtendLowI32x4U I32X4;
        |b, x| b.ins().uwiden_high(x) =>
            I16x8ExtendHighI8x16U I8X16, I32x4ExtendHighI16x8U I16X8, I64x2ExtendHighI32x4U I32X4;
        pairwise!(swiden_low swiden_high) =>
            I16x8ExtAddPairwiseI8x16S I8X16, I32x4ExtAddPairwiseI16x8S I16X8;
        pairwise!(uwiden_low uwiden_high) =>
            I16x8ExtAddPairwiseI8x16U I8X16, I32x4ExtAddPairwiseI16x8U I16X8;
        |b, x| b.ins().fcvt_to_sint_sat(I32X4, x) =>
            I32x4TruncSatF32x4S F32X4, I32x4RelaxedTruncF32x4S F32X4;
        |b, x| b.ins().fcvt_to_uint_sat(I32X4, x) =>
            I32x4TruncSatF32x4U F32X4, I32x4RelaxedTruncF32x4U F32X4;
        truncate_signed => I32x4TruncSatF64x2SZero F64X2, I32x4RelaxedTruncF64x2SZero F64X2;
        truncate_unsigned => I32x4TruncSatF64x2UZero F64X2, I32x4RelaxedTruncF64x2UZero F64X2;
        |b, x| b.ins().fcvt_from_sint(F32X4, x) => F32x4ConvertI32x4S I32X4;
        |b, x| b.ins().fcvt_from_uint(F32X4, x) => F32x4ConvertI32x4U I32X4;
        from_low_signed => F64x2ConvertLowI32x4S I32X4;
        from_low_unsigned => F64x2ConvertLowI32x4U I32X4;
        |b, x| b.ins().fvdemote(x) => F32x4DemoteF64x2Zero F64X2;
        |b, x| b.ins().fvpromote_low(x) => F64x2PromoteLowF32x4 F32X4;
    })
}

/// Two vectors to one.
pub(super) fn binary(op: &Operator<'_>) -> Option<(Type, Binary)> {
    table!(op, Binary {
        two!(snarrow) => I8x16NarrowI16x8S I16X8, I16x8NarrowI32x4S I32X4;
        two!(unarrow) => I8x16NarrowI16x8U I16X8, I16x8NarrowI32x4U I32X4;
        multiply!(swiden_low) =>
            I16x8ExtMulLowI8x16S I8X16, I32x4ExtMulLowI16x8S I16X8, I64x2ExtMulLowI32x4S I32X4;
        multiply!(swiden_high) =>
            I16x8ExtMulHighI8x16S I8X16, I32x4ExtMulHighI16x8S I16X8, I64x2ExtMulHighI32x4S I32X4;
        multiply!(uwiden_low) =>
            I16x8ExtMulLowI8x16U I8X16, I32x4ExtMulLowI16x8U I16X8, I64x2ExtMulLowI32x4U I32X4;
        multiply!(uwiden_high) =>
            I16x8ExtMulHighI8x16U I8X16, I32x4ExtMulHighI16x8U I16X8, I64x2ExtMulHighI32x4U I32X4;
        dot => I32x4DotI16x8S I16X8, I16x8RelaxedDotI8x16I7x16S I8X16;
    })
}

/// Sums of two neighbouring products each, in lanes twice as wide. Both operands are signed.
fn dot(b: &mut Builder<'_>, x: Value, y: Value) -> Value {
    let (x_low, y_low) = (b.ins().swiden_low(x), b.ins().swiden_low(y));
    let low = b.ins().imul(x_low, y_low);
    let (x_high, y_high) = (b.ins().swiden_high(x), b.ins().swiden_high(y));
    let high = b.ins().imul(x_high, y_high);
    b.ins().iadd_pairwise(low, high)
}

/// Sums of four neighbouring products of bytes each, added to `sum`.
pub(super) fn dot_add(b: &mut Builder<'_>, x: Value, y: Value, sum: Value) -> Value {
    let products = dot(b, x, y);
    let (low, high) = (b.ins().swiden_low(products), b.ins().swiden_high(products));
    let sums = b.ins().iadd_pairwise(low, high);
    b.ins().iadd(sums, sum)
}

/// Doubles to the two low `i32` lanes; the others are zero.
fn truncate_signed(b: &mut Builder<'_>, x: Value) -> Value {
    let wide = b.ins().fcvt_to_sint_sat(I64X2, x);
    let zero = constant(b, I64X2, [0; 16]);
    b.ins().snarrow(wide, zero)
}

/// As [`truncate_signed`], to unsigned integers.
fn truncate_unsigned(b: &mut Builder<'_>, x: Value) -> Value {
    let wide = b.ins().fcvt_to_uint_sat(I64X2, x);
    let zero = constant(b, I64X2, [0; 16]);
    b.ins().uunarrow(wide, zero)
}

fn from_low_signed(b: &mut Builder<'_>, x: Value) -> Value {
    let wide = b.ins().swiden_low(x);
    b.ins().fcvt_from_sint(F64X2, wide)
}

fn from_low_unsigned(b: &mut Builder<'_>, x: Value) -> Value {
    let wide = b.ins().uwiden_low(x);
    b.ins().fcvt_from_uint(F64X2, wide)
}
