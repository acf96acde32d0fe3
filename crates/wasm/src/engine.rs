//! The engine: what all modules and stores of a family share.
//!
//! It is made from a store configuration, whose collector and memory decide what code is compiled
//! against, and holds the code registry, the way into compiled code, and the trampolines between
//! compiled code and the host: one for each builtin, compiled at once, and two for each signature,
//! compiled when first needed.

use crate::builtins::{Builtin, entries};
use crate::code::{Code, Places, Unplaced};
use crate::env::Repr;
use crate::error::Error;
use crate::func::func_type;
use crate::module::ModuleInner;
use crate::options::{Checks, EngineOptions};
use crate::tools::Tools;
use crate::translate::{builtin_signature, clif_type};
use crate::trap::{Trap, TrapFrame, TrapKind};
use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Function, Signature, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa, TargetIsa};
use hashbrown::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use windrow::jit::CodeAbi;
use windrow::{Config, FuncType, Store, TypeId, TypeRegistry, ValType};
use windrow_cranelift::{
    IsaOptions, UnwindTables, compile, entry_trampoline, exit_trampoline, host_trampoline,
    native_isa, throw_trampoline,
};
use windrow_stack::{CodeRegistry, EntryGate, Trap as StackTrap, Unwinder, landing_address};

/// Compiles modules and runs them in stores made from the same configuration.
///
/// Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    abi: CodeAbi,
    checks: Checks,
    inlining: bool,
    unwinder: Unwinder,
    tools: Tools,
    isa: OwnedTargetIsa,
    unwind_tables: UnwindTables,
    gate: EntryGate,
    builtins: Builtins,
    trampolines: Mutex<HashMap<Signature, Trampolines>>,
    modules: Mutex<Modules>,
}

/// The builtins' exit trampolines, and the one that throws.
struct Builtins {
    _code: Code,
    addresses: Box<[usize]>,
}

/// The way into and out of compiled code for one signature.
#[derive(Clone, Debug)]
pub(crate) struct Trampolines {
    /// Address of an entry trampoline.
    pub(crate) entry: usize,
    /// Address of a host trampoline.
    pub(crate) host: usize,
    _code: Arc<Code>,
}

/// Modules by the number that backtraces carry.
#[derive(Default)]
struct Modules {
    next: u32,
    alive: HashMap<u32, Weak<ModuleInner>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("abi", &self.inner.abi)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// How much stack compiled code may use, unless chosen otherwise.
    pub const DEFAULT_STACK_BYTES: usize = 1 << 20;

    /// An engine for stores made from `config`, with the default stack allowance.
    ///
    /// # Errors
    /// [`Error::Compile`] where the machine is not supported, [`Error::Stack`] where the system
    /// refuses the trap handlers, [`Error::Reservation`].
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::with_stack(config, Self::DEFAULT_STACK_BYTES)
    }

    /// An engine whose programs may use `stack_max_bytes` of stack below the outermost call, or
    /// less where the thread's own stack ends earlier.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_stack(config: &Config, stack_max_bytes: usize) -> Result<Self, Error> {
        Self::with_options(
            config,
            EngineOptions::new().stack_max_bytes(stack_max_bytes),
        )
    }

    /// An engine with options of its own.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_options(config: &Config, chosen: EngineOptions) -> Result<Self, Error> {
        let options = IsaOptions {
            verify: cfg!(debug_assertions),
            ..IsaOptions::default()
        };
        let isa = native_isa(&options).map_err(|error| Error::compile(None, &error))?;
        let registry = CodeRegistry::new();
        let unwind_tables = UnwindTables::new(&*isa);
        let places = Places {
            isa: &*isa,
            registry: &registry,
            unwind_tables: &unwind_tables,
            tools: chosen.tools,
        };
        let builtins = Builtins::new(&places)?;
        let inner = Inner {
            config: config.clone(),
            abi: config.code_abi(),
            checks: chosen.checks,
            inlining: chosen.inlining && !chosen.tools.want_frames(),
            unwinder: chosen.unwinder,
            tools: chosen.tools,
            isa,
            unwind_tables,
            gate: EntryGate::new(registry, chosen.stack_max_bytes)?.with_unwinder(chosen.unwinder),
            builtins,
            trampolines: Mutex::default(),
            modules: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Makes a store for modules of this engine.
    ///
    /// # Errors
    /// [`windrow::Error::Heap`] where the system has no room for the heap's memory.
    pub fn new_store(&self) -> Result<Store, windrow::Error> {
        Store::new(&self.inner.config)
    }

    /// Whether small functions take the place of calls of them.
    pub(crate) fn inlining(&self) -> bool {
        self.inner.inlining
    }

    /// What code of this engine looks at from time to time.
    pub(crate) fn checks(&self) -> Checks {
        self.inner.checks
    }

    /// How frames of code of this engine are walked.
    #[must_use]
    pub fn unwinder(&self) -> Unwinder {
        self.inner.unwinder
    }

    /// What code is compiled against.
    #[must_use]
    pub fn abi(&self) -> &CodeAbi {
        &self.inner.abi
    }

    /// The types of the family.
    #[must_use]
    pub fn types(&self) -> &Arc<TypeRegistry> {
        self.inner.config.types()
    }

    /// Whether two handles are the same engine.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn code_registry(&self) -> &Arc<CodeRegistry> {
        self.inner.gate.registry()
    }

    pub(crate) fn gate(&self) -> &EntryGate {
        &self.inner.gate
    }

    pub(crate) fn isa(&self) -> &dyn TargetIsa {
        &*self.inner.isa
    }

    /// What it takes to place code of this engine.
    pub(crate) fn places(&self) -> Places<'_> {
        Places {
            isa: self.isa(),
            registry: self.code_registry(),
            unwind_tables: &self.inner.unwind_tables,
            tools: self.inner.tools,
        }
    }

    /// Address of the table of the builtins' addresses.
    pub(crate) fn builtins_address(&self) -> usize {
        self.inner.builtins.addresses.as_ptr().expose_provenance()
    }

    /// The signature of compiled code of a function type.
    pub(crate) fn signature(&self, ty: &FuncType) -> Signature {
        let mut signature = Signature::new(CallConv::Tail);
        signature
            .params
            .push(AbiParam::special(types::I64, ArgumentPurpose::VMContext));
        let param = |ty: &ValType| AbiParam::new(clif_type(self.repr(*ty)));
        signature.params.extend(ty.params.iter().map(param));
        signature.returns.extend(ty.results.iter().map(param));
        signature
    }

    fn repr(&self, ty: ValType) -> Repr {
        match ty {
            ValType::I32 => Repr::I32,
            ValType::I64 => Repr::I64,
            ValType::F32 => Repr::F32,
            ValType::F64 => Repr::F64,
            ValType::Ref(reference) if self.types().is_traced(reference.heap_type) => Repr::Gc,
            ValType::Ref(_) => Repr::Func,
            ValType::V128 => Repr::V128,
        }
    }

    /// The trampolines for functions of a type, compiled on first use.
    ///
    /// # Errors
    /// [`Error::Compile`], [`Error::Reservation`].
    pub(crate) fn trampolines(&self, type_id: TypeId) -> Result<Trampolines, Error> {
        let ty = func_type(self, type_id);
        let signature = self.signature(&ty);
        let mut cache = lock(&self.inner.trampolines);
        if let Some(trampolines) = cache.get(&signature) {
            return Ok(trampolines.clone());
        }
        let isa = self.isa();
        let entry = entry_trampoline(isa, &signature);
        let host = host_trampoline(isa, &signature, landing_address());
        let functions = [("[entry]".to_owned(), entry), ("[host]".to_owned(), host)];
        let code = Arc::new(place(&self.places(), functions)?);
        let trampolines = Trampolines {
            entry: code.address(0),
            host: code.address(1),
            _code: code,
        };
        cache.insert(signature, trampolines.clone());
        Ok(trampolines)
    }

    /// Reserves a number for a module.
    ///
    /// # Panics
    /// After four billion modules.
    pub(crate) fn next_module(&self) -> u32 {
        let mut modules = lock(&self.inner.modules);
        modules.next = modules
            .next
            .checked_add(1)
            .expect("fewer than four billion modules");
        modules.next
    }

    /// Makes a module known to backtraces.
    pub(crate) fn add_module(&self, number: u32, module: &Arc<ModuleInner>) {
        let mut modules = lock(&self.inner.modules);
        modules.alive.retain(|_, module| module.strong_count() > 0);
        modules.alive.insert(number, Arc::downgrade(module));
    }

    /// The error for code that trapped, or that a failed host call stopped with `error`.
    ///
    /// A trap or exception that a host function passes on from code it called gets the frames of
    /// this one too.
    pub(crate) fn trap(&self, trap: &StackTrap, error: Option<Error>) -> Error {
        let mut described = match error {
            Some(Error::Exception(mut exception)) => {
                exception.omitted_frames += trap.backtrace.omitted_frames;
                self.describe_frames(trap, &mut exception.frames);
                return exception.into();
            }
            Some(Error::Trap(inner)) => inner,
            Some(Error::Heap(error)) => Trap::new(TrapKind::Heap(error)),
            Some(error) => return error,
            None => match TrapKind::from_code(trap.code.0) {
                Some(kind) => Trap::new(kind),
                None => return Error::host("a host call failed without a reason"),
            },
        };
        described.omitted_frames += trap.backtrace.omitted_frames;
        self.describe_frames(trap, &mut described.frames);
        Error::Trap(described)
    }

    /// Appends the frames of code that ended.
    fn describe_frames(&self, trap: &StackTrap, frames: &mut Vec<TrapFrame>) {
        for frame in &trap.backtrace.frames {
            let Some(place) = frame.function else {
                continue;
            };
            let (Ok(number), Ok(function_index)) = (
                u32::try_from(place.id >> 32),
                u32::try_from(place.id & 0xffff_ffff),
            ) else {
                continue;
            };
            let module = lock(&self.inner.modules)
                .alive
                .get(&number)
                .and_then(Weak::upgrade);
            let Some(module) = module else { continue };
            let origins = &module.origins;
            let origins = origins.of(&module.env, function_index, place.offset);
            frames.extend(origins.into_iter().map(|origin| TrapFrame {
                function: module.env.display_name(origin.function),
                function_index: origin.function,
                wasm_offset: origin.offset,
            }));
        }
    }
}

impl Builtins {
    fn new(places: &Places<'_>) -> Result<Self, Error> {
        let trampolines = Builtin::ALL.iter().map(|builtin| {
            let signature = builtin_signature(*builtin);
            let address = entries::address(*builtin);
            let trampoline = exit_trampoline(places.isa, &signature, address);
            (format!("[builtin {builtin:?}]"), trampoline)
        });
        let throw = entries::throw as *const () as usize;
        let throw = throw_trampoline(places.isa, throw, landing_address());
        let throw = ("[throw]".to_owned(), throw);
        let code = place(places, trampolines.chain([throw]))?;
        let addresses = (0..=Builtin::ALL.len())
            .map(|position| code.address(position))
            .collect();
        Ok(Self {
            _code: code,
            addresses,
        })
    }
}

/// Compiles functions that backtraces do not show, and tools by these names.
fn place(
    places: &Places<'_>,
    functions: impl IntoIterator<Item = (String, Function)>,
) -> Result<Code, Error> {
    let (mut unplaced, mut names) = (Vec::new(), Vec::new());
    for (name, function) in functions {
        let code = compile(&mut Context::for_function(function), places.isa)?;
        unplaced.push(Unplaced { code, id: None });
        names.push(name);
    }
    Code::place(
        places,
        &unplaced,
        |_| None,
        |position| names[position].clone(),
    )
}

/// Locks: what is guarded is consistent between statements, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Linker, Module};
    use windrow::Val;

    const COUNTER: &str = r#"(module
        (global $n (mut i64) (i64.const 0))
        (func (export "count") (param i64) (result i64)
            (global.set $n (i64.add (global.get $n) (local.get 0))) (global.get $n)))"#;

    #[test]
    fn code_is_given_back_with_the_last_module_and_store_that_need_it() {
        let engine = Engine::new(&Config::new()).unwrap();
        let ranges = || engine.code_registry().size().ranges;
        let builtins = ranges();
        let module = Module::new(&engine, COUNTER.as_bytes()).unwrap();
        assert_eq!(ranges(), builtins + 1);
        let mut store = engine.new_store().unwrap();
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &module)
            .unwrap();
        let with_trampolines = ranges();
        drop(module);
        let count = instance.func(&mut store, "count").unwrap();
        drop(instance);
        assert_eq!(ranges(), with_trampolines, "the store needs the code");
        assert!(matches!(
            count.call(&mut store, &[Val::I64(2)]).unwrap()[..],
            [Val::I64(2)]
        ));
        drop((count, store));
        assert_eq!(ranges(), with_trampolines - 1);
    }

    #[test]
    fn functions_of_like_representation_share_trampolines() {
        let engine = Engine::new(&Config::new()).unwrap();
        let types = [
            ValType::ANYREF,
            ValType::EXTERNREF,
            ValType::I32,
            ValType::FUNCREF,
        ];
        let entries = types.map(|ty| {
            let id = engine
                .types()
                .register_func(FuncType::new([ty], []))
                .unwrap();
            engine.trampolines(id).unwrap().entry
        });
        assert!(entries.iter().all(|entry| *entry == entries[0]));
        let vector = engine
            .types()
            .register_func(FuncType::new([ValType::V128], []))
            .unwrap();
        assert_ne!(engine.trampolines(vector).unwrap().entry, entries[0]);
    }
}
