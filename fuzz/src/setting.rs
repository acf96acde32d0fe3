//! Which engine a case runs on: collector, memory and zeal, chosen by a byte.

use std::cell::RefCell;
use std::collections::HashMap;
use windrow::{CollectorKind, Config, MemoryKind, Zeal};
use windrow_wasm::{Engine, EngineOptions};

/// Modules compiled by one engine, whose types and trampolines stay.
const MODULES_PER_ENGINE: u32 = 200;

/// The limit on a heap.
const HEAP_MAX_BYTES: u64 = 256 << 20;

/// The limit on a heap under zeal, where every collection costs as much as is alive.
const ZEAL_HEAP_MAX_BYTES: u64 = 512 << 10;

/// What may be allocated before a collection, unless zeal asks for more of them.
const HEAP_INITIAL_BYTES: u64 = 16 << 10;

/// How much stack programs may use.
pub const STACK_MAX_BYTES: usize = 1 << 20;

/// Collector, memory and zeal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Setting {
    /// The collector.
    pub collector: CollectorKind,
    /// Where the heap lives.
    pub memory: MemoryKind,
    /// Collect at every this-many-th allocation; zero for never.
    pub zeal_every: u32,
    /// Whether programs run on fuel.
    pub fuel: bool,
}

impl Setting {
    /// The setting a byte stands for: every byte is one, and every combination has a byte.
    #[must_use]
    pub fn of_byte(byte: u8) -> Self {
        let byte = usize::from(byte);
        let memories = [MemoryKind::Guarded, MemoryKind::Checked];
        let zeals = [1, 7, 0];
        let collectors = CollectorKind::ALL;
        let collector = collectors[byte / 6 % collectors.len()];
        let collects = collector.instance().properties().collects;
        Self {
            memory: memories[byte % 2],
            zeal_every: if collects { zeals[byte / 2 % 3] } else { 0 },
            collector,
            fuel: false,
        }
    }

    /// The same, with programs on fuel.
    #[must_use]
    pub const fn with_fuel(mut self) -> Self {
        self.fuel = true;
        self
    }

    /// An engine of this setting, which is used for some more modules.
    ///
    /// # Panics
    /// If the system has no room for one.
    #[must_use]
    pub fn engine(self) -> Engine {
        thread_local! {
            static ENGINES: RefCell<HashMap<Setting, (Engine, u32)>> = RefCell::default();
        }
        ENGINES.with_borrow_mut(|engines| {
            let fresh = || (self.new_engine(), 0);
            let entry = engines.entry(self).or_insert_with(fresh);
            if entry.1 >= MODULES_PER_ENGINE {
                *entry = fresh();
            }
            entry.1 += 1;
            entry.0.clone()
        })
    }

    fn new_engine(self) -> Engine {
        let config = Config::new()
            .collector(self.collector)
            .memory(self.memory)
            .zeal(Zeal::every(self.zeal_every))
            .heap_initial_bytes(HEAP_INITIAL_BYTES)
            .heap_max_bytes(match self.zeal_every {
                0 => HEAP_MAX_BYTES,
                _ => ZEAL_HEAP_MAX_BYTES,
            });
        let options = EngineOptions::new()
            .stack_max_bytes(STACK_MAX_BYTES)
            .fuel(self.fuel);
        Engine::with_options(&config, options).expect("the system has room for an engine")
    }
}
