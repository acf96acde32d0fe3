//! A WebAssembly engine whose heap is windrow's.
//!
//! An [`Engine`] is made from a store configuration; it compiles [`Module`]s, which a [`Linker`]
//! instantiates in stores made from the same configuration. Types and values are windrow's own.
//!
//! ```
//! use windrow::{Config, Val};
//! use windrow_wasm::{Engine, Linker, Module};
//!
//! let engine = Engine::new(&Config::new())?;
//! let module = Module::new(&engine, br#"
//!     (module (func (export "double") (param i32) (result i32)
//!         (i32.mul (local.get 0) (i32.const 2))))
//! "#)?;
//! let mut store = engine.new_store()?;
//! let instance = Linker::new(&engine).instantiate(&mut store, &module)?;
//! let double = instance.func(&mut store, "double").expect("the module exports it");
//! let results = double.call(&mut store, &[Val::I32(21)])?;
//! assert!(matches!(results[..], [Val::I32(42)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program is stopped by a [`Trap`], which says why and in which functions; the store stays
//! usable. The engine has core WebAssembly 1.0, multi-value, sign extension, saturating conversion,
//! bulk memory, reference types, extended constant expressions, typed function references, garbage
//! collection, tail calls, exceptions (the legacy form too), vectors and several memories. A module
//! that needs more is refused with the feature's name.

#[expect(
    unsafe_code,
    reason = "sets the words of a store that the engine trusts"
)]
mod attach;
pub mod bench;
mod builtins;
#[expect(unsafe_code, reason = "vouches for the unwind tables of placed code")]
mod code;
mod compile;
mod engine;
#[expect(unsafe_code, reason = "runs compiled code")]
mod enter;
mod env;
mod error;
mod exception;
#[expect(
    unsafe_code,
    reason = "adds host functions, with their addresses, to a store"
)]
mod func;
mod global;
#[expect(
    unsafe_code,
    reason = "turns what compiled code passes to the host into references"
)]
mod host_entry;
#[expect(
    unsafe_code,
    reason = "adds compiled functions, with their addresses, to a store"
)]
mod instance;
#[cfg(feature = "js")]
pub mod js;
mod segments;
mod interrupt;
mod linker;
#[expect(
    unsafe_code,
    reason = "pages from the system: linear memories and compiled code"
)]
mod mapping;
#[expect(
    unsafe_code,
    reason = "reads and writes linear memories, which compiled code does too"
)]
mod memory;
mod module;
mod options;
mod tools;
mod perf_map;
mod roots;
mod table;
mod tag;
mod translate;
mod trap;
mod value;
mod vmctx;
#[cfg(feature = "wasi")]
pub mod wasi;
#[cfg(feature = "wast")]
pub mod wast;

pub use engine::Engine;
pub use error::Error;
pub use exception::Exception;
pub use func::{Caller, Func, Results};
pub use global::{Global, GlobalType};
pub use instance::Instance;
pub use interrupt::{Deadline, InterruptHandle};
pub use linker::{Extern, Linker};
pub use memory::{Memory, MemoryType, WASM_PAGE_BYTES};
pub use module::{ExternType, Module};
pub use options::EngineOptions;
pub use table::{MAX_TABLE_ELEMENTS, Table, TableType};
pub use tag::Tag;
pub use trap::{Trap, TrapFrame, TrapKind};
pub use windrow_stack::Unwinder;
