//! What the runtime supplies: calls out of compiled code, emitted by the client.
//!
//! Every method appends one call to the builder's current block and returns it. How the callee is
//! reached (an address, a table, a relocation) and which context it receives is the client's
//! business; an [exit trampoline](crate::exit_trampoline) in between records where compiled code
//! was left, which the two allocations need.

use cranelift_codegen::ir::{Inst, Value};
use cranelift_frontend::FunctionBuilder;
use windrow_core::TypeId;

/// The calls emitted code may need.
///
/// Only the two allocations are safepoints; the others never collect. References and offsets they
/// are passed come from the heap: data, not to be trusted. Addresses and byte counts have been
/// checked.
pub trait SlowPaths {
    /// Allocates a struct of `type_id`, which has a constant size. One `i32` result: the new
    /// object with its header set and its fields unset, or 0 when the host failed and recorded why.
    fn allocate_struct(&mut self, b: &mut FunctionBuilder<'_>, type_id: TypeId) -> Inst;

    /// Allocates an array of `type_id` with `length` (an `i32`, unsigned) elements. One `i32`
    /// result: the new array with header and length set and its elements unset, or 0.
    fn allocate_array(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        type_id: TypeId,
        length: Value,
    ) -> Inst;

    /// The [`WriteBarrier::Call`](windrow_core::WriteBarrier::Call) form: `value` is about to be
    /// stored at heap offset `slot` of object `owner`. All `i32`; `owner` and `slot` are 0 for a
    /// global or a table. No result.
    fn write_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        slot: Value,
        value: Value,
    ) -> Inst;

    /// The same for `count` consecutive slots of `owner` from heap offset `first_slot`. All `i32`.
    fn range_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        first_slot: Value,
        count: Value,
    ) -> Inst;

    /// Whether the type whose id is `actual` (an `i32`) is `target` or derives from it, for types
    /// deeper than a display. One `i32` result, 0 or 1.
    fn is_subtype(&mut self, b: &mut FunctionBuilder<'_>, actual: Value, target: TypeId) -> Inst;

    /// `memmove`: `bytes` bytes from address `source` to address `destination`. All `i64`.
    fn move_bytes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        destination: Value,
        source: Value,
        bytes: Value,
    ) -> Inst;

    /// `memset`: `bytes` bytes from address `destination` become the low byte of `byte`, an
    /// `i32`. The others are `i64`.
    fn set_bytes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        destination: Value,
        byte: Value,
        bytes: Value,
    ) -> Inst;
}
