//! The module's types as emitted code needs them: where fields lie, what casts test.

use super::{Translator, clif_type};
use crate::env::{ModuleEnv, Repr};
use cranelift_codegen::ir::types;
use std::sync::Arc;
use wasmparser::{AbstractHeapType, CompositeInnerType, FieldType, HeapType, StorageType};
use windrow::{TypeId, TypeInfo};
use windrow_cranelift::{Concrete, Elements, HeapType as CastHeapType, Place};

/// A struct's field or an array's element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// What it holds as a value.
    pub(crate) repr: Repr,
    /// Where it lies; of elements, the first.
    pub(crate) place: Place,
}

impl Cell {
    /// Whether it holds a collected reference.
    pub(crate) fn is_ref(&self) -> bool {
        self.repr == Repr::Gc
    }
}

/// A struct type.
#[derive(Debug)]
pub(crate) struct StructLayout {
    pub(crate) type_id: TypeId,
    /// Bytes of an object.
    pub(crate) bytes: u32,
    pub(crate) fields: Vec<Cell>,
}

/// Whether references of a heap type may be an `i31`.
pub(crate) const fn may_be_i31(heap_type: HeapType) -> bool {
    match heap_type {
        HeapType::Abstract { ty, .. } => matches!(
            ty,
            AbstractHeapType::Any
                | AbstractHeapType::Eq
                | AbstractHeapType::I31
                | AbstractHeapType::Extern
        ),
        HeapType::Concrete(_) | HeapType::Exact(_) => false,
    }
}

/// A field's type in memory, and as a value.
fn storage(env: &ModuleEnv, field: &FieldType) -> (types::Type, Repr) {
    match field.element_type {
        StorageType::I8 => (types::I8, Repr::I32),
        StorageType::I16 => (types::I16, Repr::I32),
        StorageType::Val(ty) => {
            let repr = env.repr(ty);
            (clif_type(repr), repr)
        }
    }
}

impl Translator<'_> {
    fn composite(&self, type_index: u32) -> &CompositeInnerType {
        &self
            .env
            .module_type(type_index)
            .sub_type
            .composite_type
            .inner
    }

    /// The canonical type at a module index, which the registry is asked for once a function.
    pub(super) fn type_info(&mut self, type_index: u32) -> Arc<TypeInfo> {
        let env = self.env;
        let info = self.types.entry(type_index);
        Arc::clone(info.or_insert_with(|| env.registry.sub_type(env.type_id(type_index))))
    }

    /// The layout of a struct type.
    pub(super) fn struct_layout(&mut self, type_index: u32) -> StructLayout {
        let info = self.type_info(type_index);
        let CompositeInnerType::Struct(of) = self.composite(type_index) else {
            unreachable!("a validated index of a struct type")
        };
        let fields = (0..).zip(&of.fields).map(|(index, field)| {
            let (ty, repr) = storage(self.env, field);
            Cell {
                repr,
                place: Place::field(info.field_offset(index), ty),
            }
        });
        StructLayout {
            type_id: info.id,
            bytes: info.shape.size_bytes,
            fields: fields.collect(),
        }
    }

    /// A field of a struct type.
    pub(super) fn struct_field(&mut self, type_index: u32, field: u32) -> Cell {
        let info = self.type_info(type_index);
        let CompositeInnerType::Struct(of) = self.composite(type_index) else {
            unreachable!("a validated index of a struct type")
        };
        let ty = of
            .fields
            .get(field as usize)
            .expect("a validated field index is in range");
        let (ty, repr) = storage(self.env, ty);
        Cell {
            repr,
            place: Place::field(info.field_offset(field), ty),
        }
    }

    /// The element of an array type.
    pub(super) fn array_element(&self, type_index: u32) -> Cell {
        let CompositeInnerType::Array(of) = self.composite(type_index) else {
            unreachable!("a validated index of an array type")
        };
        let (ty, repr) = storage(self.env, &of.0);
        Cell {
            repr,
            place: Elements::new(ty).place(0),
        }
    }

    /// A declared type as the target of a cast or the signature of a call.
    pub(super) fn concrete(&mut self, type_index: u32) -> Concrete {
        let info = self.type_info(type_index);
        Concrete {
            type_id: info.id,
            depth: info.depth(),
            is_final: info.is_final,
        }
    }

    /// A heap type as the target of a cast.
    pub(super) fn cast_heap_type(&mut self, heap_type: HeapType) -> CastHeapType {
        match heap_type {
            HeapType::Abstract { ty, .. } => match ty {
                AbstractHeapType::None
                | AbstractHeapType::NoFunc
                | AbstractHeapType::NoExtern
                | AbstractHeapType::NoExn
                | AbstractHeapType::NoCont => CastHeapType::Bottom,
                AbstractHeapType::Eq => CastHeapType::Eq,
                AbstractHeapType::I31 => CastHeapType::I31,
                AbstractHeapType::Struct => CastHeapType::Struct,
                AbstractHeapType::Array => CastHeapType::Array,
                AbstractHeapType::Any
                | AbstractHeapType::Func
                | AbstractHeapType::Extern
                | AbstractHeapType::Exn
                | AbstractHeapType::Cont => CastHeapType::Top,
            },
            HeapType::Concrete(index) | HeapType::Exact(index) => {
                let type_index = self.env.type_index(index);
                let concrete = self.concrete(type_index);
                match self.composite(type_index) {
                    CompositeInnerType::Func(_) => CastHeapType::Function(concrete),
                    _ => CastHeapType::Object(concrete),
                }
            }
        }
    }
}
