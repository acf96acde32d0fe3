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
use wasmparser::{CompositeInnerType, Operator, WasmModuleResources};
use windrow_cranelift::NewStruct;

/// Operators looked at after the first struct of those allocated at once.
const MOST_OPERATORS: usize = 64;

/// Bytes of the smallest struct that could follow.
const LEAST_BYTES: u32 = 8;

impl Translator<'_> {
    /// The struct that the operator at hand makes, and those after it that are allocated at once with it.
    pub(super) fn folded(&mut self, type_index: u32) -> SmallVec<[NewStruct; 1]> {
        let first = self.new_struct(type_index);
        let mut structs = smallvec![first];
        let Some(mut room) = self.emitter.folded_bytes().checked_sub(first.bytes) else {
            return structs;
        };
        if room < LEAST_BYTES {
            return structs;
        }
        let mut rest = self.reader.clone();
        for _ in 0..MOST_OPERATORS {
            let op = match rest.eof() {
                true => break,
                false => rest.read(),
            };
            let type_index = match op {
                Ok(
                    Operator::StructNew { struct_type_index }
                    | Operator::StructNewDefault { struct_type_index },
                ) if self.is_struct(struct_type_index) => struct_type_index,
                Ok(op) if is_harmless(&op) => continue,
                _ => break,
            };
            let next = self.new_struct(type_index);
            let Some(left) = room.checked_sub(next.bytes) else {
                break;
            };
            room = left;
            structs.push(next);
        }
        structs
    }

    fn new_struct(&mut self, type_index: u32) -> NewStruct {
        NewStruct::from(&*self.type_info(type_index))
    }

    fn is_struct(&self, type_index: u32) -> bool {
        let ty = self.validator.resources().sub_type_at(type_index);
        ty.is_some_and(|ty| matches!(ty.composite_type.inner, CompositeInnerType::Struct(_)))
    }
}

/// Whether an operator's code neither traps nor branches nor calls anything: of those that do not, the
/// ones that compute fields.
fn is_harmless(op: &Operator<'_>) -> bool {
    use Operator as Op;
    matches!(
        op,
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
            | Op::RefIsNull
            | Op::RefEq
            | Op::RefI31
            | Op::AnyConvertExtern
            | Op::ExternConvertAny
            | Op::Select
            | Op::TypedSelect { .. }
            | Op::Drop
            | Op::Nop
    ) || is_harmless_arithmetic(op)
}

fn is_harmless_arithmetic(op: &Operator<'_>) -> bool {
    use Operator as Op;
    macro_rules! any_of {
        ($($name:ident)*) => { matches!(op, $(Op::$name)|*) };
    }
    any_of!(
        I32Eqz I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
        I64Eqz I64Eq I64Ne I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU
        F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge
        I32Clz I32Ctz I32Popcnt I32Add I32Sub I32Mul
        I32And I32Or I32Xor I32Shl I32ShrS I32ShrU I32Rotl I32Rotr
        I64Clz I64Ctz I64Popcnt I64Add I64Sub I64Mul
        I64And I64Or I64Xor I64Shl I64ShrS I64ShrU I64Rotl I64Rotr
        F32Abs F32Neg F32Sqrt F32Add F32Sub F32Mul F32Div F32Min F32Max F32Copysign
        F64Abs F64Neg F64Sqrt F64Add F64Sub F64Mul F64Div F64Min F64Max F64Copysign
        I32WrapI64 I64ExtendI32S I64ExtendI32U F32DemoteF64 F64PromoteF32
        F32ConvertI32S F32ConvertI32U F32ConvertI64S F32ConvertI64U
        F64ConvertI32S F64ConvertI32U F64ConvertI64S F64ConvertI64U
        I32ReinterpretF32 I64ReinterpretF64 F32ReinterpretI32 F64ReinterpretI64
        I32Extend8S I32Extend16S I64Extend8S I64Extend16S I64Extend32S
    )
}
