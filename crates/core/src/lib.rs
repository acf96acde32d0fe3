//! The heap contract, the untrusted heap and the collection driver.
//!
//! This crate is everything a collector is written against and everything the layers above share:
//! references and headers, canonical types and their shapes, the two memories, the mutator state
//! and the ABI that describe a collector to a compiler, root sources, and the [`Isolate`] that
//! drives allocate -> collect -> grow -> retry. It knows no collector by name and no compiler.

mod gc_ref;
mod header;
mod types;
mod layout;
mod shape;
mod registry;
#[expect(
    unsafe_code,
    reason = "the two memories and the state block: raw access to the reservation"
)]
mod memory;
mod mutator;
mod activation;
mod abi;
mod ahead;
mod roots;
mod collector;
mod trace;
#[expect(
    unsafe_code,
    reason = "tables of zeros that the system makes when they are touched, or refuses"
)]
mod side_table;
mod log_bits;
mod watched;
mod pages;
mod chunks;
mod large;
mod functions;
mod handles;
#[expect(
    unsafe_code,
    reason = "one allocation for a value and its count, behind a thin pointer"
)]
mod host_value;
mod host_cell;
mod host_data;
mod weak;
mod sizing;
mod stats;
mod zeal;
mod events;
#[cfg(feature = "tracing")]
mod tracing_listener;
#[cfg(feature = "serde")]
mod serialize;
#[cfg_attr(
    all(target_arch = "x86_64", not(miri)),
    expect(unsafe_code, reason = "an instruction that does nothing but hint")
)]
mod prefetch;
mod survey;
mod why;
mod snapshot;
mod isolate;
mod error;

pub use abi::{Addressing, AllocSpec, CodeAbi, MutatorAbi, WriteBarrier};
pub use activation::{Activation, Activations, ActivationsAside};
pub use ahead::Ahead;
pub use chunks::ChunkPool;
pub use collector::{
    AllocError, CollectionClient, CollectionKind, CollectionReason, Collector, GcHeap, HeapContext,
    Properties, Usage, Violation, WeakPhase,
};
pub use error::{Bytes, Corruption, HeapError};
pub use events::{
    BudgetGrown, CollectionEnded, CollectionStarted, EventListener, HeapExhausted, PhaseTimes,
};
pub use functions::{FunctionEntry, FunctionId, FunctionTable};
pub use gc_ref::{FIRST_OBJECT_OFFSET, GcRef, I31_MAX, I31_MIN, ObjectRef};
pub use handles::{Handles, OwnedHandle, ScopeMark, ScopedHandle};
pub use header::{
    ARRAY_LENGTH_OFFSET, EXN_PAYLOAD_OFFSET, EXN_TAG_OFFSET, GC_WORD_OFFSET, HEADER_BYTES, Header,
    OBJECT_ALIGN, TYPE_ID_BITS, TypeId, load_ref,
};
pub use host_cell::{HeapCell, TraceHost};
pub use host_data::HostData;
pub use host_value::HostValue;
pub use isolate::{ExternError, Isolate, IsolateConfig, IsolateId, NewObject, NewSlots, NoGc};
pub use large::LargeObjects;
pub use layout::MAX_STRUCT_FIELDS;
pub use log_bits::LogBits;
pub use memory::{
    Checked, GUARD_BYTES, Guarded, HEAP_END, HeapMemory, Memory, MemoryKind, MemoryPool,
    PAGE_BYTES, StateBlock, UnknownMemory,
};
pub use mutator::{MutatorState, StateOffset};
pub use pages::PageSpace;
pub use registry::{MAX_SUBTYPE_DEPTH, TypeError, TypeInfo, TypeRegistry};
pub use roots::{ActivationList, RootKind, RootSource, RootVisitor};
pub use shape::{DISPLAY_DEPTH, Display, Shape, ShapeKind, TypeTables};
pub use side_table::{SideTable, TableEntry};
pub(crate) use sizing::Pace;
pub use sizing::{GrowthPolicy, HeapLimits};
pub use snapshot::{SnapshotError, SnapshotSummary};
pub use stats::{PauseHistogram, Statistics};
pub use survey::{Edge, EdgeSlot, EdgeStrength, HeapObject, HeapSurvey};
pub use trace::{
    Slots, dies_in_collections_only, object_bytes, slots, slots_of_known_size, visit_objects,
};
#[cfg(feature = "tracing")]
pub use tracing_listener::TracingListener;
pub use types::{
    ArrayType, CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, StructType,
    SubTypeDef, TypeUse, ValType,
};
pub use watched::Watched;
pub use weak::{WeakHandle, WeakMapHandle};
pub use why::{PathStep, RetainingPath};
pub use zeal::Zeal;
