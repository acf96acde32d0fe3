//! A guest: an isolate, the context its code is handed, and the host function it calls.

use crate::build::{Code, Compiler};
use crate::shapes::Shapes;
use cranelift_module::FuncId;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use windrow_core::{ActivationList, GcRef, HeapError, Isolate, RootKind, RootSource, RootVisitor};
use windrow_stack::{Backtrace, CodeRegistry, CompiledFrames, EntryFn, EntryGate, Trap, Unwinder};

/// What the host function does; `None` makes the guest trap.
pub(crate) type Hook<'a> = &'a dyn Fn(&Guest<'a>, u32, u32) -> Option<u32>;

/// The compiled functions, with or without optimisation.
pub(crate) struct World {
    pub(crate) code: Code,
    pub(crate) shapes: Shapes,
}

impl World {
    pub(crate) fn new(optimise: bool) -> Self {
        Self::with_registry(optimise, CodeRegistry::new())
    }

    pub(crate) fn with_registry(optimise: bool, registry: Arc<CodeRegistry>) -> Self {
        Self::build(optimise, registry, |_, _| ()).0
    }

    /// A world with more functions, which are told the host function's trampoline.
    pub(crate) fn with_more<T>(
        optimise: bool,
        define: impl FnOnce(&mut Compiler, FuncId) -> T,
    ) -> (Self, T) {
        Self::build(optimise, CodeRegistry::new(), define)
    }

    fn build<T>(
        optimise: bool,
        registry: Arc<CodeRegistry>,
        define: impl FnOnce(&mut Compiler, FuncId) -> T,
    ) -> (Self, T) {
        let mut compiler = Compiler::new(optimise);
        let shapes = Shapes::define(&mut compiler, host as *const () as usize);
        let more = define(&mut compiler, shapes.exit);
        let code = compiler.finish(registry);
        (Self { code, shapes }, more)
    }

    pub(crate) fn gate(&self, stack_max_bytes: usize) -> EntryGate {
        EntryGate::new(Arc::clone(&self.code.registry), stack_max_bytes).unwrap()
    }
}

/// The context of one isolate's code; the code's stack check reads the first word.
#[repr(C)]
pub(crate) struct Guest<'a> {
    state: *mut u8,
    isolate: *mut Isolate,
    gate: EntryGate,
    world: &'a World,
    frames: RefCell<CompiledFrames>,
    hook: Cell<Hook<'a>>,
}

/// The stack guests may use unless a test says otherwise.
pub(crate) const STACK_MAX_BYTES: usize = 512 << 10;

/// An isolate whose heap the tests do not use.
fn isolate() -> Isolate {
    Isolate::new(windrow_core::IsolateConfig::new(Arc::new(
        windrow_null::NullCollector,
    )))
    .unwrap()
}

extern "C" fn host(guest: &Guest<'_>, a: u32, b: u32) -> u64 {
    (guest.hook.get())(guest, a, b).map_or(u64::MAX, u64::from)
}

impl<'a> Guest<'a> {
    pub(crate) fn new(world: &'a World, hook: Hook<'a>) -> Box<Self> {
        Self::with_stack(world, STACK_MAX_BYTES, hook)
    }

    pub(crate) fn with_stack(
        world: &'a World,
        stack_max_bytes: usize,
        hook: Hook<'a>,
    ) -> Box<Self> {
        let isolate = Box::into_raw(Box::new(isolate()));
        // SAFETY: guests are entered through gates only, and the registry holds what Cranelift
        // says of their code.
        let frames =
            unsafe { CompiledFrames::new(Arc::clone(&world.code.registry), Unwinder::Dwarf) };
        let frames = frames.with_cross_check(true);
        // SAFETY: just made.
        let state = unsafe { (*isolate).state_pointer() };
        let gate = world.gate(stack_max_bytes);
        Box::new(Self {
            state,
            isolate,
            gate,
            world,
            frames: RefCell::new(frames),
            hook: Cell::new(hook),
        })
    }

    /// Calls a guest function of two parameters.
    pub(crate) fn call(&self, function: FuncId, a: u32, b: u32) -> Result<u32, Trap> {
        let mut args = [u64::from(a), u64::from(b)];
        self.call_raw(self.world.code.address(function), &mut args)
            .map(|()| u32::try_from(args[0]).unwrap())
    }

    fn call_raw(&self, code: usize, args: &mut [u64; 2]) -> Result<(), Trap> {
        let entry = std::ptr::with_exposed_provenance::<()>(
            self.world.code.address(self.world.shapes.array_entry),
        );
        // SAFETY: the trampoline was compiled for this very signature.
        let entry = unsafe { std::mem::transmute::<*const (), EntryFn>(entry) };
        // SAFETY: the isolate lives as long as `self`; the code is registered and keeps the rules.
        unsafe {
            self.gate.enter(
                self.isolate,
                entry,
                code,
                (&raw const *self).expose_provenance(),
                args.as_mut_ptr().cast(),
            )
        }
    }

    /// The isolate, between calls and in host functions.
    pub(crate) fn isolate(&self) -> &Isolate {
        // SAFETY: no reference to it is kept across calls.
        unsafe { &*self.isolate }
    }

    /// The isolate, for entries and switches.
    pub(crate) fn isolate_pointer(&self) -> *mut Isolate {
        self.isolate
    }

    /// Shows every root to a visitor which adds `delta` to it; returns what it saw and how many
    /// frames there were.
    pub(crate) fn collect(&self, delta: u32) -> Result<(Vec<u32>, u64), HeapError> {
        let mut mover = Mover {
            delta,
            seen: Vec::new(),
        };
        let frames = self
            .frames
            .borrow_mut()
            .visit_roots(self.isolate().activations(), &mut mover)?;
        Ok((mover.seen, frames))
    }

    /// Where the code stands, while the host is called.
    pub(crate) fn backtrace(&self) -> Backtrace {
        self.frames.borrow().backtrace(self.isolate().activations())
    }

    pub(crate) fn registry(&self) -> &Arc<CodeRegistry> {
        &self.world.code.registry
    }

    /// How many activations are suspended.
    pub(crate) fn depth(&self) -> usize {
        self.isolate().activations().iter().count()
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` in `with_stack` and dropped only here.
        drop(unsafe { Box::from_raw(self.isolate) });
    }
}

/// A stand-in for a collector that moves everything.
pub(crate) struct Mover {
    pub(crate) delta: u32,
    pub(crate) seen: Vec<u32>,
}

impl RootVisitor for Mover {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        assert_eq!(kind, RootKind::Frame);
        self.seen.push(slot.bits());
        *slot = GcRef::from_bits(slot.bits() + self.delta);
    }
}

/// The names of a backtrace's functions, innermost first, leaving out trampolines.
pub(crate) fn names(trace: &Backtrace) -> Vec<u64> {
    trace
        .frames
        .iter()
        .filter_map(|frame| frame.function)
        .map(|place| place.id)
        .collect()
}

/// Whether an isolate has an open activation.
pub(crate) fn is_idle(activations: ActivationList<'_>) -> bool {
    activations.iter().next().is_none()
}
