//! What an engine can be asked for beyond its stores' configuration.

/// Choices that hold for all code of an engine.
///
/// ```
/// use windrow::Config;
/// use windrow_wasm::{Engine, EngineOptions};
///
/// let options = EngineOptions::new().stack_max_bytes(4 << 20).interruptible(true);
/// let engine = Engine::with_options(&Config::new(), options)?;
/// # Ok::<(), windrow_wasm::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineOptions {
    pub(crate) stack_max_bytes: usize,
    pub(crate) checks: Checks,
}

/// What compiled code looks at from time to time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Checks {
    /// Whether it was asked to stop.
    pub(crate) interrupts: bool,
    /// Whether it has fuel left.
    pub(crate) fuel: bool,
}

impl Checks {
    /// Whether there is anything to look at.
    pub(crate) const fn any(self) -> bool {
        self.interrupts || self.fuel
    }
}

impl EngineOptions {
    /// The default stack allowance, code that runs until it ends.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stack_max_bytes: crate::Engine::DEFAULT_STACK_BYTES,
            checks: Checks {
                interrupts: false,
                fuel: false,
            },
        }
    }

    /// Sets how much stack programs may use below the outermost call; they get less where the
    /// thread's own stack ends earlier.
    #[must_use]
    pub const fn stack_max_bytes(mut self, bytes: usize) -> Self {
        self.stack_max_bytes = bytes;
        self
    }

    /// Chooses whether code can be stopped by an [`InterruptHandle`](crate::InterruptHandle).
    ///
    /// Costs two loads and a compare for each function entry and loop iteration.
    #[must_use]
    pub const fn interruptible(mut self, yes: bool) -> Self {
        self.checks.interrupts = yes;
        self
    }

    /// Chooses whether code uses up fuel, of which a store has none until
    /// [`Engine::set_fuel`](crate::Engine::set_fuel): one unit for each function entry and loop
    /// iteration, and one for every 64 elements, bytes or pages of a bulk operation.
    ///
    /// How far a program gets on its fuel depends on nothing but the program. Costs two loads, a
    /// store and a compare for each function entry and loop iteration.
    #[must_use]
    pub const fn fuel(mut self, yes: bool) -> Self {
        self.checks.fuel = yes;
        self
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self::new()
    }
}
