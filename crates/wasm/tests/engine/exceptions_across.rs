//! Exceptions that leave their program: across instances, host functions and stores.

use crate::harness::{Program, engines};
use std::sync::{Arc, Mutex, OnceLock};
use windrow::{ExternRef, FuncType, Store, Val, ValType};
use windrow_wasm::{Error, Exception, Func, Linker, Module, Tag};

/// Programs and a host function `again(n)` that calls `run(n - 1)` of another program, if there is
/// one, and passes on what it ends in.
fn host_again(linker: &mut Linker, next: &Arc<OnceLock<Func>>) {
    let ty = FuncType::new([ValType::I32], [ValType::I32]);
    let next = Arc::clone(next);
    linker.define_func("host", "again", ty, move |mut caller, args, results| {
        let [Val::I32(n)] = args else {
            panic!("one i32 expected")
        };
        let run = next.get().expect("set before the first call");
        let inner = run.call(caller.store(), &[Val::I32(n - 1)]);
        caller
            .store()
            .gc(windrow::CollectionKind::Full)
            .map_err(Error::host)?;
        results[0] = inner?[0].clone();
        Ok(())
    });
}

#[test]
fn exceptions_cross_host_frames_again_and_again() {
    // Every second level catches the exception, adds to its box, and throws it again.
    let text = r#"(module
        (type $box (struct (field (mut i32))))
        (import "host" "again" (func $again (param i32) (result i32)))
        (tag $t (export "tag") (param (ref $box)))
        (func $run (export "run") (param $n i32) (result i32)
            (local $kept (ref null $box)) (local $e exnref) (local $box (ref null $box))
            (local.set $kept (struct.new $box (local.get $n)))
            (if (i32.eqz (local.get $n)) (then (throw $t (struct.new $box (i32.const 1000)))))
            (if (i32.and (local.get $n) (i32.const 1)) (then (return (call $again (local.get $n)))))
            (block $caught (result (ref $box) exnref)
                (try_table (catch_ref $t $caught)
                    (return (call $again (local.get $n))))
                (unreachable))
            (local.set $e)
            (local.set $box)
            (drop (struct.new $box (i32.const 5)))
            (struct.set $box 0 (local.get $box) (i32.add
                (struct.get $box 0 (local.get $box)) (struct.get $box 0 (local.get $kept))))
            (throw_ref (local.get $e)))
        (func (export "catch") (param $n i32) (result i32)
            (block $caught (result (ref $box))
                (try_table (catch $t $caught) (return (call $run (local.get $n))))
                (unreachable))
            (struct.get $box 0)))"#;
    for engine in engines() {
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = engine.new_store().unwrap();
        let mut linker = Linker::new(&engine);
        let run = Arc::default();
        host_again(&mut linker, &run);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        run.set(instance.func(&mut store, "run").unwrap()).unwrap();
        let mut program = Program { store, instance };
        let sum = 1000 + 2 + 4 + 6 + 8 + 10;
        assert_eq!(program.call("catch", &[11]).unwrap(), sum);
        let error = program.call("run", &[11]).unwrap_err();
        let Error::Exception(exception) = &error else {
            panic!("an exception expected, not {error:?}");
        };
        assert!(error.to_string().starts_with("uncaught exception\n  0: "));
        assert_eq!(exception.frames.len(), 2, "{error}");
        program.store.gc(windrow::CollectionKind::Full).unwrap();
        let Some(windrow_wasm::Extern::Tag(tag)) =
            program.instance.export(&mut program.store, "tag")
        else {
            panic!("the tag is exported");
        };
        let args = exception.args(&mut program.store, &tag).unwrap().unwrap();
        assert!(matches!(&args[..], [Val::Ref(object)] if !object.is_null()));
    }
}

#[test]
fn the_host_makes_tags_and_exceptions() {
    let text = r#"(module
        (import "host" "tag" (tag $t (param externref i32 f64)))
        (import "host" "throw" (func $throw (param externref i32)))
        (func (export "catch") (param externref i32) (result externref i32 f64)
            (block $caught (result externref i32 f64)
                (try_table (catch $t $caught) (call $throw (local.get 0) (local.get 1)))
                (ref.null extern) (i32.const 0) (f64.const 0)))
        (func (export "pass") (param externref i32) (result i32)
            (call $throw (local.get 0) (local.get 1)) (i32.const 1))
        (func (export "own") (param externref i32) (result i32)
            (throw $t (local.get 0) (local.get 1) (f64.const 2))))"#;
    for engine in engines() {
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = engine.new_store().unwrap();
        let mut linker = Linker::new(&engine);
        let ty = FuncType::new([ValType::EXTERNREF, ValType::I32, ValType::F64], []);
        let tag = Tag::new(&engine, &mut store, &ty).unwrap();
        linker.define("host", "tag", tag.clone());
        let thrown = tag.clone();
        let params = FuncType::new([ValType::EXTERNREF, ValType::I32], []);
        linker.define_func("host", "throw", params, move |mut caller, args, _| {
            let half = Val::F64(0.5_f64.to_bits());
            let args = [args[0].clone(), args[1].clone(), half];
            match args[1] {
                Val::I32(0) => Ok(()),
                _ => Err(Exception::new(caller.store(), &thrown, &args)?.into()),
            }
        });
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let mut scope = store.scope();
        let host = ExternRef::new(&mut scope, 17_u32).unwrap();
        let host = Val::Ref(host.own(&mut scope).into());
        drop(scope);
        let is_host = |store: &Store, value: &Val| match value {
            Val::Ref(reference) => {
                let value = reference.host_value(store).unwrap();
                value.and_then(|value| value.downcast_ref::<u32>()) == Some(&17)
            }
            _ => false,
        };
        let catch = instance.func(&mut store, "catch").unwrap();
        let results = catch
            .call(&mut store, &[host.clone(), Val::I32(9)])
            .unwrap();
        assert!(is_host(&store, &results[0]) && matches!(results[1], Val::I32(9)));
        assert!(matches!(results[2], Val::F64(bits) if bits == 0.5_f64.to_bits()));
        let results = catch
            .call(&mut store, &[host.clone(), Val::I32(0)])
            .unwrap();
        assert!(matches!(results[1], Val::I32(0)));
        for (name, last) in [("pass", 0.5_f64), ("own", 2.0)] {
            let func = instance.func(&mut store, name).unwrap();
            let Err(Error::Exception(exception)) =
                func.call(&mut store, &[host.clone(), Val::I32(3)])
            else {
                panic!("{name} throws");
            };
            store.gc(windrow::CollectionKind::Full).unwrap();
            let args = exception.args(&mut store, &tag).unwrap().unwrap();
            assert!(is_host(&store, &args[0]) && matches!(args[1], Val::I32(3)));
            assert!(matches!(args[2], Val::F64(bits) if bits == last.to_bits()));
            let other = Tag::new(&engine, &mut store, &ty).unwrap();
            assert!(exception.args(&mut store, &other).unwrap().is_none());
        }
        assert!(matches!(
            Exception::new(&mut store, &tag, &[]),
            Err(Error::ArgumentCount { .. })
        ));
        let with_results = FuncType::new([], [ValType::I32]);
        assert!(Tag::new(&engine, &mut store, &with_results).is_err());
    }
}

#[test]
fn tags_are_imported_by_identity_and_type() {
    let makes = r#"(module
        (tag (export "t") (param i32))
        (tag (export "u") (param i32))
        (func (export "throw") (param i32) (throw 0 (local.get 0))))"#;
    let uses = r#"(module
        (import "m" "t" (tag $t (param i32)))
        (import "m" "u" (tag $u (param i32)))
        (import "m" "throw" (func $throw (param i32)))
        (func (export "run") (param i32) (result i32)
            (block $u (result i32)
                (block $t (result i32)
                    (try_table (catch $u $u) (catch $t $t) (call $throw (local.get 0)))
                    (return (i32.const 0)))
                (return (i32.add (i32.const 100))))
            (i32.add (i32.const 200))))"#;
    let wrong = r#"(module (import "m" "t" (tag (param i64))))"#;
    for engine in engines() {
        let compile = |text: &str| Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = engine.new_store().unwrap();
        let mut linker = Linker::new(&engine);
        let instance = linker.instantiate(&mut store, &compile(makes)).unwrap();
        linker.define_instance(&mut store, "m", &instance);
        assert!(matches!(
            linker.instantiate(&mut store, &compile(wrong)),
            Err(Error::ImportType { .. })
        ));
        let instance = linker.instantiate(&mut store, &compile(uses)).unwrap();
        let mut program = Program { store, instance };
        assert_eq!(program.call("run", &[5]).unwrap(), 105);
    }
}

/// One store's program and the way to call it.
struct Side {
    store: *mut Store,
    run: Func,
}
impl Side {
    fn call(&self, n: i32) -> Result<Val, Error> {
        // SAFETY: the store is a box of the test's, lent to the call that waits for this one.
        let store = unsafe { &mut *self.store };
        Ok(self.run.call(store, &[Val::I32(n)])?[0].clone())
    }
}

/// An exception of one store passes programs of another uncaught, and is caught in its own.
#[test]
fn exceptions_pass_through_other_stores() {
    let text = r#"(module
        (type $box (struct (field i32)))
        (import "host" "other" (func $other (param i32) (result i32)))
        (tag $t (param (ref $box)))
        (func (export "run") (param $n i32) (result i32)
            (if (i32.eqz (local.get $n)) (then (throw $t (struct.new $box (i32.const 50)))))
            (block $caught (result (ref $box))
                (try_table (catch $t $caught)
                    (return (call $other (i32.sub (local.get $n) (i32.const 1)))))
                (unreachable))
            (i32.add (struct.get $box 0) (local.get $n))))"#;
    for engine in engines() {
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut stores: Vec<Box<Store>> = (0..2)
            .map(|_| Box::new(engine.new_store().unwrap()))
            .collect();
        let pointers: Vec<*mut Store> = stores.iter_mut().map(|store| &raw mut **store).collect();
        let funcs: Arc<Mutex<Vec<Func>>> = Arc::default();
        for index in 0..2 {
            let other = 1 - index;
            let (funcs, pointer) = (Arc::clone(&funcs), pointers[other] as usize);
            let mut linker = Linker::new(&engine);
            let ty = FuncType::new([ValType::I32], [ValType::I32]);
            let callees = Arc::clone(&funcs);
            linker.define_func("host", "other", ty, move |_, args, results| {
                let [Val::I32(n)] = args else {
                    panic!("one i32 expected")
                };
                let run = callees.lock().unwrap()[other].clone();
                let side = Side {
                    store: pointer as *mut Store,
                    run,
                };
                results[0] = side.call(*n)?;
                Ok(())
            });
            let own = pointers[index];
            // SAFETY: nothing else uses the store now.
            let store = unsafe { &mut *own };
            let instance = linker.instantiate(store, &module).unwrap();
            funcs
                .lock()
                .unwrap()
                .push(instance.func(store, "run").unwrap());
        }
        let run = |index: usize, n: i32| {
            let run = funcs.lock().unwrap()[index].clone();
            let side = Side {
                store: pointers[index],
                run,
            };
            side.call(n)
        };
        // Thrown at 0 in the first store, passes 1 in the second, caught at 2 in the first.
        assert!(matches!(run(0, 2).unwrap(), Val::I32(52)));
        assert!(matches!(run(1, 4).unwrap(), Val::I32(52)));
        assert!(matches!(run(1, 1), Err(Error::Exception(_))));
    }
}
