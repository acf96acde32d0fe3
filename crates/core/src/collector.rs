//! The contract between collectors and everything else: [`Collector`] and [`GcHeap`].
//!
//! A collector is an algorithm: a name, a description, an ABI known before any heap exists, and a
//! maker of heaps. A heap is one isolated instance. Both traits are small, dyn-safe and open to
//! other crates. Dynamic dispatch is crossed once per slow path or collection, never per edge.

use crate::stats::Statistics;
use crate::{
    AllocSpec, Corruption, GcRef, HeapError, HeapLimits, HeapMemory, LogBits, MutatorAbi,
    MutatorState, ObjectRef, RootVisitor, TypeTables, Watched, WriteBarrier, Zeal,
};
use std::fmt;

/// What a person choosing a collector wants to know.
#[derive(Clone, Copy, Debug)]
pub struct Properties {
    /// What it does, in one line.
    pub summary: &'static str,
    /// Whether it reclaims anything at all.
    pub collects: bool,
    /// Whether it reclaims cycles.
    pub reclaims_cycles: bool,
    /// What its pauses follow, in a few words.
    pub pauses: &'static str,
}

/// An algorithm that makes heaps.
pub trait Collector: fmt::Debug + Send + Sync {
    /// The name it is chosen by: lower case, unique among the collectors at hand.
    fn name(&self) -> &'static str;

    /// What it is good for.
    fn properties(&self) -> Properties;

    /// How compiled code allocates and what it owes on stores. Always the same answer.
    fn abi(&self) -> MutatorAbi;

    /// Makes an empty heap in `cx`'s memory, within `limits`.
    ///
    /// # Errors
    /// [`HeapError::HeapFull`] where the limit does not hold the collector's smallest heap.
    fn new_heap(
        &self,
        cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError>;
}

/// What the driver lends a heap for the length of one call.
#[derive(Debug)]
pub struct HeapContext<'a> {
    /// The sandbox.
    pub memory: &'a mut HeapMemory,
    /// The words shared with compiled code.
    pub state: &'a mut MutatorState,
    /// Shapes by type id.
    pub types: &'a TypeTables,
    /// Where the heap counts what it did.
    pub stats: &'a mut Statistics,
    /// Which slots owe a barrier of the log form.
    pub log_bits: &'a mut LogBits,
    /// Which objects the weak phase wants to hear of.
    pub watched: &'a Watched,
    /// How hard to test.
    pub zeal: Zeal,
}

/// Which collection is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum CollectionKind {
    /// Whatever the collector thinks best against running out.
    Automatic,
    /// Everything unreachable is reclaimed, cycles included (where the collector can).
    Full,
}

/// Why a collection began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum CollectionReason {
    /// Somebody asked for it.
    Requested,
    /// An allocation found no room.
    Allocation,
    /// Host values had outgrown their budget.
    HostValues,
    /// Zeal: it was this allocation's turn.
    Zeal,
}

/// Why an allocation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AllocError {
    /// The budget is spent. A collection, or a larger budget, may help.
    Exhausted,
    /// Something trusted the heap's bytes could not be trusted with.
    Corrupt(Corruption),
}

/// How much a heap holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Usage {
    /// Bytes in objects, dead ones not yet reclaimed included.
    pub occupied_bytes: u64,
    /// Bytes of memory handed out by the heap's own accounts, reserve for copying included: what
    /// the hard limit limits.
    pub committed_bytes: u64,
}

/// The rest of the isolate as a collection sees it.
pub trait CollectionClient {
    /// Shows every root to `visitor`. Call it once, first.
    ///
    /// # Errors
    /// Where compiled frames cannot be followed; give up the collection and return the error.
    fn visit_roots(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), HeapError>;

    /// The weak phase: to be called once, after the closure of the roots is complete and before
    /// anything is reclaimed. It keeps more alive through `heap`, which is complete again when this
    /// returns: what is no survivor then is dead.
    ///
    /// # Errors
    /// What `heap` said; give up the collection and return it.
    fn process_weak(&mut self, heap: &mut dyn WeakPhase) -> Result<(), HeapError>;
}

/// A heap in the weak phase: it answers what is alive, and keeps more alive.
///
/// What hangs on whether an object is alive (host values, weak references, weak maps, finalizers) is
/// no business of a heap's. It is asked about objects and shown references, in any order:
///
/// - **Show**, as a [`RootVisitor`]: keeps an object alive and replaces the reference, as for a root,
///   each slot once in a collection. The object is a survivor at once; what it leads to may become one
///   with the next `trace` only.
/// - **[`Self::settle`]**, once, when all was shown that hangs on what the roots lead to.
/// - After that, unless that was final, objects found dead may be shown, and live again with all they
///   lead to.
///
/// Called dynamically, once for each thing that asks; never for an edge of the heap.
pub trait WeakPhase: RootVisitor {
    /// Where `object`, which lay there before the collection, is now; `None` if nothing that was
    /// shown or traced leads to it.
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef>;

    /// Completes the closure of what was shown since the last time.
    ///
    /// Adds to `reached` each [watched](HeapContext::watched) object that became a survivor since the
    /// weak phase began, or since the last call, by where it lay before the collection. A heap may
    /// leave out some, or all: then the phase asks for each object again, and takes longer.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`].
    fn trace(&mut self, reached: &mut Vec<ObjectRef>) -> Result<(), HeapError>;

    /// Everything is shown that anything alive leads to: from here on what is no survivor is dead.
    /// If that `is_final`, none of the dead will be shown any more, and they may be reclaimed right
    /// away. For heaps that know the dead by more than what was not reached, say by counts that are
    /// taken away only now. Does nothing by default.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`].
    fn settle(&mut self, is_final: bool) -> Result<(), HeapError> {
        let _ = is_final;
        Ok(())
    }
}

/// A fault found by [`GcHeap::verify`] in a heap's own accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation(pub String);

/// One heap.
///
/// A heap keeps what it must trust (block tables, cursors, mark bits) outside the sandbox, and
/// believes nothing it reads inside it. A method that returns an error leaves the heap safe to
/// drop; after [`HeapError::Corrupt`] the driver calls nothing else.
pub trait GcHeap: Send {
    /// Allocates `bytes` (a multiple of eight, header included) and writes `header`. The body is
    /// not initialised: the caller writes every field before the next safepoint. Where objects are
    /// bumped in line ([`AllocSpec::Bump`](crate::AllocSpec::Bump)) it may make several of them, side
    /// by side: it writes the headers of the others at once.
    ///
    /// Runs after the in-line path of compiled code found no room, and for every host allocation.
    ///
    /// # Errors
    /// [`AllocError::Exhausted`] when a collection or growth should be tried. The heap is as it was.
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError>;

    /// Collects: roots, closure, weak phase, reclamation.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`] or [`HeapError::CorruptStack`]; the driver poisons the heap.
    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError>;

    /// Does some of the work a collection left, about as much as looking at `bytes` of objects takes, and
    /// says whether some is left. Looks at no root and moves nothing. A heap that does all its work in
    /// collections has none.
    ///
    /// # Errors
    /// [`Corruption`]; the driver poisons the heap.
    fn step(&mut self, cx: &mut HeapContext<'_>, bytes: u64) -> Result<bool, Corruption> {
        let _ = (cx, bytes);
        Ok(false)
    }

    /// Lets the heap allocate `bytes` more than it holds now before it says
    /// [`AllocError::Exhausted`]; the hard limit holds all the same.
    fn set_budget(&mut self, cx: &mut HeapContext<'_>, bytes: u64);

    /// How much the heap holds now. Cheap.
    fn usage(&self, cx: &HeapContext<'_>) -> Usage;

    /// Bytes of what survived the last collection, as far as is known: what the next budget goes by. Less
    /// than what is occupied in a heap that finds the dead before it reclaims them.
    fn live_bytes(&self, cx: &HeapContext<'_>) -> u64 {
        self.usage(cx).occupied_bytes
    }

    /// The write barrier: `value` is about to be stored in `slot` of `owner` (`None` for a global, a
    /// table or a handle). Called as [`WriteBarrier`] says. Never collects.
    fn write_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        owner: Option<ObjectRef>,
        slot: u32,
        value: GcRef,
    ) {
        let _ = (cx, owner, slot, value);
    }

    /// The barrier for a range: `count` reference slots of `owner` from `first_slot` are about to
    /// be overwritten. Never collects.
    fn range_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        owner: ObjectRef,
        first_slot: u32,
        count: u32,
    ) {
        let _ = (cx, owner, first_slot, count);
    }

    /// Visits every allocated object, dead ones not yet reclaimed included, with its size in bytes.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`] where an object cannot be parsed.
    fn visit_objects(
        &self,
        cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError>;

    /// Checks the heap's own accounts (tables, chains, totals), reporting each fault.
    fn verify(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation));
}

impl MutatorAbi {
    /// The largest object compiled code allocates in line, in bytes.
    #[must_use]
    pub const fn max_inline_bytes(&self) -> u32 {
        match self.alloc {
            AllocSpec::Bump { max_bytes, .. } => max_bytes,
            AllocSpec::Call => 0,
        }
    }

    /// Whether storing a reference owes anything at all.
    #[must_use]
    pub const fn has_write_barrier(&self) -> bool {
        !matches!(self.write_barrier, WriteBarrier::None)
    }
}
