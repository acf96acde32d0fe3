//! Constant expressions, decoded: what globals, tables, segments and offsets start from.

use crate::env::ModuleEnv;
use crate::error::Error;
use smallvec::SmallVec;
use wasmparser::{Operator, OperatorsReader};
use windrow::TypeId;

/// One instruction of a constant expression. References that keep their representation
/// (`any.convert_extern` and its inverse) need none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConstOp {
    /// Pushes the bits of a number or vector, or a null reference.
    Bits(u128),
    /// Pushes a reference to a function.
    RefFunc(u32),
    /// Pushes the value of a global.
    GlobalGet(u32),
    /// 32-bit addition.
    I32Add,
    /// 32-bit subtraction.
    I32Sub,
    /// 32-bit multiplication.
    I32Mul,
    /// 64-bit addition.
    I64Add,
    /// 64-bit subtraction.
    I64Sub,
    /// 64-bit multiplication.
    I64Mul,
    /// Makes an `i31` of an integer.
    RefI31,
    /// Makes a struct of as many values as it has fields.
    StructNew(TypeId),
    /// Makes a struct of zeros.
    StructNewDefault(TypeId),
    /// Makes an array of a value and a length.
    ArrayNew(TypeId),
    /// Makes an array of zeros of a length.
    ArrayNewDefault(TypeId),
    /// Makes an array of this many values.
    ArrayNewFixed(TypeId, u32),
}

/// A constant expression: instructions of a stack machine that leave one value.
pub(crate) type ConstExpr = SmallVec<[ConstOp; 1]>;

/// Decodes a constant expression.
///
/// # Errors
/// [`Error::Invalid`] for malformed bytes and for instructions that are not constant: validation
/// of the section comes after the parser has read it.
pub(crate) fn decode(
    env: &ModuleEnv,
    expr: &wasmparser::ConstExpr<'_>,
) -> Result<ConstExpr, Error> {
    let mut ops = ConstExpr::new();
    let mut reader = expr.get_operators_reader();
    while !reader.eof() {
        let offset = reader.original_position();
        let op = match reader.read()? {
            Operator::I32Const { value } => ConstOp::Bits(value.cast_unsigned().into()),
            Operator::I64Const { value } => ConstOp::Bits(value.cast_unsigned().into()),
            Operator::F32Const { value } => ConstOp::Bits(value.bits().into()),
            Operator::F64Const { value } => ConstOp::Bits(value.bits().into()),
            Operator::V128Const { value } => ConstOp::Bits(value.into()),
            Operator::RefNull { .. } => ConstOp::Bits(0),
            Operator::RefFunc { function_index } => ConstOp::RefFunc(function_index),
            Operator::GlobalGet { global_index } => ConstOp::GlobalGet(global_index),
            Operator::I32Add => ConstOp::I32Add,
            Operator::I32Sub => ConstOp::I32Sub,
            Operator::I32Mul => ConstOp::I32Mul,
            Operator::I64Add => ConstOp::I64Add,
            Operator::I64Sub => ConstOp::I64Sub,
            Operator::I64Mul => ConstOp::I64Mul,
            Operator::RefI31 => ConstOp::RefI31,
            Operator::StructNew { struct_type_index } => {
                ConstOp::StructNew(env.type_id(struct_type_index))
            }
            Operator::StructNewDefault { struct_type_index } => {
                ConstOp::StructNewDefault(env.type_id(struct_type_index))
            }
            Operator::ArrayNew { array_type_index } => {
                ConstOp::ArrayNew(env.type_id(array_type_index))
            }
            Operator::ArrayNewDefault { array_type_index } => {
                ConstOp::ArrayNewDefault(env.type_id(array_type_index))
            }
            Operator::ArrayNewFixed {
                array_type_index,
                array_size,
            } => ConstOp::ArrayNewFixed(env.type_id(array_type_index), array_size),
            Operator::AnyConvertExtern | Operator::ExternConvertAny => continue,
            Operator::End => break,
            other => {
                let message = format!("constant expression required: {other:?} is not constant");
                return Err(Error::Invalid { message, offset });
            }
        };
        ops.push(op);
    }
    end(&reader)?;
    Ok(ops)
}

fn end(reader: &OperatorsReader<'_>) -> Result<(), Error> {
    if reader.eof() {
        return Ok(());
    }
    let offset = reader.original_position();
    Err(Error::Invalid {
        message: "a constant expression has one end".to_owned(),
        offset,
    })
}
