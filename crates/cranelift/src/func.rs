//! Function references: from an untrusted id to code that may be called.
//!
//! The id is masked, so whatever it is it names an entry of the table; the entry's type is
//! compared with the expected one. That one compare covers null, unused entries and forged ids,
//! since those have no type. Everything else is in a cold block.

use crate::alloc::cold_block;
use crate::cast::Concrete;
use crate::{Emitter, HeapTrap, Region, SlowPaths};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, TrapCode, Value, types};
use cranelift_frontend::FunctionBuilder;
use windrow_core::{FunctionEntry, MutatorState};

/// The signature a call expects, and the traps for ids that do not have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignatureCheck {
    /// The expected type.
    pub signature: Concrete,
    /// The trap for a null id.
    pub null: TrapCode,
    /// The trap for a function of another type.
    pub mismatch: TrapCode,
}

impl SignatureCheck {
    /// For a typed reference: a mismatch can only come from a corrupt heap.
    #[must_use]
    pub const fn typed(signature: Concrete) -> Self {
        let (null, mismatch) = (HeapTrap::NullReference.code(), HeapTrap::HeapCorrupt.code());
        Self {
            signature,
            null,
            mismatch,
        }
    }

    /// For an entry of an untyped table.
    #[must_use]
    pub const fn indirect(signature: Concrete) -> Self {
        let (null, mismatch) = (HeapTrap::IndirectNull.code(), HeapTrap::IndirectType.code());
        Self {
            signature,
            null,
            mismatch,
        }
    }
}

/// A function ready to be called.
#[derive(Clone, Copy, Debug)]
pub struct Callee {
    /// Address of its code, an `i64`.
    pub code: Value,
    /// The context to pass, an `i64`.
    pub context: Value,
}

impl Emitter {
    /// The function with this id, an `i32`, if its type is the expected one or derives from it;
    /// otherwise traps. The builder is left in a new block.
    pub fn function(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        id: Value,
        check: SignatureCheck,
    ) -> Callee {
        let (found, cold) = (b.create_block(), cold_block(b));
        let entry = self.function_entry(b, id);
        let actual = self.function_type(b, entry);
        let expected = i64::from(check.signature.type_id.bits());
        let same = b.ins().icmp_imm_u(IntCC::Equal, actual, expected);
        b.ins().brif(same, found, &[], cold, &[]);

        b.switch_to_block(cold);
        b.seal_block(cold);
        b.ins().trapz(id, check.null);
        if check.signature.is_final {
            b.ins().trap(check.mismatch);
        } else {
            let mismatch = cold_block(b);
            self.signature_branch(b, slow, actual, check.signature, (found, mismatch));
            b.switch_to_block(mismatch);
            b.seal_block(mismatch);
            b.ins().trap(check.mismatch);
        }

        b.switch_to_block(found);
        b.seal_block(found);
        let flags = Region::Functions.trusted(b.func);
        let code = b.ins().load(types::I64, flags, entry, FunctionEntry::CODE);
        let context = b
            .ins()
            .load(types::I64, flags, entry, FunctionEntry::CONTEXT);
        Callee { code, context }
    }

    /// The address of the entry an id names, whatever the id.
    pub(crate) fn function_entry(&mut self, b: &mut FunctionBuilder<'_>, id: Value) -> Value {
        let mask = self.load_state(b, types::I32, MutatorState::FUNCTION_MASK, Region::Tables);
        let index = b.ins().band(id, mask);
        let index = b.ins().uextend(types::I64, index);
        let distance = b
            .ins()
            .ishl_imm_u(index, i64::from(FunctionEntry::BYTES_LOG2));
        let table = self.load_state(b, types::I64, MutatorState::FUNCTIONS, Region::Tables);
        b.ins().iadd(table, distance)
    }

    /// The canonical type in an entry: zero for none.
    pub(crate) fn function_type(&mut self, b: &mut FunctionBuilder<'_>, entry: Value) -> Value {
        let flags = Region::Functions.trusted(b.func);
        b.ins()
            .load(types::I32, flags, entry, FunctionEntry::TYPE_ID)
    }
}
