//! Loads and stores of the heap.
//!
//! **Sandbox32.** The address is `m + zext(ref) + c` with `m` the state pointer, which is the
//! heap's base, and `c` below [`GUARD_BYTES`]: inside the reservation for every `ref`. An access
//! of a null reference at `c` below [`FIRST_OBJECT_OFFSET`] lands in the page that is never
//! accessible, so the fault itself is the null check.
//!
//! **Bounded.** The address is `base + zext(ref) + c`, and `zext(ref) + c + bytes`, computed in 64
//! bits (below 2^34), is compared with the length. The null check is explicit. Base and length
//! are loaded at each access; Cranelift merges the loads between two calls.

use crate::emitter::{Heap, MAX_INLINE_BYTES};
use crate::{Emitter, HeapTrap, Region};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Offset32;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, TrapCode, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use windrow_core::{FIRST_OBJECT_OFFSET, GUARD_BYTES, StateOffset};

/// What is known of a reference about to be dereferenced. A wrong claim is memory-safe except
/// [`Known::Fresh`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// It may be null: null traps with [`HeapTrap::NullStruct`] where a field is accessed, with
    /// [`HeapTrap::NullArray`] for a length or an element.
    Nullable,
    /// Its static type, or an earlier access, says that it is not null.
    NonNull,
    /// It was returned by an allocation of the same emitter, with no safepoint since: its body is
    /// in the heap for sure, and is accessed with no check. Stores owe no barrier.
    Fresh,
}

/// How a load widens `i8` and `i16` to `i32`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    /// The place is not packed.
    None,
    /// With zeros.
    Unsigned,
    /// With copies of the sign bit.
    Signed,
}

/// A place in an object: a field, an element at a constant index, a length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Bytes from the start of the object.
    pub offset: u32,
    /// Type in memory: `i8` and `i16` are packed and read as `i32`.
    pub ty: Type,
    /// What it may overlap.
    pub region: Region,
}

impl Place {
    /// A struct field.
    #[must_use]
    pub const fn field(offset: u32, ty: Type) -> Self {
        Self {
            offset,
            ty,
            region: Region::Field(offset),
        }
    }

    /// A struct field that holds a reference.
    #[must_use]
    pub const fn reference(offset: u32) -> Self {
        Self::field(offset, types::I32)
    }

    /// The trap for a null reference to an object with this place.
    pub(crate) const fn null_trap(self) -> HeapTrap {
        match self.region {
            Region::Field(_) => HeapTrap::NullStruct,
            Region::Length | Region::Elements(_) => HeapTrap::NullArray,
            _ => HeapTrap::NullReference,
        }
    }
}

/// An address in the heap, ready for a load or store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) base: Value,
    pub(crate) offset: Offset32,
    pub(crate) flags: MemFlagsData,
}

impl Emitter {
    /// Loads `place` of `object`. `i8` and `i16` yield an `i32`, widened as `extension` says.
    pub fn load(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        object: Value,
        known: Known,
        place: Place,
        extension: Extension,
    ) -> Value {
        let address = self.address(b, object, known, place);
        load_at(b, address, place.ty, extension)
    }

    /// Stores `value` to `place` of `object`; `i8` and `i16` keep the low bits of an `i32`.
    ///
    /// Owes no barrier: for references use [`Emitter::store_ref`].
    pub fn store(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        object: Value,
        known: Known,
        place: Place,
        value: Value,
    ) {
        let address = self.address(b, object, known, place);
        store_at(b, address, place.ty, value);
    }

    /// Traps with [`HeapTrap::NullReference`] if `reference` is null.
    pub fn check_null(&mut self, b: &mut FunctionBuilder<'_>, reference: Value) {
        b.ins().trapz(reference, HeapTrap::NullReference);
    }

    /// The address of `place`, checked as the addressing demands.
    pub(crate) fn address(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        object: Value,
        known: Known,
        place: Place,
    ) -> Address {
        self.address_or(b, object, known, place, place.null_trap().code())
    }

    /// The same with another trap for a null reference.
    pub(crate) fn address_or(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        object: Value,
        known: Known,
        place: Place,
        null: TrapCode,
    ) -> Address {
        let faults_on_null = self.heap == Heap::Sandbox && place.offset < FIRST_OBJECT_OFFSET;
        if known == Known::Nullable && !faults_on_null {
            b.ins().trapz(object, null);
        }
        match self.heap {
            Heap::Bounded { base, len } => {
                let (start, offset) = self.start(b, object, place.offset);
                let place = Place { offset, ..place };
                self.bounded_address(b, (base, len), start, known, place)
            }
            Heap::Sandbox => {
                let (object, offset) = reachable(b, object, place.offset);
                let trap = match known {
                    Known::Nullable => Some(null),
                    Known::NonNull => Some(HeapTrap::HeapCorrupt.code()),
                    Known::Fresh => None,
                };
                let (start, offset) = self.start(b, object, offset);
                let state = self.state(b);
                let base = b.ins().iadd(state, start);
                let region = place.region.declare(b.func);
                let flags = MemFlagsData::new()
                    .with_trap_code(trap)
                    .with_alias_region(Some(region));
                let offset = i32::try_from(offset).expect("less than the guard");
                Address {
                    base,
                    offset: offset.into(),
                    flags,
                }
            }
        }
    }

    /// A heap offset as an `i64` and a distance from it, which lead to `offset` in `object`.
    fn start(&self, b: &mut FunctionBuilder<'_>, object: Value, offset: u32) -> (Value, u32) {
        let fresh = self.fresh.iter().find(|fresh| fresh.reference == object);
        match fresh {
            Some(fresh) => (fresh.start, fresh.distance + offset),
            None => (b.ins().uextend(types::I64, object), offset),
        }
    }

    /// Traps unless `end`, an `i64` offset, is within the heap of bounded addressing.
    pub(crate) fn check_end(&mut self, b: &mut FunctionBuilder<'_>, end: Value, len: StateOffset) {
        let len = self.load_state(b, types::I64, len, Region::Memory);
        let beyond = b.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        b.ins().trapnz(beyond, HeapTrap::HeapCorrupt);
    }

    /// The address of `place` in an object at heap offset `start`, an `i64`, once checked.
    fn bounded(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        base: StateOffset,
        start: Value,
        place: Place,
    ) -> Address {
        let base = self.load_state(b, types::I64, base, Region::Memory);
        let (start, offset) = match i32::try_from(place.offset) {
            Ok(offset) => (start, offset),
            Err(_) => (b.ins().iadd_imm_u(start, i64::from(place.offset)), 0),
        };
        let base = b.ins().iadd(base, start);
        let region = place.region.declare(b.func);
        let flags = MemFlagsData::new()
            .with_notrap()
            .with_alias_region(Some(region));
        Address {
            base,
            offset: offset.into(),
            flags,
        }
    }

    /// The address of `place` in an object at heap offset `start`, an `i64` far from wrapping,
    /// compared with the heap's length unless `known` says that it is inside.
    pub(crate) fn bounded_address(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        (base, len): (StateOffset, StateOffset),
        start: Value,
        known: Known,
        place: Place,
    ) -> Address {
        if known != Known::Fresh {
            let reach = i64::from(place.offset) + i64::from(place.ty.bytes());
            let end = b.ins().iadd_imm_u(start, reach);
            self.check_end(b, end, len);
        }
        self.bounded(b, base, start, place)
    }
}

/// Keeps the constant part of a sandboxed address below the guard: what is more is added to the
/// reference, wrapping, which stays inside for any sum.
fn reachable(b: &mut FunctionBuilder<'_>, object: Value, offset: u32) -> (Value, u32) {
    if offset <= GUARD_BYTES - 16 - MAX_INLINE_BYTES {
        (object, offset)
    } else {
        (b.ins().iadd_imm_u(object, i64::from(offset)), 0)
    }
}

pub(crate) fn load_at(
    b: &mut FunctionBuilder<'_>,
    address: Address,
    ty: Type,
    extension: Extension,
) -> Value {
    let Address {
        base,
        offset,
        flags,
    } = address;
    match (ty, extension) {
        (types::I8, Extension::Signed) => b.ins().sload8(types::I32, flags, base, offset),
        (types::I8, _) => b.ins().uload8(types::I32, flags, base, offset),
        (types::I16, Extension::Signed) => b.ins().sload16(types::I32, flags, base, offset),
        (types::I16, _) => b.ins().uload16(types::I32, flags, base, offset),
        _ => b.ins().load(ty, flags, base, offset),
    }
}

pub(crate) fn store_at(b: &mut FunctionBuilder<'_>, address: Address, ty: Type, value: Value) {
    let Address {
        base,
        offset,
        flags,
    } = address;
    match ty {
        types::I8 => b.ins().istore8(flags, value, base, offset),
        types::I16 => b.ins().istore16(flags, value, base, offset),
        _ => b.ins().store(flags, value, base, offset),
    };
}
