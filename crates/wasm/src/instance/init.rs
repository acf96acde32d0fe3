//! Initial values: constant expressions evaluated in the heap, segments applied, the start function.

use super::{Instance, InstanceData};
use crate::error::Error;
use crate::func::Func;
use crate::global::{low_double, low_ref};
use crate::module::const_expr::{ConstExpr, ConstOp};
use crate::module::parse::{DataDecl, ElementDecl, Sections, SegmentMode};
use crate::trap::TrapKind;
use crate::value::is_gc;
use smallvec::SmallVec;
use std::sync::Arc;
use windrow::jit::{GcRef, ObjectRef};
use windrow::{StorageType, Store, TypeId, ValType};

/// The stack of a constant expression. References on it are kept up to date across allocations.
type Stack = SmallVec<[(u128, bool); 8]>;

impl Instance {
    /// Gives everything its initial value and runs the start function.
    pub(super) fn initialise(&self, store: &mut Store) -> Result<(), Error> {
        let module = Arc::clone(&self.data.module);
        let Sections {
            globals,
            tables,
            elements,
            data,
            start,
            ..
        } = &module.sections;
        let instance = &*self.data;
        for (init, index) in globals.iter().zip(module.env.imported_globals..) {
            let bits = instance.evaluate(store, init)?;
            instance.global(index).set_bits(store, bits);
        }
        for (init, index) in tables.iter().zip(module.env.imported_tables..) {
            if let Some(init) = init {
                let bits = instance.evaluate(store, init)?;
                let table = instance.table(index);
                table.fill(store, 0, low(bits), table.len())?;
            }
        }
        instance.apply_elements(store, elements)?;
        instance.apply_data(store, data)?;
        if let Some(start) = start
            && let Some(start) = Func::of_id(&module.engine, store, instance.function(*start))
        {
            start.call_slots(store, &mut [])?;
        }
        Ok(())
    }
}

impl InstanceData {
    /// Evaluates the items of every element segment, then writes the active ones to their tables.
    fn apply_elements(&self, store: &mut Store, elements: &[ElementDecl]) -> Result<(), Error> {
        for (element, segment) in elements.iter().zip(0..) {
            for item in &element.items {
                let bits = self.evaluate(store, item)?;
                self.segments.push_item(segment, low(bits));
            }
        }
        for (element, segment) in elements.iter().zip(0..) {
            match &element.mode {
                SegmentMode::Passive => continue,
                SegmentMode::Declared => {}
                SegmentMode::Active(table, offset) => {
                    let offset = low(self.evaluate(store, offset)?);
                    let length = u32::try_from(element.items.len());
                    let length = length.map_err(|_| TrapKind::TableOutOfBounds)?;
                    let items = self.segments.items(segment, 0, length)?;
                    self.table(*table).set(store, offset, &items)?;
                }
            }
            self.segments.drop_elements(segment);
        }
        Ok(())
    }

    /// Writes the active data segments to their memories.
    fn apply_data(&self, store: &mut Store, data: &[DataDecl]) -> Result<(), Error> {
        for (segment, index) in data.iter().zip(0..) {
            if let SegmentMode::Active(memory, offset) = &segment.mode {
                let offset = low(self.evaluate(store, offset)?);
                self.memory(*memory)
                    .write(store, offset.into(), &segment.bytes)?;
                self.segments.drop_data(index);
            }
        }
        Ok(())
    }

    /// Evaluates a constant expression. A reference is valid until the next safepoint.
    ///
    /// # Errors
    /// [`Error::Trap`] with the heap's word where an allocation fails.
    fn evaluate(&self, store: &mut Store, expr: &ConstExpr) -> Result<u128, Error> {
        let mut stack = Stack::new();
        for op in expr {
            self.step(store, &mut stack, *op)?;
        }
        Ok(pop(&mut stack))
    }

    fn step(&self, store: &mut Store, stack: &mut Stack, op: ConstOp) -> Result<(), Error> {
        let mut integer = |bits: u128| stack.push((bits, false));
        match op {
            ConstOp::Bits(bits) => integer(bits),
            ConstOp::RefFunc(function) => integer(self.function(function).bits().into()),
            ConstOp::GlobalGet(index) => {
                let global = self.global(index);
                stack.push((global.bits(), is_gc(store.types(), global.ty.content)));
            }
            ConstOp::I32Add => binary32(stack, u32::wrapping_add),
            ConstOp::I32Sub => binary32(stack, u32::wrapping_sub),
            ConstOp::I32Mul => binary32(stack, u32::wrapping_mul),
            ConstOp::I64Add => binary64(stack, u64::wrapping_add),
            ConstOp::I64Sub => binary64(stack, u64::wrapping_sub),
            ConstOp::I64Mul => binary64(stack, u64::wrapping_mul),
            ConstOp::RefI31 => {
                let value = low(pop(stack)).cast_signed();
                stack.push((GcRef::from_i31(value).bits().into(), true));
            }
            ConstOp::StructNew(type_id) => struct_new(store, stack, type_id)?,
            ConstOp::StructNewDefault(type_id) => {
                let object = allocate(stack, |refs| {
                    Ok(store.isolate_mut().alloc_struct(type_id, refs)?)
                })?;
                stack.push((object.offset().into(), true));
            }
            ConstOp::ArrayNew(type_id) => {
                let length = low(pop(stack));
                array_new(store, stack, type_id, length, 1)?;
            }
            ConstOp::ArrayNewDefault(type_id) => {
                let length = low(pop(stack));
                array_new(store, stack, type_id, length, 0)?;
            }
            ConstOp::ArrayNewFixed(type_id, length) => {
                array_new(store, stack, type_id, length, length)?
            }
        }
        Ok(())
    }
}

fn pop(stack: &mut Stack) -> u128 {
    stack
        .pop()
        .expect("a validated constant expression has its operands")
        .0
}

fn low(bits: u128) -> u32 {
    low_ref(bits).bits()
}

fn binary32(stack: &mut Stack, operation: impl Fn(u32, u32) -> u32) {
    let (b, a) = (pop(stack), pop(stack));
    stack.push((operation(low(a), low(b)).into(), false));
}

fn binary64(stack: &mut Stack, operation: impl Fn(u64, u64) -> u64) {
    let (b, a) = (pop(stack), pop(stack));
    stack.push((operation(low_double(a), low_double(b)).into(), false));
}

/// Allocates with the references on the stack in flight.
fn allocate(
    stack: &mut Stack,
    allocate: impl FnOnce(&mut [GcRef]) -> Result<ObjectRef, Error>,
) -> Result<ObjectRef, Error> {
    let mut refs: SmallVec<[GcRef; 8]> = stack
        .iter()
        .filter(|(_, is_ref)| *is_ref)
        .map(|(bits, _)| low_ref(*bits))
        .collect();
    let object = allocate(&mut refs).map_err(|error| match error {
        Error::Heap(error) => TrapKind::Heap(error).into(),
        error => error,
    })?;
    for ((bits, _), now) in stack.iter_mut().filter(|(_, is_ref)| *is_ref).zip(refs) {
        *bits = now.bits().into();
    }
    Ok(object)
}

/// Stores a value into a field or element of an object just allocated.
fn initialise(store: &mut Store, object: ObjectRef, offset: u32, storage: StorageType, bits: u128) {
    let isolate = store.isolate_mut();
    let [byte, ..] = bits.to_le_bytes();
    let [a, b, ..] = bits.to_le_bytes();
    match storage {
        StorageType::I8 => isolate.store_u8(object, offset, byte),
        StorageType::I16 => isolate.store_u16(object, offset, u16::from_le_bytes([a, b])),
        StorageType::Val(ValType::I64 | ValType::F64) => {
            isolate.store_u64(object, offset, low_double(bits))
        }
        StorageType::Val(ValType::V128) => isolate.store_u128(object, offset, bits),
        StorageType::Val(ValType::I32 | ValType::F32) => {
            isolate.store_u32(object, offset, low(bits))
        }
        StorageType::Val(ValType::Ref(_)) => isolate.init_ref(object, offset, low_ref(bits)),
    }
}

fn struct_new(store: &mut Store, stack: &mut Stack, type_id: TypeId) -> Result<(), Error> {
    let info = store.types().sub_type(type_id);
    let fields = &info.as_struct().expect("a validated struct type").fields;
    let object = allocate(stack, |refs| {
        Ok(store.isolate_mut().alloc_struct(type_id, refs)?)
    })?;
    let first = stack.len() - fields.len();
    for ((index, field), (bits, _)) in (0..).zip(fields).zip(stack.drain(first..)) {
        initialise(store, object, info.field_offset(index), field.storage, bits);
    }
    stack.push((object.offset().into(), true));
    Ok(())
}

/// Makes an array of `length` elements, the values of which are on the stack: each, or one for
/// all, or none for zeros.
fn array_new(
    store: &mut Store,
    stack: &mut Stack,
    type_id: TypeId,
    length: u32,
    values: u32,
) -> Result<(), Error> {
    let info = store.types().sub_type(type_id);
    let storage = info
        .as_array()
        .expect("a validated array type")
        .element
        .storage;
    let array = allocate(stack, |refs| {
        Ok(store.isolate_mut().alloc_array(type_id, length, refs)?)
    })?;
    let first = stack.len() - values as usize;
    let stride = 1_usize << storage.bytes_log2();
    let initialised = if values == 0 { 0 } else { length as usize };
    for (index, offset) in (0..initialised).zip((info.shape.size_bytes..).step_by(stride)) {
        let value = if values == length {
            Some(index)
        } else {
            (values == 1).then_some(0)
        };
        if let Some((bits, _)) = value.and_then(|index| stack.get(first + index)).copied() {
            initialise(store, array, offset, storage, bits);
        }
    }
    stack.truncate(first);
    stack.push((array.offset().into(), true));
    Ok(())
}
