//! Looks into objects of the other engine's heap.

use crate::observe::{Look, MAX_ELEMENTS, Reader, Seen, Shape};
use wasmtime::{AnyRef, AsContext, AsContextMut, ExternRef, Rooted, Val};

/// The objects of a store.
pub(super) struct Objects<'a, C>(pub(super) &'a mut C);

/// What the heap says of its own objects is never refused: they are rooted.
const ROOTED: &str = "the reference is rooted";

impl<C: AsContextMut> Reader for Objects<'_, C>
where
    C::Data: 'static,
{
    type Value = Val;

    fn look(&mut self, value: &Val) -> Look {
        Look::Plain(match value {
            Val::I32(value) => Seen::I32(value.cast_unsigned()),
            Val::I64(value) => Seen::I64(value.cast_unsigned()),
            Val::F32(bits) => Seen::F32(*bits),
            Val::F64(bits) => Seen::F64(*bits),
            Val::V128(bits) => Seen::V128(bits.as_u128()),
            Val::FuncRef(Some(_)) => Seen::Function,
            Val::AnyRef(Some(reference)) => return self.look_any(*reference),
            Val::ExternRef(Some(reference)) => {
                let any = AnyRef::convert_extern(&mut *self.0, *reference).expect(ROOTED);
                return self.look_any(any);
            }
            Val::ExnRef(Some(reference)) => {
                let raw = reference.to_raw(&mut *self.0).expect(ROOTED);
                return Look::Object(raw.into());
            }
            Val::ContRef(Some(_)) => unreachable!("continuations are not enabled"),
            Val::FuncRef(None)
            | Val::AnyRef(None)
            | Val::ExternRef(None)
            | Val::ExnRef(None)
            | Val::ContRef(None) => Seen::Null,
        })
    }

    fn open(&mut self, value: &Val) -> (Shape, Vec<Val>) {
        match value {
            Val::AnyRef(Some(reference)) => self.open_any(*reference),
            Val::ExternRef(Some(reference)) => {
                let any = AnyRef::convert_extern(&mut *self.0, *reference).expect(ROOTED);
                self.open_any(any)
            }
            _ => (Shape::Exception, Vec::new()),
        }
    }
}

impl<C: AsContextMut> Objects<'_, C>
where
    C::Data: 'static,
{
    fn look_any(&mut self, reference: Rooted<AnyRef>) -> Look {
        if let Some(value) = reference.as_i31(&*self.0).expect(ROOTED) {
            return Look::Plain(Seen::I31(value.get_i32()));
        }
        let raw = reference.to_raw(&mut *self.0).expect(ROOTED);
        Look::Object(raw.into())
    }

    fn open_any(&mut self, reference: Rooted<AnyRef>) -> (Shape, Vec<Val>) {
        if let Some(object) = reference.as_struct(&*self.0).expect(ROOTED) {
            let fields = object.fields(&mut *self.0).expect(ROOTED);
            return (Shape::Struct, fields.collect());
        }
        if let Some(array) = reference.as_array(&*self.0).expect(ROOTED) {
            let len = array.len(&*self.0).expect(ROOTED);
            let elements = (0..len.min(MAX_ELEMENTS))
                .map(|index| array.get(&mut *self.0, index).expect(ROOTED));
            return (Shape::Array(len), elements.collect());
        }
        let outside = ExternRef::convert_any(&mut *self.0, reference).expect(ROOTED);
        let number = outside
            .data(self.0.as_context())
            .expect(ROOTED)
            .and_then(|value| value.downcast_ref::<u32>());
        (Shape::Host(number.copied()), Vec::new())
    }
}
