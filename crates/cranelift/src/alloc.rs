//! Allocation: a bump in line, the rest in a cold block.
//!
//! Bump allocation of a constant size is two loads, an add, a compare, and stores of the cursor
//! and the header. Cursor and limit are trusted. The body is left unset: who allocates stores
//! every field (through [`Known::Fresh`]) before the next safepoint.
//!
//! Reference operands stored into the new object must be read *after* the allocation, from their
//! [`RefVar`]s named in `live`: the slow path may have moved what they refer to.

use crate::emitter::{Alloc, Fresh, constant};
use crate::{Elements, Emitter, HeapTrap, Known, Place, RefFrame, RefVar, Region, SlowPaths};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, Inst, InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;
use smallvec::{SmallVec, smallvec};
use windrow_core::{
    ARRAY_LENGTH_OFFSET, MutatorState, OBJECT_ALIGN, StateOffset, TypeId, TypeInfo,
};

/// Where an array's length lies.
pub(crate) const LENGTH: Place = Place {
    offset: ARRAY_LENGTH_OFFSET,
    ty: types::I32,
    region: Region::Length,
};

/// Where a header lies.
const HEADER: Place = Place {
    offset: 0,
    ty: types::I64,
    region: Region::Header,
};

/// A struct to allocate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewStruct {
    /// Its type.
    pub type_id: TypeId,
    /// Its bytes, header included, as its shape says.
    pub bytes: u32,
}

impl From<&TypeInfo> for NewStruct {
    fn from(info: &TypeInfo) -> Self {
        Self {
            type_id: info.id,
            bytes: info.shape.size_bytes,
        }
    }
}

/// What an allocation needs besides what is allocated.
struct Request<'a> {
    frame: &'a mut RefFrame,
    live: &'a [RefVar],
    type_id: TypeId,
}

impl Emitter {
    /// Allocates a struct.
    ///
    /// The result is [`Known::Fresh`]; its fields are unset. A safepoint, at which `live` survive.
    /// Traps with [`HeapTrap::Host`] when there is no room. The builder is left in a new block.
    pub fn struct_new(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        frame: &mut RefFrame,
        live: &[RefVar],
        slow: &mut dyn SlowPaths,
        of: NewStruct,
    ) -> Value {
        self.structs_new(b, frame, live, slow, &[of])[0]
    }

    /// Allocates structs side by side, with one look at the limit for all of them: as
    /// [`Emitter::struct_new`], once. Code between the first and the last being made must not trap, for
    /// what walks the heap to find all fields set.
    ///
    /// # Panics
    /// If there is none, or there are several of more than [`Emitter::folded_bytes`] in all.
    pub fn structs_new(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        frame: &mut RefFrame,
        live: &[RefVar],
        slow: &mut dyn SlowPaths,
        structs: &[NewStruct],
    ) -> SmallVec<[Value; 1]> {
        let (first, others) = structs.split_first().expect("a struct to allocate");
        let sizes = structs.iter().map(|of| of.bytes);
        let bytes = sizes.fold(0, u32::saturating_add);
        assert!(
            others.is_empty() || bytes <= self.folded_bytes(),
            "structs of {bytes} bytes in all cannot be allocated at once"
        );
        let type_id = first.type_id;
        let mut request = Request {
            frame,
            live,
            type_id,
        };
        let call = |b: &mut FunctionBuilder<'_>| slow.allocate_struct(b, type_id, bytes);
        let first = match self.alloc {
            Alloc::Bump {
                cursor,
                limit,
                max_bytes,
            } if bytes <= max_bytes => {
                let size = b.ins().iconst(types::I32, i64::from(bytes));
                let cold = cold_block(b);
                self.bump(b, &mut request, (cursor, limit), size, cold, None, call)
            }
            _ => self.allocate_call(b, &mut request, call),
        };
        let mut objects: SmallVec<[Value; 1]> = smallvec![first];
        for pair in structs.windows(2) {
            let before = self.fresh.last().expect("one was allocated in line");
            let (start, distance) = (before.start, before.distance + pair[0].bytes);
            let reference = b.ins().iadd_imm_u(first, i64::from(distance));
            self.fresh.push(Fresh {
                reference,
                start,
                distance,
            });
            self.store_header(b, reference, pair[1].type_id);
            objects.push(reference);
        }
        objects
    }

    /// Bytes that structs allocated at once may have together; none where allocation is a call.
    #[must_use]
    pub fn folded_bytes(&self) -> u32 {
        // Where free memory is in pieces, more of them are too small for more at once.
        const MAX_FOLDED_BYTES: u32 = 128;
        self.abi().mutator.alloc.bump_bytes().min(MAX_FOLDED_BYTES)
    }

    /// Allocates an array of `length` elements, an `i32` taken as unsigned.
    ///
    /// The result is [`Known::Fresh`]; its elements are unset, see [`Emitter::array_init`]. A
    /// safepoint, at which `live` survive. Traps with [`HeapTrap::Host`] when there is no room.
    /// The builder is left in a new block.
    #[expect(clippy::too_many_arguments, reason = "the parts of one allocation")]
    pub fn array_new(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        frame: &mut RefFrame,
        live: &[RefVar],
        slow: &mut dyn SlowPaths,
        type_id: TypeId,
        elements: Elements,
        length: Value,
    ) -> Value {
        let mut request = Request {
            frame,
            live,
            type_id,
        };
        let call = |b: &mut FunctionBuilder<'_>| slow.allocate_array(b, type_id, length);
        let Alloc::Bump {
            cursor,
            limit,
            max_bytes,
        } = self.alloc
        else {
            return self.allocate_call(b, &mut request, call);
        };
        let most = max_bytes.saturating_sub(elements.offset()) >> elements.log2();
        let (size, cold) = match constant(b, length) {
            Some(length) if length <= most => {
                let bytes = elements.offset() + (length << elements.log2());
                let bytes = bytes.next_multiple_of(OBJECT_ALIGN);
                (b.ins().iconst(types::I32, i64::from(bytes)), cold_block(b))
            }
            Some(_) => return self.allocate_call(b, &mut request, call),
            None => {
                let cold = cold_block(b);
                let fits = b.create_block();
                let large = b
                    .ins()
                    .icmp_imm_u(IntCC::UnsignedGreaterThan, length, i64::from(most));
                b.ins().brif(large, cold, &[], fits, &[]);
                b.switch_to_block(fits);
                b.seal_block(fits);
                (array_size(b, elements, length), cold)
            }
        };
        self.bump(
            b,
            &mut request,
            (cursor, limit),
            size,
            cold,
            Some(length),
            call,
        )
    }

    /// Allocates `size` bytes, at most 64 KiB, in line, or by `call` in the block `cold`, to which
    /// the caller may have branched already.
    #[expect(clippy::too_many_arguments, reason = "the parts of one allocation")]
    fn bump(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        request: &mut Request<'_>,
        (cursor, limit): (StateOffset, StateOffset),
        size: Value,
        cold: Block,
        length: Option<Value>,
        call: impl FnOnce(&mut FunctionBuilder<'_>) -> Inst,
    ) -> Value {
        let (fast, done) = (b.create_block(), b.create_block());
        let start = b.append_block_param(done, types::I64);

        let object = self.load_bump(b, cursor);
        let size = b.ins().uextend(types::I64, size);
        let end = b.ins().iadd(object, size);
        let limit = self.load_bump(b, limit);
        let full = b.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        b.ins().brif(full, cold, &[], fast, &[]);
        b.seal_block(cold);

        b.switch_to_block(fast);
        b.seal_block(fast);
        let state = self.state(b);
        let flags = Region::Allocation.trusted(b.func);
        b.ins().istore32(flags, end, state, cursor);
        let reference = self.fresh(b, object);
        self.store_header(b, reference, request.type_id);
        if let Some(length) = length {
            self.store(b, reference, Known::Fresh, LENGTH, length);
        }
        b.ins().jump(done, &[object.into()]);

        b.switch_to_block(cold);
        let object = self.allocate_call(b, request, call);
        let object = b.ins().uextend(types::I64, object);
        b.ins().jump(done, &[object.into()]);

        b.switch_to_block(done);
        b.seal_block(done);
        self.fresh(b, start)
    }

    /// Loads an offset of the allocation area. The offsets are added and compared in 64 bits, in which
    /// they are parts of addresses as they are.
    fn load_bump(&mut self, b: &mut FunctionBuilder<'_>, offset: StateOffset) -> Value {
        let state = self.state(b);
        let flags = Region::Allocation.trusted(b.func);
        b.ins().uload32(flags, state, offset)
    }

    /// The reference to a new object at heap offset `start`, an `i64` below 2^32.
    fn fresh(&mut self, b: &mut FunctionBuilder<'_>, start: Value) -> Value {
        let reference = b.ins().ireduce(types::I32, start);
        self.fresh = smallvec![Fresh {
            reference,
            start,
            distance: 0,
        }];
        reference
    }

    fn store_header(&mut self, b: &mut FunctionBuilder<'_>, object: Value, type_id: TypeId) {
        let header = self.abi().mutator.header_template | u64::from(type_id.bits());
        let header = b.ins().iconst(types::I64, header.cast_signed());
        self.store(b, object, Known::Fresh, HEADER, header);
    }

    /// The slow path: spills, the call, reloads.
    fn allocate_call(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        request: &mut Request<'_>,
        call: impl FnOnce(&mut FunctionBuilder<'_>) -> Inst,
    ) -> Value {
        request.frame.call(b, request.live, call);
        self.after_call();
        let object = self.load_state(b, types::I32, MutatorState::SLOW_RESULT, Region::Activation);
        b.ins().trapz(object, HeapTrap::Host);
        object
    }
}

pub(crate) fn cold_block(b: &mut FunctionBuilder<'_>) -> Block {
    let block = b.create_block();
    b.set_cold_block(block);
    block
}

/// Bytes of an array of `length` elements, which is small enough not to wrap.
fn array_size(b: &mut FunctionBuilder<'_>, elements: Elements, length: Value) -> Value {
    let body = b.ins().ishl_imm_u(length, i64::from(elements.log2()));
    let padded = b
        .ins()
        .iadd_imm_u(body, i64::from(elements.offset() + OBJECT_ALIGN - 1));
    b.ins().band_imm_s(padded, -i64::from(OBJECT_ALIGN))
}
