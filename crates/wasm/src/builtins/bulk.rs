//! The slow paths of linear memories and tables.

use crate::error::Error;
use crate::instance::InstanceData;
use crate::trap::TrapKind;
use windrow::Store;

type Result<T> = std::result::Result<T, Error>;

pub(super) fn memory_grow(_: &mut Store, instance: &InstanceData, memory: u32, pages: u32) -> u32 {
    let before = instance.memory(memory).grow(pages.into());
    before
        .and_then(|pages| u32::try_from(pages).ok())
        .unwrap_or(u32::MAX)
}

pub(super) fn memory_fill(
    store: &mut Store,
    instance: &InstanceData,
    memory: u32,
    address: u32,
    byte: u32,
    length: u32,
) -> Result<()> {
    let [byte, ..] = byte.to_le_bytes();
    Ok(instance
        .memory(memory)
        .fill(store, address.into(), byte, length.into())?)
}

pub(super) fn memory_copy(
    store: &mut Store,
    instance: &InstanceData,
    (target, source): (u32, u32),
    to: u32,
    from: u32,
    length: u32,
) -> Result<()> {
    let (target, source) = (instance.memory(target), instance.memory(source));
    Ok(target.copy(store, to.into(), source, from.into(), length.into())?)
}

pub(super) fn memory_init(
    store: &mut Store,
    instance: &InstanceData,
    (memory, segment): (u32, u32),
    address: u32,
    offset: u32,
    length: u32,
) -> Result<()> {
    let start = offset as usize;
    let range = start
        .checked_add(length as usize)
        .and_then(|end| instance.segments.bytes(segment).get(start..end));
    let bytes = range.ok_or(TrapKind::MemoryOutOfBounds)?;
    Ok(instance
        .memory(memory)
        .write(store, address.into(), bytes)?)
}

pub(super) fn data_drop(_: &mut Store, instance: &InstanceData, segment: u32) {
    instance.segments.drop_data(segment);
}

pub(super) fn table_grow(
    store: &mut Store,
    instance: &InstanceData,
    table: u32,
    bits: u32,
    more: u32,
) -> u32 {
    instance
        .table(table)
        .grow(store, bits, more)
        .unwrap_or(u32::MAX)
}

pub(super) fn table_fill(
    store: &mut Store,
    instance: &InstanceData,
    table: u32,
    index: u32,
    bits: u32,
    length: u32,
) -> Result<()> {
    Ok(instance.table(table).fill(store, index, bits, length)?)
}

pub(super) fn table_copy(
    store: &mut Store,
    instance: &InstanceData,
    (target, source): (u32, u32),
    to: u32,
    from: u32,
    length: u32,
) -> Result<()> {
    let values = instance.table(source).slice(from, length)?;
    Ok(instance.table(target).set(store, to, &values)?)
}

pub(super) fn table_init(
    store: &mut Store,
    instance: &InstanceData,
    (table, segment): (u32, u32),
    index: u32,
    offset: u32,
    length: u32,
) -> Result<()> {
    let items = instance
        .segments
        .items(segment, offset, length)
        .map_err(|_| TrapKind::TableOutOfBounds)?;
    Ok(instance.table(table).set(store, index, &items)?)
}

pub(super) fn elem_drop(_: &mut Store, instance: &InstanceData, segment: u32) {
    instance.segments.drop_elements(segment);
}
