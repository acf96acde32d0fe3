//! Stores of references and the barriers they owe.
//!
//! A barrier is never a safepoint, so it spills no references; the `Call` form is an ordinary
//! call before the store, the `Log` form the same call in a cold block, taken where the slot's bit
//! is set. It is owed whatever the new value, for what is overwritten may matter to the collector;
//! a store into a fresh object owes nothing.

use crate::alloc::cold_block;
use crate::emitter::Barrier;
use crate::{Emitter, Known, Place, Region, SlowPaths};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;

impl Emitter {
    /// Stores the reference `value` to `place` of `object`, with the barrier it owes.
    pub fn store_ref(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        object: Value,
        known: Known,
        place: Place,
        value: Value,
    ) {
        let mut known = known;
        if self.owes_barrier(known) {
            // The log form leaves null to the store, as if there were no barrier: its slots are not
            // armed, or another object's, and a barrier without an owner does nothing.
            if known == Known::Nullable && self.barrier == Barrier::Call {
                b.ins().trapz(object, place.null_trap());
                known = Known::NonNull;
            }
            let slot = b.ins().iadd_imm_u(object, i64::from(place.offset));
            self.barrier(b, slow, object, slot, value);
        }
        self.store(b, object, known, place, value);
    }

    /// What storing the reference `value` outside the heap owes: to be emitted before a store to
    /// a global or a table. The `Log` form owes nothing there.
    pub fn store_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        value: Value,
    ) {
        if self.barrier == Barrier::Call {
            let none = b.ins().iconst(types::I32, 0);
            slow.write_barrier(b, none, none, value);
            self.after_call();
        }
    }

    /// What overwriting `count` reference slots of `owner` from heap offset `first_slot` owes.
    pub(crate) fn range_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        owner: Value,
        first_slot: Value,
        count: Value,
    ) {
        if self.barrier != Barrier::None {
            slow.range_barrier(b, owner, first_slot, count);
            self.after_call();
        }
    }

    /// The barrier of a slot of an object, where [one is owed](Self::owes_barrier). The builder may be
    /// left in a new block.
    pub(crate) fn barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        owner: Value,
        slot: Value,
        value: Value,
    ) {
        let Barrier::Log { table } = self.barrier else {
            slow.write_barrier(b, owner, slot, value);
            self.after_call();
            return;
        };
        let table = self.load_state(b, types::I64, table, Region::Tables);
        let byte = b.ins().ushr_imm_u(slot, 5);
        let byte = b.ins().uextend(types::I64, byte);
        let byte = b.ins().iadd(table, byte);
        let flags = Region::LogBits.trusted(b.func);
        let bits = b.ins().uload8(types::I32, flags, byte, 0);
        let number = b.ins().ushr_imm_u(slot, 2);
        let number = b.ins().band_imm_u(number, 7);
        let bit = b.ins().ushr(bits, number);
        let bit = b.ins().band_imm_u(bit, 1);
        let (armed, done) = (cold_block(b), b.create_block());
        b.ins().brif(bit, armed, &[], done, &[]);
        b.seal_block(armed);
        b.switch_to_block(armed);
        slow.write_barrier(b, owner, slot, value);
        self.after_call();
        b.ins().jump(done, &[]);
        b.seal_block(done);
        b.switch_to_block(done);
    }
}
