//! The compiler writer's door: a store's mutator state, ABI and slow paths.
//!
//! Compiled code is emitted from a [`CodeAbi`], which says how to allocate, what a store of a
//! reference owes and how the heap is addressed, and runs with the state pointer of an
//! [`Isolate`] ([`Store::isolate_mut`](crate::Store::isolate_mut)). Its slow paths call back into
//! the isolate: [`Isolate::alloc_struct_uninit`], [`Isolate::alloc_array_uninit`],
//! [`Isolate::write_barrier`]. The `windrow-cranelift` crate emits all of this as CLIF and
//! `windrow-stack` finds the roots in its frames; `examples/jit.rs` shows the whole path.

pub use windrow_core::{
    ARRAY_LENGTH_OFFSET, Activation, ActivationList, Activations, ActivationsAside, Addressing,
    AllocSpec, CodeAbi, Corruption, EXN_PAYLOAD_OFFSET, EXN_TAG_OFFSET, ExternError,
    FIRST_OBJECT_OFFSET, FunctionEntry, FunctionId, GUARD_BYTES, GcRef, HEADER_BYTES, Isolate,
    MutatorAbi, MutatorState, ObjectRef, OwnedHandle, RootKind, RootSource, RootVisitor, ScopeMark,
    ScopedHandle, Shape, ShapeKind, StateOffset, TypeTables, WriteBarrier,
};
