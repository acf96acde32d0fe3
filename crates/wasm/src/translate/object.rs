//! Structs, `i31`, casts and comparisons of references.
//!
//! Operands of an allocation stay on the stack while it runs, so that references among them
//! survive it, and are popped and stored afterwards.

use super::{Translator, zero};
use crate::trap::CodeTrap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::{HeapType, Operator};
use windrow_cranelift::{CastSource, CastTarget, Extension, Known};

impl Translator<'_> {
    /// Translates operators on references and structs. Whether `op` is one.
    pub(super) fn object_operator(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::StructNew { struct_type_index } => self.struct_new(struct_type_index, false),
            Operator::StructNewDefault { struct_type_index } => {
                self.struct_new(struct_type_index, true)
            }
            Operator::StructGet {
                struct_type_index,
                field_index,
            } => {
                self.struct_get(struct_type_index, field_index, Extension::None);
            }
            Operator::StructGetS {
                struct_type_index,
                field_index,
            } => {
                self.struct_get(struct_type_index, field_index, Extension::Signed);
            }
            Operator::StructGetU {
                struct_type_index,
                field_index,
            } => {
                self.struct_get(struct_type_index, field_index, Extension::Unsigned);
            }
            Operator::StructSet {
                struct_type_index,
                field_index,
            } => {
                self.struct_set(struct_type_index, field_index);
            }
            Operator::BrOnCast {
                relative_depth,
                to_ref_type,
                ..
            } => {
                let target = self.cast_target(to_ref_type.heap_type(), to_ref_type.is_nullable());
                self.branch_on_cast(relative_depth, target, true);
            }
            Operator::BrOnCastFail {
                relative_depth,
                to_ref_type,
                ..
            } => {
                let target = self.cast_target(to_ref_type.heap_type(), to_ref_type.is_nullable());
                self.branch_on_cast(relative_depth, target, false);
            }
            _ => return self.reference_operator(op),
        }
        true
    }

    fn reference_operator(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::RefNull { .. } => {
                let null = self.b.ins().iconst(types::I32, 0);
                self.push(null);
            }
            Operator::RefIsNull => {
                let reference = self.pop();
                let is_null = self.b.ins().icmp_imm_u(IntCC::Equal, reference, 0);
                self.push_bool(is_null);
            }
            Operator::RefAsNonNull => {
                let nullable = self.stack.ty(0).nullable;
                let reference = self.pop();
                if nullable {
                    self.emitter.check_null(&mut self.b, reference);
                }
                self.push(reference);
            }
            Operator::RefEq => {
                let (right, left) = (self.pop(), self.pop());
                let same = self.b.ins().icmp(IntCC::Equal, left, right);
                self.push_bool(same);
            }
            Operator::RefI31 => {
                let value = self.pop();
                let reference = self.emitter.i31_new(&mut self.b, value);
                self.push(reference);
            }
            Operator::I31GetS => self.i31_get(true),
            Operator::I31GetU => self.i31_get(false),
            Operator::RefTestNonNull { hty } => self.ref_test(hty, false),
            Operator::RefTestNullable { hty } => self.ref_test(hty, true),
            Operator::RefCastNonNull { hty } => self.ref_cast(hty, false),
            Operator::RefCastNullable { hty } => self.ref_cast(hty, true),
            // Both hierarchies have the same references: only the type changes.
            Operator::AnyConvertExtern | Operator::ExternConvertAny => {
                let reference = self.pop();
                self.push(reference);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn push_bool(&mut self, holds: Value) {
        let value = self.b.ins().uextend(types::I32, holds);
        self.push(value);
    }

    /// What is known of the reference at a distance from the top.
    pub(super) fn known(&self, distance: usize) -> Known {
        if self.stack.ty(distance).nullable {
            Known::Nullable
        } else {
            Known::NonNull
        }
    }

    fn struct_new(&mut self, type_index: u32, default: bool) {
        let layout = self.struct_layout(type_index);
        let object = self.new_object(type_index);
        let values = if default {
            layout
                .fields
                .iter()
                .map(|field| zero(&mut self.b, field.repr))
                .collect()
        } else {
            self.stack.pop_many(&mut self.b, layout.fields.len())
        };
        for (field, value) in layout.fields.iter().zip(values) {
            self.emitter
                .store(&mut self.b, object, Known::Fresh, field.place, value);
        }
        self.push(object);
    }

    /// A struct whose fields are unset: one allocated with others before, or the first of several.
    fn new_object(&mut self, type_index: u32) -> Value {
        if let Some(object) = self.allocated.pop() {
            return object;
        }
        let structs = self.folded(type_index);
        let live = self.live_refs();
        let (b, frame, host) = (&mut self.b, &mut self.frame, &mut self.host);
        let mut objects = self.emitter.structs_new(b, frame, &live, host, &structs);
        objects.reverse();
        let object = objects.pop().expect("as many as were asked for");
        self.allocated = objects;
        object
    }

    fn struct_get(&mut self, type_index: u32, field: u32, extension: Extension) {
        let field = self.struct_field(type_index, field);
        let known = self.known(0);
        let object = self.pop();
        let value = self
            .emitter
            .load(&mut self.b, object, known, field.place, extension);
        self.push(value);
    }

    fn struct_set(&mut self, type_index: u32, field: u32) {
        let field = self.struct_field(type_index, field);
        let known = self.known(1);
        let (value, object) = (self.pop(), self.pop());
        if field.is_ref() {
            self.emitter.store_ref(
                &mut self.b,
                &mut self.host,
                object,
                known,
                field.place,
                value,
            );
        } else {
            self.emitter
                .store(&mut self.b, object, known, field.place, value);
        }
    }

    fn i31_get(&mut self, signed: bool) {
        let nullable = self.stack.ty(0).nullable;
        let reference = self.pop();
        if nullable {
            self.b.ins().trapz(reference, CodeTrap::NullI31.code());
        }
        let value = if signed {
            self.emitter
                .i31_get_s(&mut self.b, reference, Known::NonNull)
        } else {
            self.emitter
                .i31_get_u(&mut self.b, reference, Known::NonNull)
        };
        self.push(value);
    }

    fn cast_source(&self) -> CastSource {
        let ty = self.stack.ty(0);
        CastSource {
            nullable: ty.nullable,
            may_be_i31: ty.may_be_i31,
        }
    }

    fn cast_target(&mut self, heap_type: HeapType, nullable: bool) -> CastTarget {
        CastTarget {
            nullable,
            heap_type: self.cast_heap_type(heap_type),
        }
    }

    fn ref_test(&mut self, heap_type: HeapType, nullable: bool) {
        let (source, target) = (self.cast_source(), self.cast_target(heap_type, nullable));
        let reference = self.pop();
        let holds = self
            .emitter
            .ref_test(&mut self.b, &mut self.host, reference, source, target);
        self.push(holds);
    }

    fn ref_cast(&mut self, heap_type: HeapType, nullable: bool) {
        let (source, target) = (self.cast_source(), self.cast_target(heap_type, nullable));
        let reference = self.pop();
        self.emitter
            .ref_cast(&mut self.b, &mut self.host, reference, source, target);
        self.push(reference);
    }

    /// Branches if the cast of the topmost operand, which stays, succeeds (or fails).
    fn branch_on_cast(&mut self, depth: u32, target: CastTarget, on_success: bool) {
        let source = self.cast_source();
        let (label, args) = self.branch_target(depth);
        let reference = self.pop();
        let (taken, next) = (self.b.create_block(), self.b.create_block());
        let (pass, fail) = if on_success {
            (taken, next)
        } else {
            (next, taken)
        };
        self.emitter.cast_branch(
            &mut self.b,
            &mut self.host,
            reference,
            source,
            target,
            pass,
            fail,
        );
        self.continue_in(taken);
        self.b.ins().jump(label, &args);
        self.continue_in(next);
        // Pushed anew, because its type has changed.
        self.push(reference);
    }
}
