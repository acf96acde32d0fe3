//! A garbage-collected heap for people who build language runtimes.
//!
//! windrow gives a runtime one heap contract and interchangeable collectors behind it, chosen
//! when the program starts. Objects live in an indexed heap addressed by 32-bit references that
//! nobody has to trust: whatever bytes the heap holds, the host stays safe.
//!
//! ```
//! use windrow::{CollectionKind, CollectorKind, Config, FieldType, Store, StructType, ValType};
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
//! let object = store.alloc_struct(pair)?;
//! store.gc(CollectionKind::Full)?;
//! assert_eq!(store.type_of(&object), Some(pair));
//! # Ok::<(), windrow::Error>(())
//! ```
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
mod inspect;
mod value;
pub mod jit;
mod error;

pub use collectors::{CollectorKind, UnknownCollector};
pub use config::Config;
pub use error::Error;
pub use store::Store;
pub use value::{Ref, Val};
pub use windrow_core::{
    ArrayType, Bytes, CollectionKind, Collector, CompositeType, FieldType, FuncType, FunctionId,
    GrowthPolicy, HeapError, HeapLimits, HeapType, HostValue, MemoryKind, PauseHistogram,
    Properties, RefType, Statistics, StorageType, StructType, SubTypeDef, TypeError, TypeId,
    TypeInfo, TypeRegistry, TypeUse, UnknownMemory, ValType, Zeal,
};

#[cfg(feature = "tracing")]
pub use windrow_core::TracingListener;
pub use windrow_core::{
    BudgetGrown, CollectionEnded, CollectionStarted, Edge, EdgeSlot, EdgeStrength, EventListener,
    HeapExhausted, HeapObject, HeapSurvey, MemoryPool, PathStep, PhaseTimes, RetainingPath,
    RootKind, SnapshotError, SnapshotSummary, Usage,
};

/// The README's code, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
