//! Stores of references and the barriers they owe.
//!
//! A barrier is never a safepoint, so it spills no references; the `Call` form is an ordinary
//! call before the store. It is owed whatever the new value, for what is overwritten may matter
//! to the collector; a store into a fresh object owes nothing.

use crate::emitter::Barrier;
use crate::{Emitter, Known, Place, SlowPaths};
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
        if self.barrier == Barrier::Call && known != Known::Fresh {
            if known == Known::Nullable {
                b.ins().trapz(object, place.null_trap());
                known = Known::NonNull;
            }
            let slot = b.ins().iadd_imm_u(object, i64::from(place.offset));
            self.barrier(b, slow, object, slot, value);
        }
        self.store(b, object, known, place, value);
    }

    /// What storing the reference `value` outside the heap owes: to be emitted before a store to
    /// a global or a table.
    pub fn store_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        value: Value,
    ) {
        if self.barrier == Barrier::Call {
            let none = b.ins().iconst(types::I32, 0);
            self.barrier(b, slow, none, none, value);
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
        if self.barrier == Barrier::Call {
            slow.range_barrier(b, owner, first_slot, count);
            self.after_call();
        }
    }

    /// The barrier of one slot, where one is owed.
    pub(crate) fn barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        owner: Value,
        slot: Value,
        value: Value,
    ) {
        slow.write_barrier(b, owner, slot, value);
        self.after_call();
    }
}
