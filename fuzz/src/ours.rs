//! This engine's side of the comparison.

mod endings;
mod imports;
mod reader;

use crate::observe::{Arg, Ending, Graph, HostCall, MAX_ELEMENTS, Observation, hash_bytes};
use crate::setting::Setting;
use endings::ending;
use reader::{Found, Objects};
use std::sync::{Arc, Mutex, PoisonError};
use windrow::{ExternRef, FunctionId, Ref, Store, Val};
use windrow_wasm::{Error, Extern, Instance, Module};

/// Calls of host functions, in order.
type Log = Arc<Mutex<Vec<HostCall>>>;

/// An instance, and what calls of it returned.
pub(crate) struct Ours {
    store: Store,
    instance: Instance,
    exports: Vec<(String, Extern)>,
    earlier: Vec<Val>,
    log: Log,
}

/// Compiles a module on an engine of a setting.
///
/// # Errors
/// What the engine says.
pub(crate) fn load(setting: Setting, wasm: &[u8]) -> Result<Module, Error> {
    Module::new(&setting.engine(), wasm)
}

impl Ours {
    /// Instantiates a module; `None` where an import cannot be made.
    ///
    /// # Errors
    /// How it ended otherwise.
    pub(crate) fn new(module: &Module) -> Result<Option<Self>, Ending> {
        let engine = module.engine();
        let mut store = engine
            .new_store()
            .map_err(|error| Ending::Limit(error.to_string()))?;
        let log = Log::default();
        let instance = match imports::linker(module, &log).instantiate(&mut store, module) {
            Ok(instance) => instance,
            Err(Error::MissingImport { .. } | Error::ImportType { .. }) => return Ok(None),
            Err(error) => return Err(ending(&mut store, &[], &error).0),
        };
        let names: Vec<String> = instance.export_names().map(str::to_owned).collect();
        let exports = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), instance.export(&mut store, &name)?)))
            .collect();
        let mut ours = Self {
            store,
            instance,
            exports,
            earlier: Vec::new(),
            log,
        };
        ours.keep_exports();
        Ok(Some(ours))
    }

    /// Exported functions and references are arguments of later calls.
    fn keep_exports(&mut self) {
        for (_, item) in &self.exports {
            match item {
                Extern::Func(func) => self.earlier.push(Val::Func(func.id())),
                Extern::Global(global) => {
                    let value = global.value(&mut self.store).expect("it is of this store");
                    keep(&mut self.earlier, &[value]);
                }
                _ => {}
            }
        }
    }

    /// Calls an exported function and looks at everything.
    pub(crate) fn call(&mut self, name: &str, args: &[Arg]) -> Observation {
        let args: Vec<Val> = args.iter().map(|arg| self.value(arg)).collect();
        let Some(func) = self.instance.func(&mut self.store, name) else {
            return self.observe(Ending::Failed(format!("no function {name}")), Vec::new());
        };
        match func.call(&mut self.store, &args) {
            Ok(results) => {
                keep(&mut self.earlier, &results);
                self.observe(Ending::Returned, results.to_vec())
            }
            Err(error) => {
                let (ending, args) = ending(&mut self.store, &self.exports, &error);
                self.observe(ending, args)
            }
        }
    }

    fn value(&mut self, arg: &Arg) -> Val {
        match arg {
            Arg::I32(value) => Val::I32(*value),
            Arg::I64(value) => Val::I64(*value),
            Arg::F32(bits) => Val::F32(*bits),
            Arg::F64(bits) => Val::F64(*bits),
            Arg::V128(bits) => Val::V128(*bits),
            Arg::Null => Val::Ref(Ref::Null),
            Arg::NullFunction => Val::Func(FunctionId::NULL),
            Arg::I31(value) => Val::Ref(Ref::I31(*value)),
            Arg::Host(number) => {
                let mut scope = self.store.scope();
                match ExternRef::new(&mut scope, *number) {
                    Ok(made) => Val::Ref(made.own(&mut scope).into()),
                    Err(_) => Val::Ref(Ref::Null),
                }
            }
            Arg::Earlier(index) => self.earlier[*index].clone(),
        }
    }

    /// Everything that can be seen now, and that the heap is whole.
    pub(crate) fn observe(&mut self, ending: Ending, results: Vec<Val>) -> Observation {
        if let Err(error) = self.store.verify() {
            let ending = Ending::Failed(format!("the heap is not whole: {error}"));
            return Observation::of(ending);
        }
        let mut values = results;
        let count = values.len();
        let (mut memories, mut tables) = (Vec::new(), Vec::new());
        for (_, item) in &self.exports {
            match item {
                Extern::Global(global) => {
                    let value = global.value(&mut self.store);
                    values.push(value.expect("it is of this store"));
                }
                Extern::Memory(memory) => {
                    let len = memory.size_bytes();
                    let mut bytes = vec![0; usize::try_from(len).expect("it is mapped")];
                    let read = memory.read(&self.store, 0, &mut bytes);
                    read.expect("all of it can be read");
                    memories.push((len, hash_bytes(&bytes)));
                }
                Extern::Table(table) => {
                    tables.push(table.len().into());
                    for index in 0..table.len().min(MAX_ELEMENTS) {
                        let value = table.element(&mut self.store, index);
                        values.push(value.expect("the index is in range"));
                    }
                }
                _ => {}
            }
        }
        let roots: Vec<Found> = values
            .iter()
            .map(|value| Found::of_value(&self.store, value))
            .collect();
        let graph = Graph::walk(&mut Objects(&self.store), roots);
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        Observation {
            ending,
            results: count,
            memories,
            tables,
            graph,
            host_calls: log.clone(),
        }
    }

    /// How often the heap was collected.
    pub(crate) fn collections(&mut self) -> u64 {
        self.store.stats().collections()
    }
}

/// Keeps the references among some values.
fn keep(earlier: &mut Vec<Val>, values: &[Val]) {
    let is_kept = |value: &&Val| match value {
        Val::Func(id) => !id.is_null(),
        Val::Ref(reference) => !reference.is_null(),
        _ => false,
    };
    earlier.extend(values.iter().filter(is_kept).cloned());
}
