//! Functions: of instances and of the host, called alike.

use crate::attach::{StoreId, attach};
use crate::engine::Engine;
use crate::enter::{Ended, Slot, enter};
use crate::error::Error;
use crate::host_entry;
use crate::instance::{Instance, InstanceData};
use crate::interrupt::settle;
use crate::linker::Extern;
use crate::value::{check_type, from_bits, to_bits};
use smallvec::SmallVec;
use std::any::Any;
use std::sync::{Arc, OnceLock, Weak};
use windrow::jit::FunctionEntry;
use windrow::{CompositeType, FuncType, FunctionId, Store, TypeId, Val};

/// The results of a call.
pub type Results = SmallVec<[Val; 1]>;

/// What a host function sees of the store that calls it.
#[derive(Debug)]
pub struct Caller<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) engine: &'a Engine,
    pub(crate) importer: &'a Importer,
}

impl Caller<'_> {
    /// The store: functions of it may be called, objects allocated, collections run.
    pub const fn store(&mut self) -> &mut Store {
        self.store
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        self.engine
    }

    /// What the instance that imports the function exports by this name: its memory, say. `None`
    /// if it exports nothing by it, or no instance imports the function.
    #[must_use]
    pub fn export(&mut self, name: &str) -> Option<Extern> {
        let data = self.importer.get()?.upgrade()?;
        Instance::of_data(self.store, data).export(self.store, name)
    }
}

/// The instance that a host function was made for, once there is one.
pub(crate) type Importer = OnceLock<Weak<InstanceData>>;

/// What a host function does: arguments in, results out; the results are preset to defaults.
pub(crate) type Closure = dyn Fn(Caller<'_>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync;

/// As [`Closure`], with arguments and results as bits in slots. References are raw: they go stale at
/// each safepoint, and are not checked on the way out.
#[cfg(feature = "js")]
pub(crate) type RawClosure = dyn Fn(&mut Store, &mut [Slot]) -> Result<(), Error> + Send + Sync;

/// What a host function runs.
#[derive(Clone)]
pub(crate) enum HostBody {
    /// A closure of the embedder's.
    Values(Arc<Closure>),
    /// One of this crate's, which keeps the rules of raw references and pays for no handles.
    #[cfg(feature = "js")]
    Raw(Arc<RawClosure>),
}

/// The context of a host function. Host trampolines read its first word.
#[repr(C)]
pub(crate) struct HostContext {
    code: usize,
    pub(crate) function: Arc<HostFunction>,
}

const _: () = assert!(memoffset::offset_of!(HostContext, code) == 0);

/// A host function. Lives as long as a call of it, even if the store does not.
pub(crate) struct HostFunction {
    pub(crate) ty: Arc<FuncType>,
    pub(crate) engine: Engine,
    pub(crate) body: HostBody,
    pub(crate) importer: Arc<Importer>,
}

/// A function of a store.
#[derive(Clone, Debug)]
pub struct Func {
    pub(crate) store: StoreId,
    pub(crate) engine: Engine,
    pub(crate) id: FunctionId,
    ty: Arc<FuncType>,
}

/// The function type with a canonical id.
///
/// # Panics
/// If the type is no function type.
pub(crate) fn func_type(engine: &Engine, id: TypeId) -> Arc<FuncType> {
    match &engine.types().sub_type(id).composite {
        CompositeType::Func(ty) => Arc::new(ty.clone()),
        _ => panic!("type {id} is no function type"),
    }
}

impl Func {
    /// Makes a function of a closure, which lasts as long as the store.
    ///
    /// # Errors
    /// [`Error::WrongEngine`], [`Error::Heap`] where types run out, [`Error::Compile`].
    pub fn new(
        engine: &Engine,
        store: &mut Store,
        ty: &FuncType,
        closure: impl Fn(Caller<'_>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::with_body(engine, store, ty, HostBody::Values(Arc::new(closure)))
    }

    pub(crate) fn with_body(
        engine: &Engine,
        store: &mut Store,
        ty: &FuncType,
        body: HostBody,
    ) -> Result<Self, Error> {
        Self::imported(engine, store, ty, body, Arc::default())
    }

    /// As [`Self::with_body`], for an instance to be.
    pub(crate) fn imported(
        engine: &Engine,
        store: &mut Store,
        ty: &FuncType,
        body: HostBody,
        importer: Arc<Importer>,
    ) -> Result<Self, Error> {
        attach(engine, store)?;
        let type_id = engine.types().register_func(ty.clone())?;
        let trampolines = engine.trampolines(type_id)?;
        let ty = func_type(engine, type_id);
        let code = host_entry::call as *const () as usize;
        let function = Arc::new(HostFunction {
            ty,
            engine: engine.clone(),
            body,
            importer,
        });
        let context = Arc::new(HostContext { code, function });
        let entry = FunctionEntry {
            code: trampolines.host,
            context: Arc::as_ptr(&context).expose_provenance(),
            type_id: type_id.bits(),
            padding: 0,
            array_entry: trampolines.entry,
        };
        store
            .isolate_mut()
            .keep_alive(context as Arc<dyn Any + Send + Sync>);
        // SAFETY: the trampolines were made for this type, and live as long as the engine, which the
        // context keeps alive; the context is what the host trampoline expects, and lives as long
        // as the store.
        let id = unsafe { store.isolate_mut().add_function(entry) };
        Ok(Self::of_id(engine, store, id).expect("the function was added just now"))
    }

    /// The function with this id, or `None` for null and ids that are no function of the store.
    ///
    /// The store must be one that runs code of `engine`.
    #[must_use]
    pub fn of_id(engine: &Engine, store: &mut Store, id: FunctionId) -> Option<Self> {
        let type_id = TypeId::from_bits(store.isolate().function(id)?.type_id);
        let ty = func_type(engine, type_id);
        Some(Self {
            store: attach(engine, store).ok()?,
            engine: engine.clone(),
            id,
            ty,
        })
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> &FuncType {
        &self.ty
    }

    /// Its id in the store, as values hold it.
    #[must_use]
    pub const fn id(&self) -> FunctionId {
        self.id
    }

    /// Calls the function.
    ///
    /// A safepoint. Costs a few hundred nanoseconds more than the function itself.
    ///
    /// # Errors
    /// [`Error::Trap`] if the program was stopped; the store stays usable. [`Error::Host`], or
    /// whatever a host function it called returned. [`Error::ArgumentCount`], [`Error::ValueType`]
    /// and [`Error::WrongStore`] before anything ran.
    ///
    /// # Panics
    /// Resumes the panic of a host function it called.
    pub fn call(&self, store: &mut Store, args: &[Val]) -> Result<Results, Error> {
        self.store.check(store, "the function")?;
        let FuncType { params, results } = &*self.ty;
        if args.len() != params.len() {
            return Err(Error::ArgumentCount {
                expected: params.len(),
                given: args.len(),
            });
        }
        for (index, (arg, ty)) in args.iter().zip(params).enumerate() {
            check_type(store, arg, *ty, || format!("argument {index}"))?;
        }
        let mut slots: SmallVec<[Slot; 8]> =
            SmallVec::from_elem(Slot::default(), params.len().max(results.len()));
        // No safepoint from here to the entry: raw references stay right.
        for (slot, arg) in slots.iter_mut().zip(args) {
            *slot = Slot::new(to_bits(store, arg)?);
        }
        self.call_slots(store, &mut slots)?;
        Ok(results
            .iter()
            .zip(&slots)
            .map(|(ty, slot)| from_bits(store, *ty, slot.bits))
            .collect())
    }

    /// Calls the function with arguments of its type in slots.
    pub(crate) fn call_slots(&self, store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
        // The host may have registered types since.
        store.isolate_mut().sync_types();
        enter(store, self, slots).map_err(|ended| {
            let error = match *ended {
                Ended::Trapped(trap) => self.engine.trap(&trap, None),
                Ended::Failed(error, trap) => self.engine.trap(&trap, Some(error)),
            };
            settle(store, &error);
            error
        })
    }
}
