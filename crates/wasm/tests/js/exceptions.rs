//! The tag of what JavaScript throws.

use super::{configs, unwinders};
use windrow::{Ref, Val};
use windrow_wasm::{Error, Exception, Linker, Module, js};

const THROWS: &str = r#"(module
    (import "WebAssembly" "JSTag" (tag $js (param externref)))
    (func (export "throw") (param externref) (throw $js (local.get 0))))"#;

const CATCHES: &str = r#"(module
    (import "WebAssembly" "JSTag" (tag $js (param externref)))
    (import "thrower" "throw" (func $throw (param externref)))
    (import "host" "throw" (func $host (param externref)))
    (tag $own (param externref))
    (func (export "catch") (param externref) (result externref)
        (block $wrong (result externref)
            (block $caught (result externref)
                (try_table (catch $own $wrong) (catch $js $caught)
                    (call $throw (local.get 0)))
                (unreachable))
            (return))
        (unreachable))
    (func (export "catch_host") (param externref) (result externref)
        (block $caught (result externref)
            (try_table (catch $js $caught) (call $host (local.get 0)))
            (unreachable))))"#;

/// Two instances, of two linkers at that, and the host share one tag.
#[test]
fn instances_of_a_store_share_the_tag_of_javascripts_exceptions() {
    for config in configs() {
        let engine = unwinders::engine(&config).unwrap();
        let compile = |text: &str| Module::new(&engine, text.as_bytes()).unwrap();
        let (throws, catches) = (compile(THROWS), compile(CATCHES));
        for _ in 0..2 {
            let mut store = engine.new_store().unwrap();
            let tag = js::exception_tag(&engine, &mut store).unwrap();
            let thrower = js::linker(&engine)
                .unwrap()
                .instantiate(&mut store, &throws)
                .unwrap();
            let mut linker = Linker::new(&engine);
            js::define_exception_tag(&mut linker);
            linker.define_instance(&mut store, "thrower", &thrower);
            let (ty, thrown) = (tag.ty().clone(), tag.clone());
            linker.define_func("host", "throw", ty, move |mut caller, args, _| {
                Err(Exception::new(caller.store(), &thrown, args)?.into())
            });
            let catcher = linker.instantiate(&mut store, &catches).unwrap();

            let text = Val::Ref(js::new_string(&mut store, "thrown").unwrap());
            for name in ["catch", "catch_host"] {
                let catch = catcher.func(&mut store, name).unwrap();
                let caught = catch.call(&mut store, std::slice::from_ref(&text)).unwrap();
                let [Val::Ref(caught)] = &caught[..] else {
                    panic!("a reference expected")
                };
                let string = js::string(&store, caught).unwrap().expect("a string");
                assert_eq!(string.to_string(), "thrown", "{name}");
            }

            let throw = thrower.func(&mut store, "throw").unwrap();
            let Err(Error::Exception(exception)) = throw.call(&mut store, &[Val::Ref(Ref::Null)])
            else {
                panic!("an exception expected")
            };
            let args = exception.args(&mut store, &tag).unwrap().expect("its tag");
            assert!(matches!(args[..], [Val::Ref(Ref::Null)]));
        }
    }
}
