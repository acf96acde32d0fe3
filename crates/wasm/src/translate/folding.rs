//! Which structs are allocated at once.
//!
//! A `struct.new` is followed by others as a rule where a tree or a record of records is made. As long as
//! nothing in between can trap, branch or collect, room for all of them is taken by the first: there is
//! one limit to compare with, and one place where references may move. (Allocation folding: Clifford,
//! Payer, Starzinger and Titzer, ISMM 2014.)
//!
//! Operators are looked at before they are validated. What is invalid ends the search.

use super::Translator;
use smallvec::{SmallVec, smallvec};
use wasmparser::{
    BinaryReaderError, CompositeInnerType, Operator, OperatorsReader, WasmModuleResources,
};
use windrow_cranelift::NewStruct;

/// Operators looked at for each struct.
const MOST_OPERATORS: usize = 64;

impl Translator<'_> {
    /// The struct that the operator at hand makes, and those after it that are allocated at once with it.
    pub(super) fn folded(&mut self, type_index: u32) -> SmallVec<[NewStruct; 1]> {
        let mut rest = self.reader.clone();
        let first = self.new_struct(type_index);
        let mut bytes = first.bytes;
        let mut structs = smallvec![first];
        for _ in 0..MOST_OPERATORS {
            let Ok(next) = next_struct(&mut rest) else {
                break;
            };
            let type_index = match next {
                Next::Struct(type_index) if self.is_struct(type_index) => type_index,
                Next::Harmless => continue,
                _ => break,
            };
            let next = self.new_struct(type_index);
            bytes = bytes.saturating_add(next.bytes);
            if bytes > self.emitter.folded_bytes() {
                break;
            }
            structs.push(next);
        }
        structs
    }

    fn new_struct(&mut self, type_index: u32) -> NewStruct {
        let layout = self.struct_layout(type_index);
        NewStruct {
            type_id: layout.type_id,
            bytes: layout.bytes,
        }
    }

    fn is_struct(&self, type_index: u32) -> bool {
        let ty = self.validator.resources().sub_type_at(type_index);
        ty.is_some_and(|ty| matches!(ty.composite_type.inner, CompositeInnerType::Struct(_)))
    }
}

/// An operator, as far as it matters here.
enum Next {
    Struct(u32),
    Harmless,
    Other,
}

fn next_struct(rest: &mut OperatorsReader<'_>) -> Result<Next, BinaryReaderError> {
    use Operator as Op;
    if rest.eof() {
        return Ok(Next::Other);
    }
    Ok(match rest.read()? {
        Op::StructNew { struct_type_index } | Op::StructNewDefault { struct_type_index } => {
            Next::Struct(struct_type_index)
        }
        Op::LocalGet { .. }
        | Op::LocalSet { .. }
        | Op::LocalTee { .. }
        | Op::GlobalGet { .. }
        | Op::I32Const { .. }
        | Op::I64Const { .. }
        | Op::F32Const { .. }
        | Op::F64Const { .. }
        | Op::RefNull { .. }
        | Op::RefFunc { .. }
        | Op::RefI31
        | Op::Drop
        | Op::Nop
        | Op::I32Add
        | Op::I32Sub
        | Op::I32Mul
        | Op::I32And
        | Op::I32Or
        | Op::I32Xor
        | Op::I32Shl
        | Op::I32ShrS
        | Op::I32ShrU
        | Op::I32Eqz
        | Op::I32WrapI64
        | Op::I64Add
        | Op::I64Sub
        | Op::I64Mul
        | Op::I64ExtendI32S
        | Op::I64ExtendI32U
        | Op::F64Add
        | Op::F64Sub
        | Op::F64Mul
        | Op::F64Div
        | Op::F64Neg
        | Op::F64ConvertI32S
        | Op::F64ConvertI32U => Next::Harmless,
        _ => Next::Other,
    })
}
