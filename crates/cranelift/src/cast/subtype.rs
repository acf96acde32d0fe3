//! Questions about the type of an object, from its id.

use super::{Concrete, Exit, branch, next_block};
use crate::access::load_at;
use crate::{Emitter, Extension, HeapTrap, Known, Place, Region, SlowPaths};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, TrapCode, Value, types};
use cranelift_frontend::FunctionBuilder;
use windrow_core::{DISPLAY_DEPTH, MutatorState, ShapeKind, TypeId};

impl Emitter {
    /// The type id in an object's header.
    pub(super) fn type_id(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        object: Value,
        known: Known,
        null_trap: Option<TrapCode>,
    ) -> Value {
        let word = Place {
            offset: 0,
            ty: types::I32,
            region: Region::Header,
        };
        let null = null_trap.unwrap_or(HeapTrap::NullReference.code());
        let address = self.address_or(b, object, known, word, null);
        let word = load_at(b, address, types::I32, Extension::None);
        b.ins().band_imm_u(word, i64::from(TypeId::MAX))
    }

    /// Branches on whether the type with id `actual` is `target` or derives from it.
    pub(super) fn derives(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        actual: Value,
        target: Concrete,
        (pass, fail): (Exit, Exit),
    ) {
        let id = i64::from(target.type_id.bits());
        let same = b.ins().icmp_imm_u(IntCC::Equal, actual, id);
        if target.is_final {
            return branch(b, same, pass, fail);
        }
        let is_deep = target.depth as usize >= DISPLAY_DEPTH;
        let look_up = next_block(b, |b, look_up| {
            if is_deep {
                b.set_cold_block(look_up);
            }
            branch(
                b,
                same,
                pass,
                Exit {
                    block: look_up,
                    argument: None,
                },
            );
        });
        b.switch_to_block(look_up);
        if is_deep {
            let call = slow.is_subtype(b, actual, target.type_id);
            self.after_call();
            let derives = b.func.dfg.first_result(call);
            return branch(b, derives, pass, fail);
        }
        let row = self.type_row(b, MutatorState::DISPLAYS, actual, 5);
        let flags = Region::Types.trusted(b.func);
        let column = i32::try_from(target.depth * 4).expect("within a display");
        let ancestor = b.ins().load(types::I32, flags, row, column);
        let derives = b.ins().icmp_imm_u(IntCC::Equal, ancestor, id);
        branch(b, derives, pass, fail);
    }

    /// Branches on whether the kind of the type with id `actual` is among `count` from `first` on.
    pub(super) fn has_kind(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        actual: Value,
        first: ShapeKind,
        count: i64,
        (pass, fail): (Exit, Exit),
    ) {
        let row = self.type_row(b, MutatorState::KINDS, actual, 0);
        let flags = Region::Types.trusted(b.func);
        let kind = b.ins().uload8(types::I32, flags, row, 0);
        let above = b.ins().iadd_imm_s(kind, -(first as i64));
        let inside = b.ins().icmp_imm_u(IntCC::UnsignedLessThan, above, count);
        branch(b, inside, pass, fail);
    }

    /// The address of a type's row in a table whose rows have `1 << log2` bytes.
    fn type_row(&mut self, b: &mut FunctionBuilder<'_>, table: i32, id: Value, log2: i64) -> Value {
        let mask = self.load_state(b, types::I32, MutatorState::TYPE_MASK, Region::Tables);
        let index = b.ins().band(id, mask);
        let index = b.ins().uextend(types::I64, index);
        let distance = b.ins().ishl_imm_u(index, log2);
        let table = self.load_state(b, types::I64, table, Region::Tables);
        b.ins().iadd(table, distance)
    }
}

// The kinds tested together lie side by side.
const _: () = assert!(ShapeKind::Array as u8 == ShapeKind::Struct as u8 + 1);
