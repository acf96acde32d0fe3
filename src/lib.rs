//! A garbage-collected heap for people who build language runtimes.
//!
//! windrow gives a runtime one heap contract and interchangeable collectors behind it, chosen
//! when the program starts. Objects live in an indexed heap addressed by 32-bit references that
//! nobody has to trust: whatever bytes the heap holds, the host stays safe.
//!
//! ```
//! use windrow::{CollectionKind, CollectorKind, Config, FieldType, ScopedVal, Store, StructRef, StructType, Val, ValType};
//!
//! // Choose a collector by enum, by name (`"copying".parse()`), or bring your own.
//! let config = Config::new().collector(CollectorKind::Copying);
//! let mut store = Store::new(&config)?;
//!
//! // A pair of an integer and a reference to anything.
//! let pair = store.types().register_struct(StructType::new([
//!     FieldType::mutable(ValType::I32),
//!     FieldType::mutable(ValType::ANYREF),
//! ]))?;
//!
//! // What the handles of a scope lead to stays alive, and they follow it where it moves.
//! let mut scope = store.scope();
//! let object = StructRef::new(&mut scope, pair, &[Val::I32(7), ScopedVal::NULL])?;
//! scope.gc(CollectionKind::Full)?;
//! assert_eq!(object.get(&mut scope, 0)?.as_i32(), Some(7));
//! # Ok::<(), windrow::Error>(())
//! ```
//!
//! The [`guide`] goes on from here: rooting, weak things, choosing a collector, inspection, JITs.
//!
//! Three doors, no type leaking from one to another:
//! - embedding a heap: [`Config`], [`Store`], types and values (this crate);
//! - writing a collector: the `windrow-core` crate, proved with `windrow-testkit`;
//! - writing a compiler: `windrow-cranelift` and `windrow-stack`, and [`jit`] for a store's
//!   mutator state, ABI and slow paths.

#![forbid(unsafe_code)]

mod collectors;
mod config;
mod store;
mod scope;
mod handle;
mod inspect;
mod value;
mod access;
mod field;
mod structs;
mod arrays;
mod externs;
mod exns;
mod weak;
mod no_gc;
mod value_stack;
pub mod jit;
mod error;
pub mod guide;

pub use collectors::{CollectorKind, UnknownCollector};
pub use config::Config;
pub use error::Error;
pub use externs::ExternError;
pub use field::{Field, FieldValue, RefField};
pub use handle::{
    AnyRef, ArrayRef, EqRef, ExnRef, ExternRef, I31, OwnedRooted, RefKind, Rooted, StructRef,
    SubKind,
};
pub use no_gc::{NoGc, Unrooted};
pub use scope::Scope;
pub use store::Store;
pub use value::{Ref, ScopedVal, Val};
pub use value_stack::{RootsKey, ValueStack};
pub use weak::{WeakMap, WeakRef};
pub use windrow_core::{
    ActivationList, ArrayType, Bytes, CollectionKind, CollectionReason, Collector, CompositeType,
    FieldType, FuncType, FunctionId, GcRef, GrowthPolicy, HeapCell, HeapError, HeapLimits,
    HeapType, HostValue, MemoryKind, ObjectRef, PauseHistogram, Properties, RefType, RootKind,
    RootSource, RootVisitor, Statistics, StorageType, StructType, SubTypeDef, TraceHost, TypeError,
    TypeId, TypeInfo, TypeRegistry, TypeUse, UnknownMemory, ValType, Zeal,
};

#[cfg(feature = "tracing")]
pub use windrow_core::TracingListener;
pub use windrow_core::{
    BudgetGrown, CollectionEnded, CollectionStarted, Edge, EdgeSlot, EdgeStrength, EventListener,
    HeapExhausted, HeapObject, HeapSurvey, MemoryPool, PathStep, PhaseTimes, RetainingPath,
    SnapshotError, SnapshotSummary, Usage,
};

/// A function of a store, or null. Functions live as long as their store and lie outside its heap, so
/// their references are numbers, with no root to keep.
pub type FuncRef = FunctionId;

/// The README's code, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
