//! A model heap, random mutators and the checks that prove a collector.
//!
//! A [`TestCase`] is plain data: the types of a heap, its sizes, and what a mutator does to it.
//! [`check`] carries a case out on a collector's heap and, in lock-step, on a model heap that is
//! too simple to be wrong, and compares the two after each collection; [`prove`] does so with many
//! random cases and makes the smallest one that fails. [`strategy`] makes the cases, for tests and
//! fuzzers of your own.
//!
//! All it takes to prove a collector of your own:
//!
//! ```
//! use std::sync::Arc;
//! use windrow_core::Collector;
//! use windrow_testkit::{Effort, prove};
//! # use windrow_null::NullCollector as MyCollector;
//!
//! let collector: Arc<dyn Collector> = Arc::new(MyCollector);
//! if let Err(counterexample) = prove(&collector, Effort::from_environment(20)) {
//!     panic!("{counterexample}");
//! }
//! ```
//!
//! And all it takes to prove that corruption of the heap leaves the host safe: [`prove_untrusted`],
//! the same way. There random cases are harmed in the middle of what they do ([`CorruptCase`],
//! [`withstand`]), and the mutator believes what it finds.
//!
//! The model knows nothing of windrow: not its layouts, which it works out from the contract by
//! itself, nor its shapes. Random cases allocate structs (wide ones too), arrays (empty, packed,
//! large, absurd) and host values, read and write, copy with overlap, fill, root in every kind of
//! root, hit limits and ask for collections, on both memories, with zeal and without.

#![forbid(unsafe_code)]

mod case;
mod damage;
mod schema;
mod model;
mod ledger;
mod mutator;
mod run;
mod compare;
mod check;
mod guest;
mod withstand;
mod failure;
mod prove;
mod recorder;
mod failing;
pub mod conformance;
pub mod strategy;
#[cfg(feature = "arbitrary")]
mod from_bytes;

pub use case::{
    Body, CELLS, CaseConfig, Field, Init, Kind, MAX_CALLS, MAX_VALUES, MemoryChoice, Pick, STATICS,
    Step, Target, TestCase, TypeDecl, VARIABLES, WeakStep,
};
pub use check::{Figures, check, check_together};
pub use damage::{CorruptCase, Damage, Forged, Harm, Look};
pub use failing::Failing;
pub use failure::{Counterexample, Failure};
pub use prove::{Effort, prove, prove_untrusted};
pub use recorder::Recorder;
pub use withstand::{Endured, withstand};
