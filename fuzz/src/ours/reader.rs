//! Looks into objects of this engine's heap.

use crate::observe::{Look, MAX_ELEMENTS, Reader, Seen, Shape};
use windrow::jit::{GcRef, Isolate, ObjectRef};
use windrow::{FunctionId, HeapType, StorageType, Store, TypeId, Val, ValType};

/// The objects of a store. Nothing is held: there is no safepoint during a walk.
pub(crate) struct Objects<'a>(pub(crate) &'a Store);

/// A value on a walk.
pub(crate) enum Found {
    Plain(Seen),
    Reference(GcRef),
}

impl Found {
    pub(crate) fn of_value(store: &Store, value: &Val) -> Self {
        Self::Plain(match value {
            Val::I32(value) => Seen::I32(value.cast_unsigned()),
            Val::I64(value) => Seen::I64(value.cast_unsigned()),
            Val::F32(bits) => Seen::F32(*bits),
            Val::F64(bits) => Seen::F64(*bits),
            Val::V128(bits) => Seen::V128(*bits),
            Val::Func(id) => function(*id),
            Val::Ref(reference) => return Self::Reference(store.resolve(reference)),
        })
    }
}

fn function(id: FunctionId) -> Seen {
    if id.is_null() {
        Seen::Null
    } else {
        Seen::Function
    }
}

impl Reader for Objects<'_> {
    type Value = Found;

    fn look(&mut self, value: &Found) -> Look {
        let reference = match value {
            Found::Plain(seen) => return Look::Plain(*seen),
            Found::Reference(reference) => *reference,
        };
        match (reference.as_i31(), reference.as_object()) {
            (Some(value), _) => Look::Plain(Seen::I31(value)),
            (None, Some(_)) => Look::Object(reference.bits().into()),
            (None, None) => Look::Plain(Seen::Null),
        }
    }

    fn open(&mut self, value: &Found) -> (Shape, Vec<Found>) {
        let Found::Reference(reference) = value else {
            return (Shape::Struct, Vec::new());
        };
        let Some(object) = reference.as_object() else {
            return (Shape::Struct, Vec::new());
        };
        let isolate = self.0.isolate();
        let id = isolate.type_of(object);
        if id == TypeId::EXTERN {
            let value = isolate.host_value(object).expect("the heap is whole");
            let number = value.and_then(|value| value.downcast_ref::<u32>());
            return (Shape::Host(number.copied()), Vec::new());
        }
        if id == TypeId::EXN {
            return (Shape::Exception, Vec::new());
        }
        let info = self.0.types().sub_type(id);
        if let Some(ty) = info.as_array() {
            let len = isolate.array_len(object);
            let elements = (0..len.min(MAX_ELEMENTS)).map(|index| {
                let at = info.shape.size_bytes + (index << info.shape.element_log2);
                self.load(isolate, object, at, ty.element.storage)
            });
            return (Shape::Array(len), elements.collect());
        }
        let fields = info.as_struct().expect("objects are structs or arrays");
        let fields = fields.fields.iter().zip(0..).map(|(field, index)| {
            let at = info.field_offset(index);
            self.load(isolate, object, at, field.storage)
        });
        (Shape::Struct, fields.collect())
    }
}

impl Objects<'_> {
    fn load(&self, isolate: &Isolate, object: ObjectRef, at: u32, ty: StorageType) -> Found {
        Found::Plain(match ty {
            StorageType::I8 => Seen::I32(isolate.load_u8(object, at).into()),
            StorageType::I16 => Seen::I32(isolate.load_u16(object, at).into()),
            StorageType::Val(ty) => match ty {
                ValType::I32 => Seen::I32(isolate.load_u32(object, at)),
                ValType::I64 => Seen::I64(isolate.load_u64(object, at)),
                ValType::F32 => Seen::F32(isolate.load_u32(object, at)),
                ValType::F64 => Seen::F64(isolate.load_u64(object, at)),
                ValType::V128 => Seen::V128(isolate.load_u128(object, at)),
                ValType::Ref(ty) if self.is_func(ty.heap_type) => {
                    function(FunctionId::from_bits(isolate.load_u32(object, at)))
                }
                ValType::Ref(_) => return Found::Reference(isolate.load_ref(object, at)),
            },
        })
    }

    fn is_func(&self, heap_type: HeapType) -> bool {
        let is_func = |id| self.0.types().sub_type(id).as_func().is_some();
        heap_type.top(is_func) == HeapType::Func
    }
}
