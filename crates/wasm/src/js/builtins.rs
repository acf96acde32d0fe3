//! The builtins of `wasm:js-string`.
//!
//! They trap where the JavaScript interface says so. A string longer than [`JsString::MAX_UNITS`]
//! is refused as if the heap were full.

use super::slots::{array, host_value, index_of, of_bool, of_string, of_u32, string, too_long};
use super::string::JsString;
use super::{NULLABLE, STRING, func, slots::u32_of};
use crate::enter::Slot;
use crate::error::Error;
use crate::global::low_ref;
use crate::linker::Linker;
use crate::trap::TrapKind;
use smallvec::SmallVec;
use std::cmp::Ordering;
use windrow::jit::{ARRAY_LENGTH_OFFSET, Isolate, ObjectRef};
use windrow::{
    ArrayType, FieldType, FuncType, HeapType, RefType, StorageType, Store, TypeId, ValType,
};

/// The module name of the builtins.
pub(super) const MODULE: &str = "wasm:js-string";

/// Where the elements of an array of 16-bit integers begin, in bytes.
const ELEMENTS_OFFSET: u32 = ARRAY_LENGTH_OFFSET + 4;

/// How many units are copied at once.
const CHUNK_UNITS: usize = 256;

/// As many in bytes.
const CHUNK_BYTES: u32 = 512;

const _: () = assert!(CHUNK_BYTES as usize == 2 * CHUNK_UNITS);

/// What a builtin does: arguments in, results out, in slots.
type Body = fn(&mut Store, &mut [Slot]) -> Result<(), Error>;

/// Defines the builtins of `wasm:js-string`.
///
/// # Errors
/// [`Error::Heap`] where types run out.
pub fn define_string_builtins(linker: &mut Linker) -> Result<(), Error> {
    use ValType::I32;
    let builtins: [(&str, FuncType, Body); 11] = [
        ("test", func([NULLABLE], [I32]), test),
        ("cast", func([NULLABLE], [STRING]), cast),
        ("fromCharCode", func([I32], [STRING]), from_char_code),
        ("fromCodePoint", func([I32], [STRING]), from_code_point),
        ("charCodeAt", func([NULLABLE, I32], [I32]), char_code_at),
        ("codePointAt", func([NULLABLE, I32], [I32]), code_point_at),
        ("length", func([NULLABLE], [I32]), length),
        ("concat", func([NULLABLE, NULLABLE], [STRING]), concat),
        ("substring", func([NULLABLE, I32, I32], [STRING]), substring),
        ("equals", func([NULLABLE, NULLABLE], [I32]), equals),
        ("compare", func([NULLABLE, NULLABLE], [I32]), compare),
    ];
    for (name, ty, body) in builtins {
        linker.define_raw(MODULE, name, ty, body);
    }
    let element = FieldType::mutable(StorageType::I16);
    let units = linker
        .engine()
        .types()
        .register_array(ArrayType::new(element))?;
    let array = ValType::Ref(RefType::nullable(HeapType::Concrete(units)));
    let from = func([array, I32, I32], [STRING]);
    linker.define_raw(MODULE, "fromCharCodeArray", from, move |store, slots| {
        from_array(store, slots, units)
    });
    let into = func([NULLABLE, array, I32], [I32]);
    linker.define_raw(MODULE, "intoCharCodeArray", into, move |store, slots| {
        into_array(store, slots, units)
    });
    Ok(())
}

fn test(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let is_null = low_ref(slots[0].bits).is_null();
    let is_string = !is_null && host_value::<JsString>(store, slots[0])?.is_some();
    slots[0] = of_bool(is_string);
    Ok(())
}

fn cast(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    string(store, slots[0])?;
    Ok(())
}

fn from_char_code(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let [low, high, ..] = u32_of(slots[0]).to_le_bytes();
    let unit = u16::from_le_bytes([low, high]);
    slots[0] = of_string(store, JsString::from_units(&[unit]))?;
    Ok(())
}

fn from_code_point(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let string = JsString::from_code_point(u32_of(slots[0])).ok_or(TrapKind::InvalidCodePoint)?;
    slots[0] = of_string(store, string)?;
    Ok(())
}

fn char_code_at(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let unit = string(store, slots[0])?.unit(index_of(slots[1]));
    slots[0] = of_u32(unit.ok_or(TrapKind::StringOutOfBounds)?.into());
    Ok(())
}

fn code_point_at(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let code_point = string(store, slots[0])?.code_point(index_of(slots[1]));
    slots[0] = of_u32(code_point.ok_or(TrapKind::StringOutOfBounds)?);
    Ok(())
}

fn length(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    slots[0] = of_length(string(store, slots[0])?.len());
    Ok(())
}

fn concat(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let (first, second) = (string(store, slots[0])?, string(store, slots[1])?);
    let both = first
        .concat(second)
        .ok_or_else(|| too_long(first.len() + second.len()))?;
    slots[0] = of_string(store, both)?;
    Ok(())
}

fn substring(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let part = string(store, slots[0])?.substring(index_of(slots[1]), index_of(slots[2]));
    slots[0] = of_string(store, part)?;
    Ok(())
}

/// Null equals null, and no string.
fn equals(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let nullable = |slot: Slot| {
        let is_null = low_ref(slot.bits).is_null();
        (!is_null).then(|| string(store, slot)).transpose()
    };
    slots[0] = of_bool(nullable(slots[0])? == nullable(slots[1])?);
    Ok(())
}

fn compare(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let order = string(store, slots[0])?.cmp(string(store, slots[1])?);
    slots[0] = of_u32(match order {
        Ordering::Less => u32::MAX,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    });
    Ok(())
}

fn from_array(store: &mut Store, slots: &mut [Slot], ty: TypeId) -> Result<(), Error> {
    let array = array(store, slots[0], ty)?;
    let (start, end) = (u32_of(slots[1]), u32_of(slots[2]));
    if start > end || end > store.isolate().array_len(array) {
        return Err(TrapKind::ArrayOutOfBounds.into());
    }
    let count = (end - start) as usize;
    if count > JsString::MAX_UNITS {
        return Err(too_long(count));
    }
    let units = read_units(store.isolate(), array, start, count);
    slots[0] = of_string(store, JsString::from_units(&units))?;
    Ok(())
}

fn into_array(store: &mut Store, slots: &mut [Slot], ty: TypeId) -> Result<(), Error> {
    let units = string(store, slots[0])?.clone();
    let array = array(store, slots[1], ty)?;
    let (start, len) = (u32_of(slots[2]), units.len());
    let end = u64::from(start) + len as u64;
    if end > store.isolate().array_len(array).into() {
        return Err(TrapKind::ArrayOutOfBounds.into());
    }
    units.with_units(|units| write_units(store.isolate_mut(), array, start, units));
    slots[0] = of_length(len);
    Ok(())
}

fn of_length(units: usize) -> Slot {
    of_u32(u32::try_from(units).expect("a string is shorter than 2^29 units"))
}

fn read_units(
    isolate: &Isolate,
    array: ObjectRef,
    start: u32,
    count: usize,
) -> SmallVec<[u16; 64]> {
    let mut units = SmallVec::with_capacity(count);
    let mut offset = element_offset(start);
    let mut bytes = [0; 2 * CHUNK_UNITS];
    while units.len() < count {
        let chunk = &mut bytes[..2 * (count - units.len()).min(CHUNK_UNITS)];
        isolate.read_bytes(array, offset, chunk);
        let pairs = chunk.chunks_exact(2);
        units.extend(pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
        offset = offset.wrapping_add(CHUNK_BYTES);
    }
    units
}

fn write_units(isolate: &mut Isolate, array: ObjectRef, start: u32, units: &[u16]) {
    let mut offset = element_offset(start);
    let mut bytes = [0; 2 * CHUNK_UNITS];
    for chunk in units.chunks(CHUNK_UNITS) {
        for (pair, unit) in bytes.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&unit.to_le_bytes());
        }
        isolate.write_bytes(array, offset, &bytes[..2 * chunk.len()]);
        offset = offset.wrapping_add(CHUNK_BYTES);
    }
}

/// Where an element lies. The length came out of the heap, so the result may be any.
fn element_offset(index: u32) -> u32 {
    ELEMENTS_OFFSET.wrapping_add(index.wrapping_mul(2))
}
