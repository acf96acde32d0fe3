//! What a store is made from.

use crate::CollectorKind;
use std::sync::Arc;
use windrow_core::{
    CodeAbi, Collector, EventListener, GrowthPolicy, HeapLimits, IsolateConfig, MemoryKind,
    MemoryPool, TypeRegistry, Zeal,
};

/// Collector, sizes, memory and zeal of the stores made from it.
///
/// A configuration also carries a type registry: stores made from one configuration, or from its
/// clones, are a family that shares types, and code compiled for one runs in all of them.
#[derive(Clone, Debug)]
pub struct Config {
    isolate: IsolateConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The copying collector in guarded memory, 4 GiB at most, no zeal.
    #[must_use]
    pub fn new() -> Self {
        Self {
            isolate: IsolateConfig::new(CollectorKind::Copying.instance()),
        }
    }

    /// Chooses the collector: a [`CollectorKind`], or an `Arc<dyn Collector>` of your own.
    #[must_use]
    pub fn collector(mut self, collector: impl Into<Arc<dyn Collector>>) -> Self {
        self.isolate.collector = collector.into();
        self
    }

    /// Chooses where the heap lives.
    #[must_use]
    pub const fn memory(mut self, memory: MemoryKind) -> Self {
        self.isolate.memory = memory;
        self
    }

    /// Sets what may be allocated before the first collection, in bytes.
    #[must_use]
    pub const fn heap_initial_bytes(mut self, bytes: u64) -> Self {
        self.isolate.limits.initial_bytes = bytes;
        self
    }

    /// Sets the hard limit on committed bytes, reserve for copying and large objects included.
    #[must_use]
    pub const fn heap_max_bytes(mut self, bytes: u64) -> Self {
        self.isolate.limits.max_bytes = bytes;
        self
    }

    /// Sets how much is allocated between collections.
    #[must_use]
    pub const fn growth(mut self, growth: GrowthPolicy) -> Self {
        self.isolate.growth = growth;
        self
    }

    /// Sets how hard stores are tested at run time.
    #[must_use]
    pub const fn zeal(mut self, zeal: Zeal) -> Self {
        self.isolate.zeal = zeal;
        self
    }

    /// Takes the reservations of guarded memory from `pool`, and gives them back to it: for who makes and
    /// drops stores all the time. Stores of any configuration may share a pool.
    #[must_use]
    pub fn pool(mut self, pool: Arc<MemoryPool>) -> Self {
        self.isolate.pool = Some(pool);
        self
    }

    /// Lets a store live in checked memory where the system has no address space for guarded memory,
    /// instead of failing. [`Store::memory_kind`](crate::Store::memory_kind) tells which it got.
    ///
    /// Code compiled for guarded memory does not run in a store with checked memory, and is refused
    /// there: this is for embedders without compiled code, or with code for both.
    #[must_use]
    pub const fn fall_back_to_checked(mut self, yes: bool) -> Self {
        self.isolate.fall_back_to_checked = yes;
        self
    }

    /// Tells `listener` of every collection, of growth and of exhaustion in the stores made from this
    /// configuration.
    #[must_use]
    pub fn listener(mut self, listener: Arc<dyn EventListener>) -> Self {
        self.isolate.listener = Some(listener);
        self
    }

    /// The chosen collector.
    #[must_use]
    pub fn chosen_collector(&self) -> &dyn Collector {
        &*self.isolate.collector
    }

    /// The chosen memory.
    #[must_use]
    pub const fn chosen_memory(&self) -> MemoryKind {
        self.isolate.memory
    }

    /// The limits on the heap's size.
    #[must_use]
    pub const fn limits(&self) -> HeapLimits {
        self.isolate.limits
    }

    /// The family's types.
    #[must_use]
    pub const fn types(&self) -> &Arc<TypeRegistry> {
        &self.isolate.types
    }

    /// What code for these stores is compiled against.
    #[must_use]
    pub fn code_abi(&self) -> CodeAbi {
        self.isolate.code_abi()
    }

    pub(crate) fn isolate(&self) -> IsolateConfig {
        self.isolate.clone()
    }
}
