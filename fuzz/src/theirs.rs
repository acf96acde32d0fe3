//! The other engine's side of the comparison: wasmtime, on its heap that is never collected, so
//! that nothing which a collection could do wrong is done wrong on both sides.

mod arguments;
mod endings;
mod imports;
mod reader;

use crate::observe::{Arg, Ending, Graph, HostCall, MAX_ELEMENTS, Observation, hash_bytes};
use endings::ending;
use reader::Objects;
use std::sync::OnceLock;
use wasmtime::{Collector, Config, Engine, ExternRef, Func, I31, Instance, Module, Store, Val};

/// Calls of host functions, in order.
type Log = Vec<HostCall>;

/// An instance, and what calls of it returned.
pub(crate) struct Theirs {
    store: Store<Log>,
    instance: Instance,
    names: Vec<String>,
    pub(crate) earlier: Vec<Val>,
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config
            .collector(Collector::Null)
            .max_wasm_stack(crate::setting::STACK_MAX_BYTES)
            .wasm_function_references(true)
            .wasm_gc(true)
            .wasm_exceptions(true)
            .wasm_tail_call(true)
            .wasm_multi_memory(true)
            .wasm_relaxed_simd(false)
            .wasm_memory64(false);
        Engine::new(&config).expect("the configuration is one that the engine has")
    })
}

/// Compiles a module.
///
/// # Errors
/// What the engine says.
pub(crate) fn load(wasm: &[u8]) -> Result<Module, String> {
    Module::new(engine(), wasm).map_err(|error| format!("{error:#}"))
}

impl Theirs {
    /// Instantiates a module; `None` where an import cannot be made.
    ///
    /// # Errors
    /// How it ended otherwise.
    pub(crate) fn new(module: &Module) -> Result<Option<Self>, Ending> {
        let mut store = Store::new(engine(), Log::new());
        let mut imports = Vec::new();
        for (number, import) in module.imports().enumerate() {
            let made = imports::import(&mut store, number, &import.ty());
            let Some(item) = made.map_err(|error| Ending::Limit(format!("{error:#}")))? else {
                return Ok(None);
            };
            imports.push(item);
        }
        let instance = Instance::new(&mut store, module, &imports)
            .map_err(|error| ending(&mut store, &[], &error).0)?;
        let names = module.exports().map(|export| export.name().to_owned());
        let mut theirs = Self {
            names: names.collect(),
            store,
            instance,
            earlier: Vec::new(),
        };
        theirs.keep_exports();
        Ok(Some(theirs))
    }

    /// Exported functions and references are arguments of later calls.
    fn keep_exports(&mut self) {
        for name in &self.names {
            if let Some(func) = self.instance.get_func(&mut self.store, name) {
                self.earlier.push(Val::FuncRef(Some(func)));
            } else if let Some(global) = self.instance.get_global(&mut self.store, name) {
                let value = global.get(&mut self.store);
                keep(&mut self.earlier, &[value]);
            }
        }
    }

    /// Names of the exported functions.
    pub(crate) fn functions(&mut self) -> Vec<String> {
        let names = self.names.iter();
        names
            .filter(|name| self.instance.get_func(&mut self.store, name).is_some())
            .cloned()
            .collect()
    }

    fn func(&mut self, name: &str) -> Option<Func> {
        self.instance.get_func(&mut self.store, name)
    }

    /// Calls an exported function and looks at everything.
    pub(crate) fn call(&mut self, name: &str, args: &[Arg]) -> Observation {
        let args: Vec<Val> = args.iter().map(|arg| self.value(arg)).collect();
        let Some(func) = self.func(name) else {
            return self.observe(Ending::Failed(format!("no function {name}")), Vec::new());
        };
        let args = self.nulls_by_type(&func, args);
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        match func.call(&mut self.store, &args, &mut results) {
            Ok(()) => {
                keep(&mut self.earlier, &results);
                self.observe(Ending::Returned, results)
            }
            Err(error) => {
                let tags: Vec<_> = self
                    .names
                    .iter()
                    .filter_map(|name| {
                        Some((name.clone(), self.instance.get_tag(&mut self.store, name)?))
                    })
                    .collect();
                let (ending, args) = ending(&mut self.store, &tags, &error);
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
            Arg::V128(bits) => Val::V128((*bits).into()),
            Arg::Null => Val::AnyRef(None),
            Arg::NullFunction => Val::FuncRef(None),
            Arg::I31(value) => {
                let value = I31::wrapping_i32(*value);
                Val::AnyRef(Some(wasmtime::AnyRef::from_i31(&mut self.store, value)))
            }
            Arg::Host(number) => Val::ExternRef(ExternRef::new(&mut self.store, *number).ok()),
            Arg::Earlier(index) => self.earlier[*index],
        }
    }

    /// A null of the wrong hierarchy is replaced: here each hierarchy has one of its own.
    fn nulls_by_type(&self, func: &Func, args: Vec<Val>) -> Vec<Val> {
        let types = func.ty(&self.store);
        let fit = |(ty, arg): (wasmtime::ValType, Val)| match arg {
            Val::AnyRef(None) => Val::default_for_ty(&ty).unwrap_or(arg),
            arg => arg,
        };
        types.params().zip(args).map(fit).collect()
    }

    /// Everything that can be seen now.
    pub(crate) fn observe(&mut self, ending: Ending, results: Vec<Val>) -> Observation {
        let mut roots = results;
        let count = roots.len();
        let (mut memories, mut tables) = (Vec::new(), Vec::new());
        for name in &self.names {
            if let Some(global) = self.instance.get_global(&mut self.store, name) {
                roots.push(global.get(&mut self.store));
            } else if let Some(memory) = self.instance.get_memory(&mut self.store, name) {
                let bytes = memory.data(&self.store);
                memories.push((bytes.len() as u64, hash_bytes(bytes)));
            } else if let Some(table) = self.instance.get_table(&mut self.store, name) {
                let size = table.size(&self.store);
                tables.push(size);
                for index in 0..size.min(MAX_ELEMENTS.into()) {
                    let element = table.get(&mut self.store, index);
                    roots.push(element.expect("the index is in range").into());
                }
            }
        }
        let graph = Graph::walk(&mut Objects(&mut self.store), roots);
        Observation {
            ending,
            results: count,
            memories,
            tables,
            graph,
            host_calls: self.store.data().clone(),
        }
    }
}

/// Keeps the references among some values.
fn keep(earlier: &mut Vec<Val>, values: &[Val]) {
    let is_kept = |value: &&Val| {
        matches!(
            value,
            Val::FuncRef(Some(_))
                | Val::AnyRef(Some(_))
                | Val::ExternRef(Some(_))
                | Val::ExnRef(Some(_))
        )
    };
    earlier.extend(values.iter().filter(is_kept).copied());
}
