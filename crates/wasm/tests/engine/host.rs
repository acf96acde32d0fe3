//! The host's side: functions, globals and tables that it makes, and several stores.

use crate::harness::{Program, engines};
use std::sync::{Arc, Mutex, OnceLock};
use windrow::{FuncType, HeapType, RefType, Store, Val, ValType};
use windrow_wasm::{
    Caller, Engine, Error, Func, Global, GlobalType, Linker, Module, Table, TableType, TrapKind,
};

#[test]
fn host_functions_nest_and_their_arguments_stay_alive() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (import "host" "again" (func $again (param i32 (ref $box)) (result i32 (ref null $box))))
        (func (export "down") (param $n i32) (result i32) (local $b (ref null $box)) (local $r (ref null $box))
            (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
            (local.set $b (struct.new $box (local.get $n)))
            (call $again (local.get $n) (ref.as_non_null (local.get $b)))
            (local.set $r)
            (i32.add (struct.get $box 0 (local.get $b)))
            (i32.add (struct.get $box 0 (local.get $r)))))"#;
    for engine in engines() {
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = engine.new_store().unwrap();
        let mut linker = Linker::new(&engine);
        let down: Arc<OnceLock<Func>> = Arc::default();
        let callee = Arc::clone(&down);
        let box_type = boxed(&engine);
        let object = RefType {
            nullable: false,
            heap_type: HeapType::Concrete(box_type),
        };
        let nullable = RefType {
            nullable: true,
            ..object
        };
        let ty = FuncType::new(
            [ValType::I32, ValType::Ref(object)],
            [ValType::I32, ValType::Ref(nullable)],
        );
        linker.define_func("host", "again", ty, move |mut caller, args, results| {
            let [Val::I32(n), argument] = args else {
                panic!("the types were checked")
            };
            caller
                .store()
                .gc(windrow::CollectionKind::Full)
                .map_err(Error::host)?;
            let inner = callee
                .get()
                .unwrap()
                .call(caller.store(), &[Val::I32(n - 1)])?;
            results[0] = inner[0].clone();
            results[1] = argument.clone();
            Ok(())
        });
        let instance = linker.instantiate(&mut store, &module).unwrap();
        down.set(instance.func(&mut store, "down").unwrap())
            .unwrap();
        let results = down
            .get()
            .unwrap()
            .call(&mut store, &[Val::I32(20)])
            .unwrap();
        assert!(matches!(results[..], [Val::I32(420)]), "{results:?}");
    }
}

/// The canonical id of `(struct (field i32))`.
fn boxed(engine: &Engine) -> windrow::TypeId {
    let field = windrow::FieldType::immutable(ValType::I32);
    engine
        .types()
        .register_struct(windrow::StructType::new([field]))
        .unwrap()
}

const CALLS_HOST: &str = r#"(module $caller
    (import "host" "f" (func $f (param i32)))
    (func $inner (param i32) (call $f (local.get 0)))
    (func (export "run") (param i32) (result i32) (call $inner (local.get 0)) (i32.const 7)))"#;

fn calling_host(
    engine: &Engine,
    f: impl Fn(Caller<'_>, i32) -> Result<(), Error> + Send + Sync + 'static,
) -> Program {
    let mut linker = Linker::new(engine);
    linker.define_func(
        "host",
        "f",
        FuncType::new([ValType::I32], []),
        move |caller, args, _| match args {
            [Val::I32(arg)] => f(caller, *arg),
            other => panic!("one i32 expected, not {other:?}"),
        },
    );
    let module = Module::new(engine, CALLS_HOST.as_bytes()).unwrap();
    let mut store = engine.new_store().unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    Program { store, instance }
}

#[test]
fn errors_and_panics_of_host_functions_come_through() {
    for engine in engines() {
        let mut program = calling_host(&engine, |_, arg| match arg {
            0 => Ok(()),
            1 => Err(Error::host("no ones")),
            _ => panic!("no more than one"),
        });
        assert_eq!(program.call("run", &[0]).unwrap(), 7);
        let error = program.call("run", &[1]).unwrap_err();
        assert!(
            matches!(error, Error::Host(_)) && error.to_string() == "no ones",
            "{error:?}"
        );
        let panic =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program.call("run", &[2])));
        assert_eq!(
            panic.unwrap_err().downcast_ref::<&str>(),
            Some(&"no more than one")
        );
        assert_eq!(program.call("run", &[0]).unwrap(), 7);
    }
}

#[test]
fn a_trap_inside_a_host_call_names_the_functions_on_both_sides() {
    let inner = r#"(module $callee (func $boom (export "boom") (unreachable)))"#;
    for engine in engines() {
        let callee: Arc<OnceLock<Func>> = Arc::default();
        let boom = Arc::clone(&callee);
        let mut program = calling_host(&engine, move |mut caller, _| {
            boom.get().unwrap().call(caller.store(), &[]).map(drop)
        });
        let module = Module::new(&engine, inner.as_bytes()).unwrap();
        let instance = Linker::new(&engine)
            .instantiate(&mut program.store, &module)
            .unwrap();
        callee
            .set(instance.func(&mut program.store, "boom").unwrap())
            .unwrap();
        let trap = program.trap("run", &[1]);
        assert_eq!(trap.kind, TrapKind::Unreachable);
        let names: Vec<_> = trap
            .frames
            .iter()
            .map(|frame| frame.function.as_str())
            .collect();
        assert_eq!(names, ["callee!boom", "caller!inner", "caller!function 2"]);
    }
}

#[test]
fn two_stores_call_each_other_through_one_module() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (import "host" "other" (func $other (param i32) (result i32)))
        (func (export "run") (param $n i32) (result i32) (local $b (ref null $box))
            (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
            (local.set $b (struct.new $box (local.get $n)))
            (i32.add (call $other (i32.sub (local.get $n) (i32.const 1)))
                (struct.get $box 0 (local.get $b)))))"#;
    struct Side {
        store: *mut Store,
        run: Func,
    }
    // SAFETY: the test runs on one thread.
    unsafe impl Send for Side {}
    for engine in engines() {
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let sides: [Arc<Mutex<Option<Side>>>; 2] = Default::default();
        let mut stores: Vec<Box<Store>> = (0..2)
            .map(|_| Box::new(engine.new_store().unwrap()))
            .collect();
        for (index, store) in stores.iter_mut().enumerate() {
            let other = Arc::clone(&sides[1 - index]);
            let mut linker = Linker::new(&engine);
            let ty = FuncType::new([ValType::I32], [ValType::I32]);
            linker.define_func("host", "other", ty, move |mut caller, args, results| {
                caller
                    .store()
                    .gc(windrow::CollectionKind::Full)
                    .map_err(Error::host)?;
                let (store, run) = other
                    .lock()
                    .unwrap()
                    .as_ref()
                    .map(|side| (side.store, side.run.clone()))
                    .unwrap();
                // SAFETY: the store is the box's, lent to the call that waits for this one.
                results[0] = run.call(unsafe { &mut *store }, args)?[0].clone();
                Ok(())
            });
            let instance = linker.instantiate(store, &module).unwrap();
            let run = instance.func(store, "run").unwrap();
            *sides[index].lock().unwrap() = Some(Side {
                store: &raw mut **store,
                run,
            });
        }
        let (store, run) = sides[0]
            .lock()
            .unwrap()
            .as_ref()
            .map(|side| (side.store, side.run.clone()))
            .unwrap();
        // SAFETY: as above.
        let results = run.call(unsafe { &mut *store }, &[Val::I32(20)]).unwrap();
        assert!(matches!(results[..], [Val::I32(210)]), "{results:?}");
    }
}

#[test]
fn host_globals_and_tables_hold_objects() {
    let text = r#"(module
        (import "host" "global" (global $g (mut anyref)))
        (import "host" "table" (table $t 2 anyref))
        (type $box (struct (field i32)))
        (func (export "fill") (result i32)
            (global.set $g (struct.new $box (i32.const 3)))
            (table.set $t (i32.const 1) (struct.new $box (i32.const 4)))
            (i32.const 0))
        (func (export "sum") (result i32)
            (drop (struct.new $box (i32.const 9)))
            (i32.add
                (struct.get $box 0 (ref.cast (ref $box) (global.get $g)))
                (struct.get $box 0 (ref.cast (ref $box) (table.get $t (i32.const 1)))))))"#;
    for engine in engines() {
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = engine.new_store().unwrap();
        let any = RefType::nullable(HeapType::Any);
        let null = Val::Ref(windrow::Ref::Null);
        let global_type = GlobalType {
            content: ValType::Ref(any),
            mutable: true,
        };
        let global = Global::new(&mut store, global_type, &null).unwrap();
        let table = Table::new(
            &mut store,
            TableType {
                element: any,
                initial: 2,
                max: None,
            },
            &null,
        )
        .unwrap();
        let mut linker = Linker::new(&engine);
        linker
            .define("host", "global", global.clone())
            .define("host", "table", table.clone());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let mut program = Program { store, instance };
        program.call("fill", &[]).unwrap();
        program.store.gc(windrow::CollectionKind::Full).unwrap();
        assert_eq!(program.call("sum", &[]).unwrap(), 7);
        let held = global.value(&mut program.store).unwrap();
        table.set(&mut program.store, 1, &held).unwrap();
        global.set(&mut program.store, &held).unwrap();
        assert_eq!(program.call("sum", &[]).unwrap(), 6);
        assert!(matches!(
            table.grow(&mut program.store, 2, &Val::I32(1)),
            Err(Error::ValueType { .. })
        ));
        assert_eq!(table.grow(&mut program.store, 2, &held).unwrap(), Some(2));
        assert!(matches!(
            table.element(&mut program.store, 4),
            Err(Error::Trap(_))
        ));
    }
}
