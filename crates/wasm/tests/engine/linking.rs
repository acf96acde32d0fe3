//! Modules before they run: what is refused, and what fits together.

use crate::unwinders;
use windrow::{Config, FuncType, HeapType, RefType, Val, ValType};
use windrow_wasm::{
    Engine, Error, Func, Global, GlobalType, Instance, Linker, Memory, MemoryType, Module, Table,
};

#[test]
fn imports_are_checked_by_name_and_type() {
    let engine = unwinders::engine(&Config::new()).unwrap();
    let mut store = engine.new_store().unwrap();
    let linker = Linker::new(&engine);
    let wants = |text: &str| Module::new(&engine, text.as_bytes()).unwrap();
    let function = wants(r#"(module (import "a" "b" (func (param i32) (result i64))))"#);
    let error = linker
        .instantiate(&mut store, &function)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        r#"the import "a" "b" is missing: define it as (func (param i32) (result i64))"#
    );

    let mut linker = linker.clone();
    linker.define_func(
        "a",
        "b",
        FuncType::new([ValType::I32], [ValType::I32]),
        |_, _, _| Ok(()),
    );
    let error = linker.instantiate(&mut store, &function).unwrap_err();
    assert!(matches!(error, Error::ImportType { .. }), "{error}");

    let memory = Memory::new(
        &mut store,
        MemoryType {
            initial_pages: 1,
            max_pages: Some(4),
        },
    )
    .unwrap();
    linker.define("a", "m", memory);
    assert!(
        linker
            .instantiate(
                &mut store,
                &wants(r#"(module (import "a" "m" (memory 1 4)))"#)
            )
            .is_ok()
    );
    assert!(
        linker
            .instantiate(
                &mut store,
                &wants(r#"(module (import "a" "m" (memory 2)))"#)
            )
            .is_err()
    );
    assert!(
        linker
            .instantiate(
                &mut store,
                &wants(r#"(module (import "a" "m" (memory 1 3)))"#)
            )
            .is_err()
    );

    let i31 = ValType::Ref(RefType::non_null(HeapType::I31));
    let global = GlobalType {
        content: i31,
        mutable: false,
    };
    let global = Global::new(&mut store, global, &Val::Ref(windrow::Ref::I31(3))).unwrap();
    linker.define("a", "g", global.clone());
    assert!(
        linker
            .instantiate(
                &mut store,
                &wants(r#"(module (import "a" "g" (global anyref)))"#)
            )
            .is_ok()
    );
    assert!(
        linker
            .instantiate(
                &mut store,
                &wants(r#"(module (import "a" "g" (global (mut anyref))))"#)
            )
            .is_err()
    );
    assert!(matches!(
        global.set(&mut store, &Val::Ref(windrow::Ref::Null)),
        Err(Error::Immutable)
    ));

    let mut other = engine.new_store().unwrap();
    let error = linker
        .instantiate(
            &mut other,
            &wants(r#"(module (import "a" "m" (memory 1)))"#),
        )
        .unwrap_err();
    assert!(matches!(error, Error::WrongStore { .. }), "{error}");
    let foreign = unwinders::engine(&Config::new()).unwrap();
    let mut foreign = foreign.new_store().unwrap();
    assert!(matches!(
        linker.instantiate(&mut foreign, &function),
        Err(Error::WrongEngine)
    ));
}

#[test]
fn bad_modules_are_refused_with_a_reason() {
    let engine = unwinders::engine(&Config::new()).unwrap();
    let refuse = |bytes: &[u8]| Module::new(&engine, bytes).unwrap_err();
    assert!(matches!(refuse(b""), Error::Empty));
    assert!(matches!(refuse(b"\0asm\x01\0\0"), Error::Invalid { .. }));
    assert!(matches!(
        refuse(b"\0asm\x01\0\0\0\x01\xff"),
        Error::Invalid { .. }
    ));
    assert!(matches!(
        refuse(&[0xff, 0xfe, 0x00, 0x80]),
        Error::Invalid { .. }
    ));
    assert!(matches!(refuse(b"(module (func"), Error::Text { .. }));
    assert!(matches!(
        refuse(b"(module (func (result i32)))"),
        Error::Invalid { .. }
    ));
    for (text, feature) in [
        ("(module (memory 1 1 shared))", "threads"),
        (
            "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
            "threads",
        ),
        ("(module (memory i64 1))", "memory64"),
        ("(component)", "the component model"),
    ] {
        match refuse(text.as_bytes()) {
            Error::Unsupported { feature: named, .. } => {
                assert!(named.starts_with(feature), "{named} for {text}")
            }
            other => panic!("{text} is refused as unsupported, not as {other:?}"),
        }
    }
}

#[test]
fn code_lives_as_long_as_it_can_run() {
    let engine = unwinders::engine(&Config::new()).unwrap();
    let mut store = engine.new_store().unwrap();
    for round in 0..50 {
        let text = format!(r#"(module (func (export "f") (result i32) (i32.const {round})))"#);
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &module)
            .unwrap();
        let f = instance.func(&mut store, "f").unwrap();
        drop((module, instance));
        assert!(matches!(f.call(&mut store, &[]).unwrap()[..], [Val::I32(n)] if n == round));
    }
}

#[test]
fn handles_may_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<(
        Engine,
        Module,
        Linker,
        Instance,
        Func,
        Global,
        Memory,
        Table,
        Error,
    )>();
}

#[test]
fn damaged_binaries_are_errors_or_modules_and_never_panics() {
    let text = r#"(module
        (type $t (sub (struct (field i32) (field (mut (ref null $t))))))
        (import "a" "b" (func (param i32)))
        (memory 1) (table 2 (ref null $t) (struct.new_default $t))
        (global $g (mut (ref null $t)) (struct.new $t (i32.const 1) (ref.null $t)))
        (elem declare func $f) (data "abc")
        (func $f (export "f") (param i32) (result (ref null $t))
            (call 0 (local.get 0))
            (global.set $g (struct.new $t (local.get 0) (global.get $g)))
            (global.get $g)))"#;
    let engine = unwinders::engine(&Config::new()).unwrap();
    let binary = wat::parse_str(text).unwrap();
    Module::new(&engine, &binary).unwrap();
    for len in 0..binary.len() {
        // A prefix that ends between sections may be a module; a shorter one is none.
        let _ = Module::new(&engine, &binary[..len]);
    }
    assert!(matches!(
        Module::new(&engine, &binary[..binary.len() - 1]),
        Err(Error::Invalid { .. })
    ));
    for at in 8..binary.len() {
        for flip in [0x01, 0x40, 0x80, 0xff] {
            let mut damaged = binary.clone();
            damaged[at] ^= flip;
            if let Ok(module) = Module::new(&engine, &damaged) {
                let mut store = engine.new_store().unwrap();
                let _ = Linker::new(&engine).instantiate(&mut store, &module);
            }
        }
    }
}
