//! Arrays: length, elements, initialisation.
//!
//! One compare with the length guards an element. The length is untrusted, so under Sandbox32 the
//! element's address is computed as `m + zext(ref + (index << k)) + header` with the inner sum
//! wrapping in 32 bits: inside the reservation for every index, hence for every forged length.
//! Under Bounded the sum is made in 64 bits (below 2^37) and its end compared with the heap's
//! length as well.

use crate::access::{Address, load_at, store_at};
use crate::alloc::LENGTH;
use crate::emitter::{Barrier, Heap, constant};
use crate::{Emitter, Extension, HeapTrap, Known, Place, Region, SlowPaths};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use windrow_core::ARRAY_LENGTH_OFFSET;

/// How the elements of an array type lie in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elements {
    ty: Type,
    is_ref: bool,
}

impl Elements {
    /// Elements of a type in memory: `i8` and `i16` are packed and read as `i32`. 1 to 16 bytes.
    #[must_use]
    pub const fn new(ty: Type) -> Self {
        Self { ty, is_ref: false }
    }

    /// Elements that are references.
    #[must_use]
    pub const fn references() -> Self {
        Self {
            ty: types::I32,
            is_ref: true,
        }
    }

    /// Their type in memory.
    #[must_use]
    pub const fn ty(self) -> Type {
        self.ty
    }

    /// Whether they are references.
    #[must_use]
    pub const fn are_refs(self) -> bool {
        self.is_ref
    }

    /// log2 of an element's bytes.
    #[must_use]
    pub fn log2(self) -> u8 {
        match self.ty.bytes() {
            1 => 0,
            2 => 1,
            4 => 2,
            8 => 3,
            _ => 4,
        }
    }

    /// Bytes from the start of an array to its first element.
    #[must_use]
    pub fn offset(self) -> u32 {
        if self.log2() <= 2 {
            ARRAY_LENGTH_OFFSET + 4
        } else {
            ARRAY_LENGTH_OFFSET + 8
        }
    }

    /// The element at a constant index, for stores into a fresh array known to be that long.
    ///
    /// # Panics
    /// If it lies 4 GiB or more from the start of the array.
    #[must_use]
    pub fn place(self, index: u32) -> Place {
        let offset = u64::from(self.offset()) + (u64::from(index) << self.log2());
        let offset = u32::try_from(offset).expect("an element within 4 GiB");
        Place {
            offset,
            ty: self.ty,
            region: self.region(),
        }
    }

    pub(crate) fn region(self) -> Region {
        Region::Elements(self.log2())
    }
}

impl Emitter {
    /// The length of `array`, an `i32` taken as unsigned.
    pub fn array_len(&mut self, b: &mut FunctionBuilder<'_>, array: Value, known: Known) -> Value {
        self.load(b, array, known, LENGTH, Extension::None)
    }

    /// Loads element `index`, an `i32` taken as unsigned.
    ///
    /// Traps with [`HeapTrap::ArrayOutOfBounds`].
    pub fn array_load(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        array: Value,
        known: Known,
        elements: Elements,
        index: Value,
        extension: Extension,
    ) -> Value {
        let address = self.element(b, array, known, elements, index);
        load_at(b, address, elements.ty, extension)
    }

    /// Stores element `index`, an `i32` taken as unsigned, with the barrier it owes.
    ///
    /// Traps with [`HeapTrap::ArrayOutOfBounds`].
    #[expect(clippy::too_many_arguments, reason = "the parts of one store")]
    pub fn array_store(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        slow: &mut dyn SlowPaths,
        array: Value,
        known: Known,
        elements: Elements,
        index: Value,
        value: Value,
    ) {
        let owes = elements.is_ref && self.owes_barrier(known);
        let address = if owes {
            self.check_index(b, array, known, index);
            let distance = b.ins().ishl_imm_u(index, i64::from(elements.log2()));
            let slot = b.ins().iadd(array, distance);
            let slot = b.ins().iadd_imm_u(slot, i64::from(elements.offset()));
            self.barrier(b, slow, array, slot, value);
            self.element_address(b, array, elements, index)
        } else {
            self.element(b, array, known, elements, index)
        };
        store_at(b, address, elements.ty, value);
    }

    /// Sets every element of `array`, just allocated with `length` elements, to `value`. `value`
    /// is an `i32` for packed elements. The builder is left in a new block, unless `length` is a
    /// small constant.
    pub fn array_init(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        array: Value,
        elements: Elements,
        length: Value,
        value: Value,
    ) {
        const UNROLLED: u32 = 8;
        match constant(b, length) {
            Some(length) if length <= UNROLLED => {
                for index in 0..length {
                    self.store(b, array, Known::Fresh, elements.place(index), value);
                }
            }
            _ => self.init_loop(b, array, elements, length, value),
        }
    }

    fn init_loop(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        array: Value,
        elements: Elements,
        length: Value,
        value: Value,
    ) {
        let first = Known::Fresh;
        let start = self.address(b, array, first, elements.place(0));
        let from = b
            .ins()
            .iadd_imm_s(start.base, i64::from(i32::from(start.offset)));
        let bytes = b.ins().uextend(types::I64, length);
        let bytes = b.ins().ishl_imm_u(bytes, i64::from(elements.log2()));
        let to = b.ins().iadd(from, bytes);
        store_loop(b, elements, start.flags, (from, to), value);
    }

    /// Checks the index and yields the element's address.
    fn element(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        array: Value,
        known: Known,
        elements: Elements,
        index: Value,
    ) -> Address {
        self.check_index(b, array, known, index);
        self.element_address(b, array, elements, index)
    }

    fn check_index(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        array: Value,
        known: Known,
        index: Value,
    ) {
        let length = self.array_len(b, array, known);
        let inside = b.ins().icmp(IntCC::UnsignedLessThan, index, length);
        b.ins().trapz(inside, HeapTrap::ArrayOutOfBounds);
    }

    fn element_address(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        array: Value,
        elements: Elements,
        index: Value,
    ) -> Address {
        let log2 = i64::from(elements.log2());
        let place = elements.place(0);
        match self.heap {
            Heap::Sandbox => {
                let distance = b.ins().ishl_imm_u(index, log2);
                let element = b.ins().iadd(array, distance);
                self.address(b, element, Known::NonNull, place)
            }
            Heap::Bounded { base, len } => {
                let array = b.ins().uextend(types::I64, array);
                let index = b.ins().uextend(types::I64, index);
                let distance = b.ins().ishl_imm_u(index, log2);
                let start = b.ins().iadd(array, distance);
                self.bounded_address(b, (base, len), start, Known::NonNull, place)
            }
        }
    }

    /// Whether a store of a reference into an object known like this owes a barrier.
    pub(crate) fn owes_barrier(&self, known: Known) -> bool {
        self.barrier != Barrier::None && known != Known::Fresh
    }
}

/// Stores `value` from address `from` up to address `to`. The builder is left in a new block.
pub(crate) fn store_loop(
    b: &mut FunctionBuilder<'_>,
    elements: Elements,
    flags: MemFlagsData,
    (from, to): (Value, Value),
    value: Value,
) {
    let (head, body, done) = (b.create_block(), b.create_block(), b.create_block());
    let at = b.append_block_param(head, types::I64);
    b.ins().jump(head, &[from.into()]);

    b.switch_to_block(head);
    let more = b.ins().icmp(IntCC::UnsignedLessThan, at, to);
    b.ins().brif(more, body, &[], done, &[]);

    b.switch_to_block(body);
    b.seal_block(body);
    store_at(
        b,
        Address {
            base: at,
            offset: 0.into(),
            flags,
        },
        elements.ty,
        value,
    );
    let next = b.ins().iadd_imm_u(at, 1 << elements.log2());
    b.ins().jump(head, &[next.into()]);

    b.seal_block(head);
    b.switch_to_block(done);
    b.seal_block(done);
}
