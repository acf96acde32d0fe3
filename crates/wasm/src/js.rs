//! What modules compiled for a JavaScript host import: its strings, and a little of the rest.
//!
//! A string is a host value, a [`JsString`], that an `externref` stands for. Its functions take raw
//! references and are called without the handles that other host functions get, as programs call
//! them by the million; the host memory strings take counts towards when the heap is collected.
//!
//! - [`define_string_builtins`]: the builtins of `wasm:js-string`, as WebAssembly's JavaScript
//!   interface has them.
//! - [`define_string_constants`]: imported globals whose names are the strings.
//! - [`define_j2cl`]: what the J2CL compiler (Java) imports, its constants included.
//! - [`define_exception_tag`]: the tag of what JavaScript throws.
//!
//! ```
//! use windrow::{Config, Val};
//! use windrow_wasm::{Engine, Linker, Module, js};
//!
//! let engine = Engine::new(&Config::new())?;
//! let module = Module::new(&engine, br#"(module
//!     (import "'" "hay" (global $hay (ref extern)))
//!     (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
//!     (func (export "len") (result i32) (call $length (global.get $hay))))"#)?;
//! let mut linker = Linker::new(&engine);
//! js::define_string_builtins(&mut linker)?;
//! js::define_string_constants(&mut linker, "'");
//! let mut store = engine.new_store()?;
//! let instance = linker.instantiate(&mut store, &module)?;
//! let len = instance.func(&mut store, "len").expect("the module exports it");
//! assert!(matches!(len.call(&mut store, &[])?[..], [Val::I32(3)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtins;
mod constants;
mod j2cl;
mod numbers;
mod regexp;
mod slots;
mod string;

pub use builtins::define_string_builtins;
pub use constants::{DEFAULT_CONSTANTS_MODULE, define_string_constants};
pub use j2cl::define_j2cl;
pub use string::JsString;

use crate::engine::Engine;
use crate::error::Error;
use crate::linker::Linker;
use crate::tag::Tag;
use windrow::{ExternRef, FuncType, HeapType, HostValue, Ref, RefType, Store, ValType};

/// A linker that has all of this module, string constants under [`DEFAULT_CONSTANTS_MODULE`].
///
/// # Errors
/// [`Error::Heap`] where types run out.
pub fn linker(engine: &Engine) -> Result<Linker, Error> {
    let mut linker = Linker::new(engine);
    define_string_builtins(&mut linker)?;
    define_string_constants(&mut linker, DEFAULT_CONSTANTS_MODULE);
    define_j2cl(&mut linker);
    Ok(linker)
}

/// Whether [`linker`] defines names of this module: if one of them is missing, the module that asks
/// for it was compiled for a JavaScript host.
#[must_use]
pub fn provides(module: &str) -> bool {
    let modules = [
        builtins::MODULE,
        DEFAULT_CONSTANTS_MODULE,
        constants::J2CL_MODULE,
        j2cl::MODULE,
        TAG_MODULE,
    ];
    modules.contains(&module)
}

/// The module name of the exceptions' tag.
const TAG_MODULE: &str = "WebAssembly";

/// Defines `WebAssembly.JSTag`: [`exception_tag`].
pub fn define_exception_tag(linker: &mut Linker) {
    let engine = linker.engine().clone();
    linker.define_with(TAG_MODULE, move |store, _, name, _| match name {
        "JSTag" => Ok(Some(exception_tag(&engine, store)?.into())),
        _ => Ok(None),
    });
}

/// The tag of what JavaScript throws: one external reference. It is the same tag for all instances
/// of a store, so that one catches what another throws.
///
/// # Errors
/// [`Error::WrongEngine`], [`Error::Heap`] where types run out.
pub fn exception_tag(engine: &Engine, store: &mut Store) -> Result<Tag, Error> {
    Tag::of_javascript(engine, store)
}

/// Puts a string into a store's heap.
///
/// # Errors
/// [`Error::Heap`] where the heap is full.
pub fn new_string(store: &mut Store, string: impl Into<JsString>) -> Result<Ref, Error> {
    let string = string.into();
    let bytes = string.bytes();
    let mut scope = store.scope();
    let made = ExternRef::from_host_value(&mut scope, HostValue::new(string), bytes);
    let made = made.map_err(|refused| Error::Heap(refused.error))?;
    Ok(made.own(&mut scope).into())
}

/// The string a reference stands for, or `None` if it stands for none.
///
/// # Errors
/// [`Error::WrongStore`]; [`Error::Heap`] where the heap's bytes were tampered with.
pub fn string<'a>(store: &'a Store, reference: &Ref) -> Result<Option<&'a JsString>, Error> {
    let raw = store
        .try_resolve(reference)
        .map_err(|_| Error::WrongStore {
            what: "the reference",
        })?;
    let Some(object) = raw.as_object() else {
        return Ok(None);
    };
    let value = store.isolate().host_value(object)?;
    Ok(value.and_then(|value| value.downcast_ref()))
}

/// The type of a string that is there.
const STRING: ValType = ValType::Ref(RefType::non_null(HeapType::Extern));

/// The type of a string that may be null.
const NULLABLE: ValType = ValType::EXTERNREF;

fn func<const P: usize, const R: usize>(params: [ValType; P], results: [ValType; R]) -> FuncType {
    FuncType::new(params, results)
}
