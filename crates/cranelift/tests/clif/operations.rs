//! Every operation there is, each with a name and the number of `i32` parameters it takes.

use crate::support::{CALLEE, Operation, Scene, call};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use windrow_core::TypeId;
use windrow_cranelift::{
    ArrayPosition, CastSource, CastTarget, Concrete, Elements, Extension, HeapType, Known,
    NewStruct, Place, RefVar, SignatureCheck,
};

pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) params: usize,
    /// Whether it makes no calls but in cold blocks where allocation is in line and stores owe no
    /// barrier.
    pub(crate) is_call_free: bool,
    pub(crate) emit: Operation,
}

const fn free(name: &'static str, params: usize, emit: Operation) -> Named {
    Named {
        name,
        params,
        is_call_free: true,
        emit,
    }
}

const fn calling(name: &'static str, params: usize, emit: Operation) -> Named {
    Named {
        name,
        params,
        is_call_free: false,
        emit,
    }
}

pub(crate) const ALL: &[Named] = &[
    free("load_field", 1, |s| {
        vec![s.emitter.load(
            s.b,
            s.params[0],
            Known::Nullable,
            Place::field(16, types::I64),
            Extension::None,
        )]
    }),
    free("load_packed", 1, |s| {
        let place = Place::field(9, types::I8);
        let signed = s
            .emitter
            .load(s.b, s.params[0], Known::Nullable, place, Extension::Signed);
        let unsigned = s
            .emitter
            .load(s.b, s.params[0], Known::NonNull, place, Extension::Unsigned);
        vec![signed, unsigned]
    }),
    free("load_far_field", 1, |s| {
        let place = Place::field(8192, types::I32);
        vec![
            s.emitter
                .load(s.b, s.params[0], Known::Nullable, place, Extension::None),
        ]
    }),
    free("load_beyond_guard", 1, |s| {
        let place = Place::field(1 << 20, types::I32);
        vec![
            s.emitter
                .load(s.b, s.params[0], Known::NonNull, place, Extension::None),
        ]
    }),
    free("store_field", 2, |s| {
        s.emitter.store(
            s.b,
            s.params[0],
            Known::Nullable,
            Place::field(8, types::I32),
            s.params[1],
        );
        vec![]
    }),
    free("store_ref", 2, |s| {
        let place = Place::reference(12);
        s.emitter.store_ref(
            s.b,
            &mut s.slow,
            s.params[0],
            Known::Nullable,
            place,
            s.params[1],
        );
        vec![]
    }),
    free("store_global", 1, |s| {
        s.emitter.store_barrier(s.b, &mut s.slow, s.params[0]);
        vec![]
    }),
    free("struct_new", 2, |s| {
        let (kept, stored) = (reference(s, 0), reference(s, 1));
        let live = [kept, stored];
        let node = s
            .emitter
            .struct_new(s.b, &mut s.frame, &live, &mut s.slow, new_struct(7, 16));
        let value = s.frame.value(s.b, stored);
        s.emitter.store_ref(
            s.b,
            &mut s.slow,
            node,
            Known::Fresh,
            Place::reference(8),
            value,
        );
        let kept = s.frame.value(s.b, kept);
        vec![node, kept]
    }),
    free("structs_new", 1, |s| {
        let stored = reference(s, 0);
        let mut structs = vec![new_struct(7, 16)];
        if s.emitter.folded_bytes() >= 40 {
            structs.push(new_struct(8, 24));
        }
        let objects = s
            .emitter
            .structs_new(s.b, &mut s.frame, &[stored], &mut s.slow, &structs);
        let mut value = s.frame.value(s.b, stored);
        for object in &objects {
            let place = Place::reference(8);
            s.emitter
                .store_ref(s.b, &mut s.slow, *object, Known::Fresh, place, value);
            value = *object;
        }
        objects.to_vec()
    }),
    free("array_new", 1, |s| array_new(s, s.params[0])),
    free("array_new_constant", 0, |s| {
        let length = s.b.ins().iconst(types::I32, 3);
        array_new(s, length)
    }),
    free("array_init_bytes", 2, |s| {
        let elements = Elements::new(types::I8);
        s.emitter
            .array_init(s.b, s.params[0], elements, s.params[1], s.params[1]);
        vec![]
    }),
    free("array_len", 1, |s| {
        vec![s.emitter.array_len(s.b, s.params[0], Known::Nullable)]
    }),
    free("array_load", 2, |s| {
        let elements = Elements::new(types::I64);
        let [array, index] = s.params[..] else {
            unreachable!()
        };
        vec![s.emitter.array_load(
            s.b,
            array,
            Known::Nullable,
            elements,
            index,
            Extension::None,
        )]
    }),
    free("array_load_packed", 2, |s| {
        let elements = Elements::new(types::I16);
        let [array, index] = s.params[..] else {
            unreachable!()
        };
        vec![s.emitter.array_load(
            s.b,
            array,
            Known::NonNull,
            elements,
            index,
            Extension::Signed,
        )]
    }),
    free("array_store", 3, |s| {
        let [array, index, value] = s.params[..] else {
            unreachable!()
        };
        let elements = Elements::new(types::I32);
        s.emitter.array_store(
            s.b,
            &mut s.slow,
            array,
            Known::Nullable,
            elements,
            index,
            value,
        );
        vec![]
    }),
    free("array_store_ref", 3, |s| {
        let [array, index, value] = s.params[..] else {
            unreachable!()
        };
        let elements = Elements::references();
        s.emitter.array_store(
            s.b,
            &mut s.slow,
            array,
            Known::Nullable,
            elements,
            index,
            value,
        );
        vec![]
    }),
    free("array_fill_refs", 4, |s| {
        let [array, index, count, value] = s.params[..] else {
            unreachable!()
        };
        let at = ArrayPosition {
            array,
            known: Known::Nullable,
            index,
        };
        s.emitter
            .array_fill(s.b, &mut s.slow, Elements::references(), at, count, value);
        vec![]
    }),
    calling("array_fill_bytes", 4, |s| {
        let [array, index, count, value] = s.params[..] else {
            unreachable!()
        };
        let at = ArrayPosition {
            array,
            known: Known::Nullable,
            index,
        };
        s.emitter
            .array_fill(s.b, &mut s.slow, Elements::new(types::I8), at, count, value);
        vec![]
    }),
    calling("array_copy", 5, |s| {
        let [array, index, from, start, count] = s.params[..] else {
            unreachable!()
        };
        let to = ArrayPosition {
            array,
            known: Known::Nullable,
            index,
        };
        let from = ArrayPosition {
            array: from,
            known: Known::Nullable,
            index: start,
        };
        s.emitter
            .array_copy(s.b, &mut s.slow, Elements::references(), to, from, count);
        vec![]
    }),
    free("i31", 1, |s| {
        let reference = s.emitter.i31_new(s.b, s.params[0]);
        let signed = s.emitter.i31_get_s(s.b, reference, Known::NonNull);
        let unsigned = s.emitter.i31_get_u(s.b, s.params[0], Known::Nullable);
        vec![reference, signed, unsigned]
    }),
    free("test_null", 1, |s| test(s, HeapType::Bottom, true)),
    free("test_any", 1, |s| test(s, HeapType::Top, false)),
    free("test_i31", 1, |s| test(s, HeapType::I31, true)),
    free("test_eq", 1, |s| test(s, HeapType::Eq, false)),
    free("test_struct", 1, |s| test(s, HeapType::Struct, false)),
    free("test_array", 1, |s| test(s, HeapType::Array, true)),
    free("test_final", 1, |s| {
        test(s, HeapType::Object(concrete(0, true)), false)
    }),
    free("test_display", 1, |s| {
        test(s, HeapType::Object(concrete(3, false)), true)
    }),
    free("test_deep", 1, |s| {
        test(s, HeapType::Object(concrete(8, false)), false)
    }),
    free("test_function", 1, |s| {
        test(s, HeapType::Function(concrete(1, false)), false)
    }),
    free("cast_final", 1, |s| {
        cast(s, HeapType::Object(concrete(0, true)), false)
    }),
    free("cast_display", 1, |s| {
        cast(s, HeapType::Object(concrete(3, false)), true)
    }),
    free("cast_struct", 1, |s| cast(s, HeapType::Struct, false)),
    free("function_final", 1, |s| {
        function(s, concrete(0, true), true)
    }),
    free("function_display", 1, |s| {
        function(s, concrete(2, false), false)
    }),
    free("function_deep", 1, |s| {
        function(s, concrete(9, false), false)
    }),
    calling("two_calls", 2, |s| {
        let (first, second) = (reference(s, 0), reference(s, 1));
        for live in [&[first, second][..], &[second][..]] {
            s.frame.call(s.b, live, |b| call(b, CALLEE, &[], None));
            s.emitter.after_call();
        }
        s.frame.kill(s.b, first);
        vec![s.frame.value(s.b, first), s.frame.value(s.b, second)]
    }),
];

fn concrete(depth: u32, is_final: bool) -> Concrete {
    Concrete {
        type_id: TypeId::from_bits(9),
        depth,
        is_final,
    }
}

const fn new_struct(type_id: u32, bytes: u32) -> NewStruct {
    NewStruct {
        type_id: TypeId::from_bits(type_id),
        bytes,
    }
}

/// Parameter `index` as a variable.
fn reference(s: &mut Scene<'_, '_>, index: usize) -> RefVar {
    let var = s.frame.declare(s.b);
    s.frame.set(s.b, var, s.params[index]);
    var
}

fn array_new(s: &mut Scene<'_, '_>, length: Value) -> Vec<Value> {
    let elements = Elements::new(types::I16);
    let array = s.emitter.array_new(
        s.b,
        &mut s.frame,
        &[],
        &mut s.slow,
        TypeId::from_bits(8),
        elements,
        length,
    );
    let zero = s.b.ins().iconst(types::I32, 0);
    s.emitter.array_init(s.b, array, elements, length, zero);
    vec![array]
}

fn test(s: &mut Scene<'_, '_>, heap_type: HeapType, nullable: bool) -> Vec<Value> {
    let target = CastTarget {
        nullable,
        heap_type,
    };
    vec![
        s.emitter
            .ref_test(s.b, &mut s.slow, s.params[0], CastSource::ANY, target),
    ]
}

fn cast(s: &mut Scene<'_, '_>, heap_type: HeapType, nullable: bool) -> Vec<Value> {
    let target = CastTarget {
        nullable,
        heap_type,
    };
    let source = CastSource {
        nullable: true,
        may_be_i31: false,
    };
    s.emitter
        .ref_cast(s.b, &mut s.slow, s.params[0], source, target);
    vec![s.params[0]]
}

fn function(s: &mut Scene<'_, '_>, signature: Concrete, is_typed: bool) -> Vec<Value> {
    let check = if is_typed {
        SignatureCheck::typed(signature)
    } else {
        SignatureCheck::indirect(signature)
    };
    let callee = s.emitter.function(s.b, &mut s.slow, s.params[0], check);
    vec![callee.code, callee.context]
}
