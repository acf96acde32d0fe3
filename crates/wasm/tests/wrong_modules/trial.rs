//! A module on trial.

use crate::unwinders;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use windrow::{CollectorKind, Config, MemoryKind, Ref, Store, Val, ValType, Zeal};
use windrow_wasm::{
    Engine, Error, Extern, ExternType, Func, Global, Instance, Linker, Memory, Module, Table, Tag,
};

/// Fuel for the start function, and for each export.
const FUEL: u64 = 2000;

/// Exports called of each module.
const MAX_CALLS: usize = 8;

/// Modules compiled by one engine, whose types and trampolines stay.
const MODULES_PER_ENGINE: u64 = 1000;

/// What came of modules.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many were refused.
    pub(crate) refused: u64,
    /// How many were accepted.
    pub(crate) accepted: u64,
    /// Why.
    pub(crate) errors: Vec<Error>,
}

impl Tally {
    /// How many there were.
    pub(crate) const fn tried(&self) -> u64 {
        self.refused + self.accepted
    }
}

/// Tries modules on engines of different kinds in turn.
pub(crate) struct Trial {
    engines: Vec<Engine>,
    tally: Tally,
}

fn engines() -> Vec<Engine> {
    let config = |collector| Config::new().collector(collector).heap_max_bytes(4 << 20);
    let copying = config(CollectorKind::Copying);
    let options = unwinders::options()
        .stack_max_bytes(64 << 10)
        .interruptible(true)
        .fuel(true);
    [
        copying.clone(),
        config(CollectorKind::Null).memory(MemoryKind::Checked),
        copying.zeal(Zeal::every(3)),
    ]
    .iter()
    .map(|config| Engine::with_options(config, options).unwrap())
    .collect()
}

impl Trial {
    pub(crate) fn new() -> Self {
        Self {
            engines: engines(),
            tally: Tally::default(),
        }
    }

    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }

    /// Tries a module, and says which one it was if that panics.
    pub(crate) fn run(&mut self, source: &str, case: u64, bytes: &[u8]) {
        if case % MODULES_PER_ENGINE == MODULES_PER_ENGINE - 1 {
            self.engines = engines();
        }
        let turn = usize::try_from(case).unwrap() % self.engines.len();
        let engine = &self.engines[turn];
        match catch_unwind(AssertUnwindSafe(|| attempt(engine, bytes))) {
            Ok(None) => self.tally.accepted += 1,
            Ok(Some(error)) => {
                self.tally.refused += 1;
                self.tally.errors.push(error);
            }
            Err(panic) => {
                let path = std::env::temp_dir().join(format!("windrow-{source}-{case}.wasm"));
                let _ = std::fs::write(&path, bytes);
                eprintln!(
                    "case {case} of {source} panicked; it is in {}",
                    path.display()
                );
                resume_unwind(panic)
            }
        }
    }
}

/// Loads a module and runs what it exports. The error if it was refused.
fn attempt(engine: &Engine, bytes: &[u8]) -> Option<Error> {
    let module = match Module::new(engine, bytes) {
        Ok(module) => module,
        Err(error) => return Some(error),
    };
    let mut store = engine.new_store().unwrap();
    engine.set_fuel(&mut store, FUEL).unwrap();
    if let Ok(instance) = instantiate(engine, &mut store, &module) {
        call_exports(engine, &mut store, &instance);
    }
    store.verify().unwrap();
    None
}

fn instantiate(engine: &Engine, store: &mut Store, module: &Module) -> Result<Instance, Error> {
    let mut linker = Linker::new(engine);
    for (from, name, ty) in module.imports() {
        linker.define(from, name, import(engine, store, ty)?);
    }
    linker.instantiate(store, module)
}

/// Something of the type that an import asks for.
fn import(engine: &Engine, store: &mut Store, ty: ExternType) -> Result<Extern, Error> {
    Ok(match ty {
        ExternType::Func(ty) => Func::new(engine, store, &ty, |_, _, _| Ok(()))?.into(),
        ExternType::Table(ty) => {
            let value = value(ValType::Ref(ty.element));
            Table::new(store, ty, &value)?.into()
        }
        ExternType::Memory(ty) => Memory::new(store, ty)?.into(),
        ExternType::Global(ty) => Global::new(store, ty, &value(ty.content))?.into(),
        ExternType::Tag(ty) => Tag::new(engine, store, &ty)?.into(),
        other => panic!("imports of type {other} are not known"),
    })
}

/// A value of a type, unless that is one of references that cannot be null.
fn value(ty: ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(1),
        ValType::I64 => Val::I64(-1),
        ValType::F32 => Val::F32(1.5_f32.to_bits()),
        ValType::F64 => Val::F64(f64::NAN.to_bits()),
        ValType::V128 => Val::V128(u128::MAX / 3),
        ValType::Ref(ty)
            if matches!(
                ty.heap_type,
                windrow::HeapType::Func | windrow::HeapType::NoFunc
            ) =>
        {
            Val::Func(windrow::FunctionId::NULL)
        }
        _ => Val::Ref(Ref::Null),
    }
}

fn call_exports(engine: &Engine, store: &mut Store, instance: &Instance) {
    let functions: Vec<Func> = instance
        .export_names()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .iter()
        .filter_map(|name| instance.func(store, name))
        .take(MAX_CALLS)
        .collect();
    for function in functions {
        engine.set_fuel(store, FUEL).unwrap();
        let args: Vec<Val> = function.ty().params.iter().map(|ty| value(*ty)).collect();
        // It may return, trap, or be refused arguments that are null.
        let _ = function.call(store, &args);
    }
}
