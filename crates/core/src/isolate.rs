//! The isolate: one heap and everything a collection of it needs.
//!
//! It is what a slow path called from compiled code receives, and what the embedder's `Store`
//! wraps. It owns the memory, the mutator state, the heap, host values, handles, functions, the
//! open activations and the root sources, and it drives allocate -> collect -> grow -> retry.

mod driver;
mod inspect;
mod new_object;
mod no_gc;
mod objects;
#[expect(
    unsafe_code,
    reason = "what compiled code and its runtime trust is set through unsafe methods"
)]
mod trusted;
mod weak;
mod verify;
mod watch;

pub use new_object::{NewObject, NewSlots};
pub use no_gc::NoGc;
pub use objects::ExternError;

use crate::activation::Activations;
use crate::collector::{Collector, GcHeap, HeapContext, Usage};
use crate::events::EventListener;
use crate::functions::{FunctionEntry, FunctionId, FunctionTable};
use crate::handles::Handles;
use crate::host_data::HostData;
use crate::registry::TypeRegistry;
use crate::roots::{ActivationList, RootSource};
use crate::shape::TypeTables;
use crate::stats::Statistics;
use crate::weak::WeakTables;
use crate::{
    AllocSpec, CodeAbi, GrowthPolicy, HEAP_END, HeapError, HeapLimits, HeapMemory, LogBits, Memory,
    MemoryKind, MemoryPool, MutatorAbi, MutatorState, Pace, StateBlock, Watched, WriteBarrier,
    Zeal,
};
use std::any::Any;
use std::cell::OnceCell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Tells an isolate from every other there ever was in this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IsolateId(NonZeroU64);

impl IsolateId {
    /// The next one.
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        Self(NonZeroU64::new(number).expect("nobody makes 2^64 isolates"))
    }

    pub(crate) const fn from_number(number: NonZeroU64) -> Self {
        Self(number)
    }

    /// As a number, never zero.
    #[must_use]
    pub const fn get(self) -> NonZeroU64 {
        self.0
    }
}

/// Everything an isolate is made from.
#[derive(Clone, Debug)]
pub struct IsolateConfig {
    /// The algorithm.
    pub collector: Arc<dyn Collector>,
    /// The types objects may have, shared by a family of isolates.
    pub types: Arc<TypeRegistry>,
    /// Where the heap lives.
    pub memory: MemoryKind,
    /// How large it may be.
    pub limits: HeapLimits,
    /// How much it allocates between collections.
    pub growth: GrowthPolicy,
    /// How hard it is tested.
    pub zeal: Zeal,
    /// Where guarded memory comes from and goes to, if it is not to be mapped and unmapped each time.
    pub pool: Option<Arc<MemoryPool>>,
    /// Whether to make do with checked memory where the system has no address space for guarded memory.
    /// Code compiled for guarded memory does not run in such an isolate: its
    /// [`code_abi`](Isolate::code_abi) tells.
    pub fall_back_to_checked: bool,
    /// Who hears of collections, growth and exhaustion.
    pub listener: Option<Arc<dyn EventListener>>,
}

impl IsolateConfig {
    /// The default sizes and memory, no zeal, and a type registry of its own.
    #[must_use]
    pub fn new(collector: Arc<dyn Collector>) -> Self {
        Self {
            collector,
            types: Arc::new(TypeRegistry::new()),
            memory: MemoryKind::default(),
            limits: HeapLimits::default(),
            growth: GrowthPolicy::default(),
            zeal: Zeal::OFF,
            pool: None,
            fall_back_to_checked: false,
            listener: None,
        }
    }

    /// What code for such an isolate is compiled against.
    #[must_use]
    pub fn code_abi(&self) -> CodeAbi {
        CodeAbi {
            mutator: self.collector.abi(),
            addressing: self.memory.addressing(),
        }
    }
}

/// One heap, its roots and its accounts.
pub struct Isolate {
    id: IsolateId,
    // Dropped in this order: host values last, after everything that could refer to them.
    heap: Box<dyn GcHeap>,
    memory: HeapMemory,
    state: StateBlock,
    config: IsolateConfig,
    abi: MutatorAbi,
    /// The largest object that goes where the state's own cursor is, in bytes.
    bump_bytes: u32,
    tables: Arc<TypeTables>,
    functions: FunctionTable,
    activations: Activations,
    handles: Handles,
    sources: Vec<Box<dyn RootSource>>,
    stats: Statistics,
    log_bits: LogBits,
    weak: WeakTables,
    /// What `weak` and the traced ones among host values go by.
    watched: Watched,
    /// What the heap said last: a poisoned one is not asked.
    usage: Usage,
    /// When the last collection ended, or else the isolate was made; what survived it.
    collected_at: Instant,
    survived_bytes: u64,
    pace: Pace,
    allocations_until_zeal: u32,
    /// How many open scopes forbid collections.
    no_gc_scopes: u32,
    poisoned: OnceCell<HeapError>,
    host_data: HostData,
}

impl fmt::Debug for Isolate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Isolate")
            .field("collector", &self.config.collector.name())
            .field("memory", &self.config.memory)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}

/// Lends the heap its context: disjoint fields of the isolate.
macro_rules! heap_context {
    ($isolate:ident) => {
        $crate::HeapContext {
            memory: &mut $isolate.memory,
            state: &mut $isolate.state,
            types: &$isolate.tables,
            stats: &mut $isolate.stats,
            log_bits: &mut $isolate.log_bits,
            watched: &$isolate.watched,
            zeal: $isolate.config.zeal,
        }
    };
}
pub(crate) use heap_context;

impl Isolate {
    /// Makes an empty heap.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where the system has no room for the memory, and what
    /// [`Collector::new_heap`] says of the limits.
    pub fn new(mut config: IsolateConfig) -> Result<Self, HeapError> {
        let (mut memory, mut state) = match HeapMemory::new_in(config.memory, config.pool.as_ref())
        {
            Err(HeapError::Reservation { .. }) if config.fall_back_to_checked => {
                HeapMemory::new(MemoryKind::Checked)?
            }
            other => other?,
        };
        // What code must be compiled for here.
        config.memory = memory.kind();
        let tables = config.types.tables();
        let mut stats = Statistics::default();
        let abi = config.collector.abi();
        let mut log_bits = LogBits::default();
        if matches!(abi.write_barrier, WriteBarrier::Log { .. }) {
            log_bits.enable()?;
        }
        let watched = Watched::default();
        let heap = config.collector.new_heap(
            &mut HeapContext {
                memory: &mut memory,
                state: &mut state,
                types: &tables,
                stats: &mut stats,
                log_bits: &mut log_bits,
                watched: &watched,
                zeal: config.zeal,
            },
            config.limits,
        )?;
        let mut isolate = Self {
            id: IsolateId::next(),
            heap,
            memory,
            state,
            tables,
            functions: FunctionTable::new(),
            activations: Activations::default(),
            handles: Handles::default(),
            sources: Vec::new(),
            stats,
            log_bits,
            weak: WeakTables::default(),
            watched,
            usage: Usage::default(),
            collected_at: Instant::now(),
            survived_bytes: 0,
            pace: Pace::default(),
            allocations_until_zeal: config.zeal.collect_every,
            no_gc_scopes: 0,
            poisoned: OnceCell::new(),
            host_data: HostData::default(),
            bump_bytes: abi.alloc.bump_bytes(),
            abi,
            config,
        };
        isolate.heap.set_budget(
            &mut heap_context!(isolate),
            isolate.config.limits.initial_bytes,
        );
        isolate.functions.publish(&mut isolate.state);
        isolate.sync_types();
        Ok(isolate)
    }

    /// What tells this isolate from every other in the process.
    #[must_use]
    pub const fn id(&self) -> IsolateId {
        self.id
    }

    /// What this isolate was made from, but for the memory: which it has.
    #[must_use]
    pub const fn config(&self) -> &IsolateConfig {
        &self.config
    }

    /// What code must have been compiled against to run here.
    #[must_use]
    pub fn code_abi(&self) -> CodeAbi {
        self.config.code_abi()
    }

    /// The type registry of this isolate's family.
    #[must_use]
    pub const fn types(&self) -> &Arc<TypeRegistry> {
        &self.config.types
    }

    /// The zeal it was made with.
    #[must_use]
    pub const fn zeal(&self) -> Zeal {
        self.config.zeal
    }

    /// The shapes of every type this isolate knows.
    #[must_use]
    #[inline]
    pub const fn tables(&self) -> &Arc<TypeTables> {
        &self.tables
    }

    /// Learns the types registered since the last call. Cheap when there are none.
    ///
    /// To be called before code or the host allocates objects of a type registered after this
    /// isolate was made. While compiled code runs, it may be called from a slow path: the tables
    /// move, and their addresses are reloaded after each call.
    pub fn sync_types(&mut self) {
        self.tables = self.config.types.tables();
        self.publish();
    }

    /// The state pointer compiled code holds. Fixed for the life of the isolate.
    #[must_use]
    pub fn state_pointer(&self) -> *mut u8 {
        self.state.pointer()
    }

    /// The words shared with compiled code.
    #[must_use]
    pub fn state(&self) -> &MutatorState {
        &self.state
    }

    /// Opens an activation: to be called right before compiled code is entered.
    pub fn enter_activation(&mut self) {
        self.activations.enter(&mut self.state.activation);
    }

    /// Closes the innermost activation: to be called right after compiled code returned.
    ///
    /// # Panics
    /// If none is open.
    pub fn leave_activation(&mut self) {
        self.activations.leave(&mut self.state.activation);
    }

    /// The open activations of the running stack, innermost first, and those set aside.
    #[must_use]
    pub fn activations(&self) -> ActivationList<'_> {
        ActivationList {
            current: self.state.activation,
            outer: &self.activations,
        }
    }

    /// Adds a source of roots, which stays until the isolate is dropped, and returns its number.
    pub fn add_root_source(&mut self, source: Box<dyn RootSource>) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// The source of roots with a number that [`Self::add_root_source`] returned, if it is a `T`.
    #[must_use]
    #[inline]
    pub fn root_source<T: RootSource>(&self, number: usize) -> Option<&T> {
        let source: &dyn Any = &**self.sources.get(number)?;
        source.downcast_ref()
    }

    /// The source of roots with a number that [`Self::add_root_source`] returned, if it is a `T`.
    #[inline]
    pub fn root_source_mut<T: RootSource>(&mut self, number: usize) -> Option<&mut T> {
        let source: &mut dyn Any = &mut **self.sources.get_mut(number)?;
        source.downcast_mut()
    }

    /// The host's handles.
    #[must_use]
    #[inline]
    pub const fn handles(&self) -> &Handles {
        &self.handles
    }

    /// The host's handles.
    #[inline]
    pub const fn handles_mut(&mut self) -> &mut Handles {
        &mut self.handles
    }

    /// Keeps `owner` (code, contexts of functions) alive until the isolate is dropped.
    pub fn keep_alive(&mut self, owner: Arc<dyn Any + Send + Sync>) {
        self.functions.keep_alive(owner);
    }

    /// The function with this id, or `None` for null and ids never handed out.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> Option<&FunctionEntry> {
        self.functions.entry(id)
    }

    /// Starts taking note of what is accessed in the heap, forgetting what was: a testing aid, for
    /// checked memory; nothing is noted of guarded memory or by compiled code.
    pub fn watch_accesses(&mut self) {
        if let HeapMemory::Checked(memory) = &mut self.memory {
            memory.watch_accesses();
        }
    }

    /// Whether any byte of `at..at + len` was read or written since
    /// [`Self::watch_accesses`], to within eight bytes; `None` where that is not watched.
    #[must_use]
    pub fn was_accessed(&self, at: u32, len: u32) -> Option<bool> {
        match &self.memory {
            HeapMemory::Checked(memory) => memory.was_accessed(at, len),
            HeapMemory::Guarded(_) => None,
        }
    }

    /// What the heap did so far; for a poisoned one, until it was.
    #[must_use]
    pub fn stats(&mut self) -> Statistics {
        if self.poisoned.get().is_none() {
            self.usage = self.heap.usage(&heap_context!(self));
        }
        let usage = self.usage;
        let mut stats = self.stats.clone();
        stats.allocated_bytes = stats.reclaimed_bytes + usage.occupied_bytes;
        stats.committed_bytes = usage.committed_bytes;
        stats.peak_committed_bytes = stats.peak_committed_bytes.max(usage.committed_bytes);
        stats.reserved_bytes = self.memory.len();
        stats
    }

    /// The error that poisoned the heap, if any did.
    #[must_use]
    pub fn poisoned(&self) -> Option<&HeapError> {
        self.poisoned.get()
    }

    /// Allows so many accesses to the heap from here on; the next one panics. A testing aid: see
    /// [`HeapMemory::allow_accesses`]. Whether anything is counted.
    pub fn allow_accesses(&mut self, accesses: u64) -> bool {
        self.memory.allow_accesses(accesses)
    }

    /// Tells compiled code where things are now, and holds the limit down under zeal.
    fn publish(&mut self) {
        self.state.heap_base = self.memory.base_address();
        self.state.heap_len = self.memory.len();
        self.state.displays = self.tables.displays_address();
        self.state.kinds = self.tables.kinds_address();
        self.state.type_mask = self.tables.mask();
        self.state.log_table = self.log_bits.address();
        // Compiled code stores into a new object with no check: whatever the collector did, cursor
        // and limit leave here inside the heap, and far enough from 2^32 not to wrap.
        let end = u32::try_from(self.memory.len())
            .unwrap_or(HEAP_END)
            .min(HEAP_END);
        self.state.cursor = self.state.cursor.min(HEAP_END);
        self.state.limit = self.state.limit.min(end);
        if self.config.zeal.is_on() && matches!(self.abi.alloc, AllocSpec::Bump { .. }) {
            self.state.limit = self.state.cursor;
        }
    }
}
