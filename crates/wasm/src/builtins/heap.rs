//! The slow paths of objects.

use crate::error::Error;
use crate::instance::InstanceData;
use crate::trap::TrapKind;
use windrow::jit::{GcRef, ObjectRef, ShapeKind};
use windrow::{Store, TypeId};

type Result<T> = std::result::Result<T, Error>;

pub(super) fn alloc_struct(
    store: &mut Store,
    _: &InstanceData,
    type_id: u32,
    bytes: u32,
) -> Result<u32> {
    let type_id = TypeId::from_bits(type_id);
    let object = store
        .isolate_mut()
        .alloc_structs_uninit(type_id, bytes, &mut [])?;
    Ok(object.offset())
}

pub(super) fn alloc_array(
    store: &mut Store,
    _: &InstanceData,
    type_id: u32,
    length: u32,
) -> Result<u32> {
    let array =
        store
            .isolate_mut()
            .alloc_array_uninit(TypeId::from_bits(type_id), length, &mut [])?;
    Ok(array.offset())
}

/// The bytes of `length` elements of an array type in a data segment, from `offset` on.
fn segment_bytes<'a>(
    store: &Store,
    instance: &'a InstanceData,
    type_id: TypeId,
    segment: u32,
    offset: u32,
    length: u32,
) -> Result<&'a [u8]> {
    let log2 = store.isolate().tables().shape(type_id).element_log2;
    let bytes =
        usize::try_from(u64::from(length) << log2).map_err(|_| TrapKind::MemoryOutOfBounds)?;
    let start = offset as usize;
    let range = start
        .checked_add(bytes)
        .and_then(|end| instance.segments.bytes(segment).get(start..end));
    Ok(range.ok_or(TrapKind::MemoryOutOfBounds)?)
}

pub(super) fn array_new_data(
    store: &mut Store,
    instance: &InstanceData,
    type_index: u32,
    segment: u32,
    offset: u32,
    length: u32,
) -> Result<u32> {
    let type_id = instance.type_id(type_index);
    let bytes = segment_bytes(store, instance, type_id, segment, offset, length)?;
    let array = store
        .isolate_mut()
        .alloc_array_uninit(type_id, length, &mut [])?;
    let elements = store.isolate().tables().shape(type_id).size_bytes;
    store.isolate_mut().write_bytes(array, elements, bytes);
    Ok(array.offset())
}

pub(super) fn array_new_elem(
    store: &mut Store,
    instance: &InstanceData,
    type_index: u32,
    segment: u32,
    offset: u32,
    length: u32,
) -> Result<u32> {
    let type_id = instance.type_id(type_index);
    // Looked up before the allocation for its bounds, and after it for what the items are by then.
    instance.segments.items(segment, offset, length)?;
    let array = store.isolate_mut().alloc_array(type_id, length, &mut [])?;
    let items = instance.segments.items(segment, offset, length)?;
    let elements = store.isolate().tables().shape(type_id).size_bytes;
    for (item, at) in items.iter().zip((elements..).step_by(4)) {
        store
            .isolate_mut()
            .init_ref(array, at, GcRef::from_bits(*item));
    }
    Ok(array.offset())
}

/// The array behind a reference, if `length` elements from `index` on are in it.
fn array_range(store: &Store, array: u32, index: u32, length: u32) -> Result<ObjectRef> {
    let array = GcRef::from_bits(array)
        .as_object()
        .ok_or(TrapKind::NullArray)?;
    if store
        .isolate()
        .tables()
        .shape(store.isolate().type_of(array))
        .kind
        != ShapeKind::Array
    {
        return Err(TrapKind::CastFailure.into());
    }
    let end = u64::from(index) + u64::from(length);
    if end > u64::from(store.isolate().array_len(array)) {
        return Err(TrapKind::ArrayOutOfBounds.into());
    }
    Ok(array)
}

/// Offset of an element in its array. The heap's own access methods keep any offset in the heap.
fn element_offset(store: &Store, type_id: TypeId, index: u32) -> u32 {
    let shape = store.isolate().tables().shape(type_id);
    shape.size_bytes.wrapping_add(index << shape.element_log2)
}

#[expect(clippy::too_many_arguments, reason = "the operands of the instruction")]
pub(super) fn array_init_data(
    store: &mut Store,
    instance: &InstanceData,
    type_index: u32,
    segment: u32,
    array: u32,
    index: u32,
    offset: u32,
    length: u32,
) -> Result<()> {
    let type_id = instance.type_id(type_index);
    let array = array_range(store, array, index, length)?;
    let bytes = segment_bytes(store, instance, type_id, segment, offset, length)?;
    let at = element_offset(store, type_id, index);
    store.isolate_mut().write_bytes(array, at, bytes);
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the operands of the instruction")]
pub(super) fn array_init_elem(
    store: &mut Store,
    instance: &InstanceData,
    type_index: u32,
    segment: u32,
    array: u32,
    index: u32,
    offset: u32,
    length: u32,
) -> Result<()> {
    let type_id = instance.type_id(type_index);
    let array = array_range(store, array, index, length)?;
    let items = instance.segments.items(segment, offset, length)?;
    let first = element_offset(store, type_id, index);
    let is_ref = store.isolate().tables().shape(type_id).element_is_ref;
    for (item, index) in items.iter().zip(0_u32..) {
        // The length, and so the index, may be forged: the offset may come round.
        let at = first.wrapping_add(index.wrapping_mul(4));
        if is_ref {
            store
                .isolate_mut()
                .write_ref(array, at, GcRef::from_bits(*item));
        } else {
            store.isolate_mut().store_u32(array, at, *item);
        }
    }
    Ok(())
}

pub(super) fn write_barrier(
    store: &mut Store,
    _: &InstanceData,
    owner: u32,
    slot: u32,
    value: u32,
) {
    let owner = GcRef::from_bits(owner).as_object();
    store
        .isolate_mut()
        .write_barrier(owner, slot, GcRef::from_bits(value));
}

pub(super) fn range_barrier(
    store: &mut Store,
    _: &InstanceData,
    owner: u32,
    first_slot: u32,
    count: u32,
) {
    if let Some(owner) = GcRef::from_bits(owner).as_object() {
        store.isolate_mut().range_barrier(owner, first_slot, count);
    }
}

pub(super) fn is_subtype(store: &mut Store, _: &InstanceData, sub: u32, sup: u32) -> u32 {
    u32::from(
        store
            .types()
            .is_subtype(TypeId::from_bits(sub), TypeId::from_bits(sup)),
    )
}
