//! What an engine can be asked for beyond its stores' configuration.

use crate::tools::Tools;
use windrow_stack::Unwinder;

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
    pub(crate) inlining: bool,
    pub(crate) unwinder: Unwinder,
    pub(crate) tools: Tools,
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
    /// The default stack allowance, code that runs until it ends, frames walked by frame pointers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stack_max_bytes: crate::Engine::DEFAULT_STACK_BYTES,
            checks: Checks {
                interrupts: false,
                fuel: false,
            },
            inlining: true,
            unwinder: Unwinder::FramePointers,
            tools: Tools::NONE,
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

    /// Chooses whether small functions take the place of calls of them, as they do by default.
    ///
    /// Traps name every function either way. What sees frames as the processor does, a profiler or a
    /// host function's own backtrace, does not see the functions inlined in them.
    #[must_use]
    pub const fn inlining(mut self, yes: bool) -> Self {
        self.inlining = yes;
        self
    }

    /// Chooses how collections, exceptions and backtraces get from a frame to its caller's.
    #[must_use]
    pub const fn unwinder(mut self, unwinder: Unwinder) -> Self {
        self.unwinder = unwinder;
        self
    }

    /// Chooses whether profilers learn where each function of a module lies: a line for each goes to
    /// `/tmp/perf-PID.map`, where Linux's `perf report` looks for names. What a process writes
    /// replaces a file that an earlier one with its number left.
    ///
    /// A module that cannot be written down there is refused with [`Error::PerfMap`](crate::Error).
    #[must_use]
    pub const fn perf_map(mut self, yes: bool) -> Self {
        self.tools.perf_map = yes;
        self
    }

    /// Chooses whether debuggers learn where each function is, by name, and how its frames are
    /// unwound. GDB then shows compiled code and the host below it in a backtrace, and takes
    /// `break 'module!function'`.
    ///
    /// Keeps some hundred bytes for a function, and none is inlined. Needs the feature `debugger` and an executable with
    /// its symbols.
    #[cfg(feature = "debugger")]
    #[must_use]
    pub const fn debugger(mut self, yes: bool) -> Self {
        self.tools.debugger = yes;
        self
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self::new()
    }
}
