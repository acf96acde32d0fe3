//! Bulk array operations: bounds, one barrier for the range, one call.
//!
//! Bounds are checked in 64 bits. Because the lengths are untrusted, the byte range is compared
//! with the end of the heap too (2^32 under Sandbox32), so that the addresses handed to
//! `memmove` lie inside the reservation. They lie outside its first page as well, since the
//! length was read at a lower address.

use crate::array::store_loop;
use crate::emitter::Heap;
use crate::{Elements, Emitter, HeapTrap, Known, Region, SlowPaths};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;

/// A stretch of an array: `array`, what is known of it, and its first index, an `i32`.
#[derive(Clone, Copy, Debug)]
pub struct ArrayPosition {
    /// The array.
    pub array: Value,
    /// What is known of it.
    pub known: Known,
    /// The first index.
    pub index: Value,
}

/// A range inside an array and the heap.
struct Range {
    /// Address of the first byte.
    address: Value,
    /// Heap offset of the first byte, an `i32`.
    slot: Value,
    /// Bytes, an `i64`.
    bytes: Value,
}

impl Emitter {
    /// Sets `count` elements from `at` to `value`, with the barrier that owes. `value` is an `i32`
    /// for packed elements. The builder may be left in a new block.
    ///
    /// Traps with [`HeapTrap::ArrayOutOfBounds`], before anything is stored.
    pub fn array_fill(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        elements: Elements,
        at: ArrayPosition,
        count: Value,
        value: Value,
    ) {
        let range = self.range(b, elements, at, count);
        if elements.are_refs() && self.owes_barrier(at.known) {
            self.range_barrier(b, slow, at.array, range.slot, count);
        }
        if elements.log2() == 0 {
            slow.set_bytes(b, range.address, value, range.bytes);
            self.after_call();
            return;
        }
        let region = elements.region().declare(b.func);
        let flags = MemFlagsData::new()
            .with_trap_code(Some(HeapTrap::HeapCorrupt.code()))
            .with_alias_region(Some(region));
        let end = b.ins().iadd(range.address, range.bytes);
        store_loop(b, elements, flags, (range.address, end), value);
    }

    /// Copies `count` elements from `from` to `to` as if through a buffer, with the barrier that
    /// owes. `to`'s elements are as large as `from`'s.
    ///
    /// Traps with [`HeapTrap::ArrayOutOfBounds`], before anything is stored.
    pub fn array_copy(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        elements: Elements,
        to: ArrayPosition,
        from: ArrayPosition,
        count: Value,
    ) {
        let target = self.range(b, elements, to, count);
        let source = self.range(b, elements, from, count);
        if elements.are_refs() && self.owes_barrier(to.known) {
            self.range_barrier(b, slow, to.array, target.slot, count);
        }
        slow.move_bytes(b, target.address, source.address, target.bytes);
        self.after_call();
    }

    /// Traps with [`HeapTrap::ArrayOutOfBounds`] unless `count` elements from `at` are in the
    /// array: for operations that the host carries out.
    pub fn array_check_range(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        at: ArrayPosition,
        count: Value,
    ) {
        let length = self.array_len(b, at.array, at.known);
        let length = b.ins().uextend(types::I64, length);
        let index = b.ins().uextend(types::I64, at.index);
        let count = b.ins().uextend(types::I64, count);
        let end = b.ins().iadd(index, count);
        let beyond = b.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        b.ins().trapnz(beyond, HeapTrap::ArrayOutOfBounds);
    }

    fn range(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        elements: Elements,
        at: ArrayPosition,
        count: Value,
    ) -> Range {
        self.array_check_range(b, at, count);
        let log2 = i64::from(elements.log2());
        let array = b.ins().uextend(types::I64, at.array);
        let index = b.ins().uextend(types::I64, at.index);
        let distance = b.ins().ishl_imm_u(index, log2);
        let start = b.ins().iadd(array, distance);
        let start = b.ins().iadd_imm_u(start, i64::from(elements.offset()));
        let count = b.ins().uextend(types::I64, count);
        let bytes = b.ins().ishl_imm_u(count, log2);
        let end = b.ins().iadd(start, bytes);
        let base = match self.heap {
            Heap::Sandbox => {
                let beyond = b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, end, 1 << 32);
                b.ins().trapnz(beyond, HeapTrap::HeapCorrupt);
                self.state(b)
            }
            Heap::Bounded { base, len } => {
                self.check_end(b, end, len);
                self.load_state(b, types::I64, base, Region::Memory)
            }
        };
        let address = b.ins().iadd(base, start);
        let slot = b.ins().ireduce(types::I32, start);
        Range {
            address,
            slot,
            bytes,
        }
    }
}
