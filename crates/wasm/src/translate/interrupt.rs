//! Looking whether to stop: at function entries, loop heads and before bulk operations.
//!
//! The request is read by an atomic load, because another thread writes it: an ordinary one in a
//! loop without stores would be merged with the one before the loop. On x86-64 and AArch64 it is
//! an ordinary load with an order.

use super::Translator;
use crate::attach::STOP_WORD;
use crate::interrupt::StopCell;
use crate::trap::CodeTrap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use wasmparser::Operator;
use windrow::jit::MutatorState;
use windrow_cranelift::Region;

/// The word of the mutator state that says where the cell is.
const CELL_ADDRESS: Region = Region::Client(8);

/// The fuel in the cell.
const FUEL: Region = Region::Client(9);

/// Log2 of the elements of a bulk operation that cost one unit of fuel.
const BULK_LOG2: i64 = 6;

impl Translator<'_> {
    /// The checks of a function entry or a loop's iteration.
    pub(super) fn check_stop(&mut self) {
        if self.env.checks.any() {
            let cell = self.stop_cell();
            self.check_request(cell);
            self.use_fuel(cell, |translator, fuel| {
                translator.b.ins().iadd_imm_s(fuel, -1)
            });
        }
    }

    /// The checks of a bulk operation, whose length is the topmost operand.
    pub(super) fn check_stop_before(&mut self, op: &Operator<'_>) {
        if !self.env.checks.any() || !is_bulk(op) {
            return;
        }
        let cell = self.stop_cell();
        self.check_request(cell);
        let count = self.stack.peek(&mut self.b, 0);
        self.use_fuel(cell, |translator, fuel| {
            let b = &mut translator.b;
            let count = match b.func.dfg.value_type(count) {
                types::I64 => count,
                _ => b.ins().uextend(types::I64, count),
            };
            let cost = b.ins().ushr_imm_u(count, BULK_LOG2);
            b.ins().isub(fuel, cost)
        });
    }

    fn stop_cell(&mut self) -> Value {
        let word = i32::try_from(8 * STOP_WORD).expect("there are four words");
        let offset = MutatorState::EMBEDDER_WORDS + word;
        self.emitter
            .load_state(&mut self.b, types::I64, offset, CELL_ADDRESS)
    }

    fn check_request(&mut self, cell: Value) {
        if self.env.checks.interrupts {
            let flags = MemFlagsData::trusted();
            let requested = self.b.ins().atomic_load(types::I32, flags, cell);
            self.b.ins().trapnz(requested, CodeTrap::Interrupted.code());
        }
    }

    fn use_fuel(&mut self, cell: Value, left: impl FnOnce(&mut Self, Value) -> Value) {
        if self.env.checks.fuel {
            let flags = FUEL.trusted(self.b.func);
            let fuel = self.b.ins().load(types::I64, flags, cell, StopCell::FUEL);
            let fuel = left(self, fuel);
            self.b.ins().store(flags, fuel, cell, StopCell::FUEL);
            let ran_out = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
            self.b.ins().trapnz(ran_out, CodeTrap::OutOfFuel.code());
        }
    }
}

/// Whether an operator does work in proportion to its topmost operand.
const fn is_bulk(op: &Operator<'_>) -> bool {
    matches!(
        op,
        Operator::MemoryGrow { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ArrayNew { .. }
            | Operator::ArrayNewDefault { .. }
            | Operator::ArrayNewData { .. }
            | Operator::ArrayNewElem { .. }
            | Operator::ArrayFill { .. }
            | Operator::ArrayCopy { .. }
            | Operator::ArrayInitData { .. }
            | Operator::ArrayInitElem { .. }
    )
}
