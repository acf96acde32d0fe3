//! Arrays: allocation, elements, bulk operations.

use super::Translator;
use crate::builtins::Builtin;
use crate::env::Repr;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;
use windrow_cranelift::{ArrayPosition, Elements, Extension, Known};

impl Translator<'_> {
    /// Translates operators on arrays. Whether `op` is one.
    pub(super) fn array_operator(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::ArrayNew { array_type_index } => self.array_new(array_type_index),
            Operator::ArrayNewDefault { array_type_index } => {
                self.array_new_default(array_type_index)
            }
            Operator::ArrayNewFixed {
                array_type_index,
                array_size,
            } => {
                self.array_new_fixed(array_type_index, array_size);
            }
            Operator::ArrayNewData {
                array_type_index,
                array_data_index,
            } => {
                self.array_new_segment(Builtin::ArrayNewData, array_type_index, array_data_index);
            }
            Operator::ArrayNewElem {
                array_type_index,
                array_elem_index,
            } => {
                self.array_new_segment(Builtin::ArrayNewElem, array_type_index, array_elem_index);
            }
            Operator::ArrayGet { array_type_index } => {
                self.array_get(array_type_index, Extension::None)
            }
            Operator::ArrayGetS { array_type_index } => {
                self.array_get(array_type_index, Extension::Signed)
            }
            Operator::ArrayGetU { array_type_index } => {
                self.array_get(array_type_index, Extension::Unsigned)
            }
            Operator::ArraySet { array_type_index } => self.array_set(array_type_index),
            Operator::ArrayLen => {
                let known = self.known(0);
                let array = self.pop();
                let length = self.emitter.array_len(&mut self.b, array, known);
                self.push(length);
            }
            Operator::ArrayFill { array_type_index } => self.array_fill(array_type_index),
            Operator::ArrayCopy {
                array_type_index_dst,
                ..
            } => self.array_copy(array_type_index_dst),
            Operator::ArrayInitData {
                array_type_index,
                array_data_index,
            } => {
                self.array_init_segment(Builtin::ArrayInitData, array_type_index, array_data_index);
            }
            Operator::ArrayInitElem {
                array_type_index,
                array_elem_index,
            } => {
                self.array_init_segment(Builtin::ArrayInitElem, array_type_index, array_elem_index);
            }
            _ => return false,
        }
        true
    }

    /// Allocates an array; whatever is on the stack survives.
    fn allocate_array(&mut self, type_index: u32, elements: Elements, length: Value) -> Value {
        let live = self.live_refs();
        let type_id = self.env.type_id(type_index);
        self.emitter.array_new(
            &mut self.b,
            &mut self.frame,
            &live,
            &mut self.host,
            type_id,
            elements,
            length,
        )
    }

    fn array_new(&mut self, type_index: u32) {
        let (elements, _) = self.elements(type_index);
        let length = self.pop();
        let array = self.allocate_array(type_index, elements, length);
        let value = self.pop();
        self.emitter
            .array_init(&mut self.b, array, elements, length, value);
        self.push(array);
    }

    fn array_new_default(&mut self, type_index: u32) {
        let (elements, repr) = self.elements(type_index);
        let length = self.pop();
        let array = self.allocate_array(type_index, elements, length);
        let value = super::zero(&mut self.b, repr);
        self.emitter
            .array_init(&mut self.b, array, elements, length, value);
        self.push(array);
    }

    fn array_new_fixed(&mut self, type_index: u32, length: u32) {
        let (elements, _) = self.elements(type_index);
        let count = self.b.ins().iconst(types::I32, i64::from(length));
        let array = self.allocate_array(type_index, elements, count);
        let values = self.stack.pop_many(&mut self.b, length as usize);
        for (index, value) in (0..length).zip(values) {
            self.emitter.store(
                &mut self.b,
                array,
                Known::Fresh,
                elements.place(index),
                value,
            );
        }
        self.push(array);
    }

    fn array_new_segment(&mut self, builtin: Builtin, type_index: u32, segment: u32) {
        let operands = self.stack.pop_many(&mut self.b, 2);
        let array = self.call_collecting_builtin(builtin, &[type_index, segment], &operands);
        self.push(array);
    }

    fn array_init_segment(&mut self, builtin: Builtin, type_index: u32, segment: u32) {
        let operands = self.stack.pop_many(&mut self.b, 4);
        self.call_builtin(builtin, &[type_index, segment], &operands);
    }

    fn array_get(&mut self, type_index: u32, extension: Extension) {
        let (elements, _) = self.elements(type_index);
        let known = self.known(1);
        let (index, array) = (self.pop(), self.pop());
        let value = self
            .emitter
            .array_load(&mut self.b, array, known, elements, index, extension);
        self.push(value);
    }

    fn array_set(&mut self, type_index: u32) {
        let (elements, _) = self.elements(type_index);
        let known = self.known(2);
        let (value, index, array) = (self.pop(), self.pop(), self.pop());
        let host = &mut self.host;
        self.emitter
            .array_store(&mut self.b, host, array, known, elements, index, value);
    }

    fn array_fill(&mut self, type_index: u32) {
        let (elements, _) = self.elements(type_index);
        let known = self.known(3);
        let (count, value, index, array) = (self.pop(), self.pop(), self.pop(), self.pop());
        let at = ArrayPosition {
            array,
            known,
            index,
        };
        self.emitter
            .array_fill(&mut self.b, &mut self.host, elements, at, count, value);
    }

    fn array_copy(&mut self, type_index: u32) {
        let (elements, _) = self.elements(type_index);
        let (to_known, from_known) = (self.known(4), self.known(2));
        let (count, from_index, from_array) = (self.pop(), self.pop(), self.pop());
        let (to_index, to_array) = (self.pop(), self.pop());
        let to = ArrayPosition {
            array: to_array,
            known: to_known,
            index: to_index,
        };
        let from = ArrayPosition {
            array: from_array,
            known: from_known,
            index: from_index,
        };
        self.emitter
            .array_copy(&mut self.b, &mut self.host, elements, to, from, count);
    }

    /// How the elements of an array type lie in memory, and what they are as values.
    fn elements(&self, type_index: u32) -> (Elements, Repr) {
        let element = self.array_element(type_index);
        let elements = if element.is_ref() {
            Elements::references()
        } else {
            Elements::new(element.place.ty)
        };
        (elements, element.repr)
    }
}
