//! Compiled code and the host do the same from the same data.
//!
//! One store allocates in compiled code, its twin through the host. After each object the words
//! they share with the collector agree, and so do the objects' headers and lengths.

use crate::harness::{Program, engines};
use windrow::{ArrayRef, ArrayType, FieldType, StorageType, StructRef, StructType, Val, ValType};

#[test]
fn host_and_compiled_code_allocate_alike() {
    let text = r#"(module
        (type $small (struct (field i32)))
        (type $large (struct (field i64 i64 i64 i64 i64)))
        (type $bytes (array (mut i8)))
        (func (export "small") (result anyref) (struct.new $small (i32.const 7)))
        (func (export "large") (result anyref) (struct.new_default $large))
        (func (export "bytes") (param i32) (result anyref)
            (array.new_default $bytes (local.get 0))))"#;
    for engine in engines() {
        let mut program = Program::new(&engine, text);
        let mut twin = engine.new_store().unwrap();
        let types = engine.types();
        let small = [FieldType::immutable(ValType::I32)];
        let small = types.register_struct(StructType::new(small)).unwrap();
        let large = vec![FieldType::immutable(ValType::I64); 5];
        let large = types.register_struct(StructType::new(large)).unwrap();
        let bytes = ArrayType::new(FieldType::mutable(StorageType::I8));
        let bytes = types.register_array(bytes).unwrap();
        for round in 0..20_000_u32 {
            let length = round * 37 % 3000;
            let mut scope = twin.scope();
            let (name, args) = match round % 3 {
                0 => ("small", vec![]),
                1 => ("large", vec![]),
                _ => ("bytes", vec![Val::I32(length.cast_signed())]),
            };
            let made = match name {
                "bytes" => ArrayRef::new_default(&mut scope, bytes, length)
                    .unwrap()
                    .to_any(),
                "small" => StructRef::new_default(&mut scope, small).unwrap().to_any(),
                _ => StructRef::new_default(&mut scope, large).unwrap().to_any(),
            };
            let function = program.instance.func(&mut program.store, name).unwrap();
            let results = function.call(&mut program.store, &args).unwrap();
            let Val::Ref(compiled) = &results[0] else {
                panic!("{name} returns a reference")
            };
            let (ours, theirs) = (program.store.isolate().state(), scope.isolate().state());
            assert_eq!(
                (ours.cursor, ours.limit),
                (theirs.cursor, theirs.limit),
                "after {name}, round {round}"
            );
            assert_eq!(program.store.type_of(compiled), made.type_id(&scope));
            if name == "bytes" {
                let array = made.cast::<ArrayRef>(&scope).unwrap();
                assert_eq!(array.len(&scope), length);
                let array = program.store.resolve(compiled).as_object().unwrap();
                assert_eq!(program.store.isolate().array_len(array), length);
            }
        }
        let (ours, theirs) = (program.store.stats(), twin.stats());
        assert_eq!(ours.allocated_bytes, theirs.allocated_bytes);
        assert_eq!(ours.collections(), theirs.collections());
    }
}
