//! Bytes at the loader: a module or an error, and what is accepted runs and leaves a whole heap.

use crate::setting::Setting;
use windrow::{FunctionId, HeapType, Ref, Store, Val, ValType};
use windrow_wasm::{
    Engine, Error, Extern, ExternType, Func, Global, Instance, Linker, Memory, Module, Table, Tag,
};

/// Fuel for the start function, and for each export.
const FUEL: u64 = 2000;

/// Exports called of each module.
const MAX_CALLS: usize = 8;

/// The longest text that is parsed: nobody's modules are nested as deeply as a fuzzer's.
const MAX_BYTES: usize = 16 << 10;

/// Loads a module on the engine that the first byte chooses, and runs what it exports.
///
/// # Panics
/// If the loader or the program do what they never should, or the heap is not whole afterwards.
pub fn run(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    if bytes.len() > MAX_BYTES {
        return;
    }
    let engine = Setting::of_byte(*choice).with_fuel().engine();
    let Ok(module) = Module::new(&engine, bytes) else {
        return;
    };
    let mut store = engine.new_store().expect("the system has room for a store");
    let fuelled = engine.set_fuel(&mut store, FUEL);
    fuelled.expect("the engine counts fuel");
    if let Ok(instance) = instantiate(&engine, &mut store, &module) {
        call_exports(&engine, &mut store, &instance);
    }
    store.verify().expect("the heap is whole");
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
            let value = value(store, ValType::Ref(ty.element));
            Table::new(store, ty, &value)?.into()
        }
        ExternType::Memory(ty) => Memory::new(store, ty)?.into(),
        ExternType::Global(ty) => {
            let value = value(store, ty.content);
            Global::new(store, ty, &value)?.into()
        }
        ExternType::Tag(ty) => Tag::new(engine, store, &ty)?.into(),
        other => unreachable!("there are no imports of type {other}"),
    })
}

/// A value of a type, unless that is one of references that cannot be null.
fn value(store: &Store, ty: ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(1),
        ValType::I64 => Val::I64(-1),
        ValType::F32 => Val::F32(1.5_f32.to_bits()),
        ValType::F64 => Val::F64(f64::NAN.to_bits()),
        ValType::V128 => Val::V128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        ValType::Ref(ty) => {
            let is_func = |id| store.types().sub_type(id).as_func().is_some();
            match ty.heap_type.top(is_func) {
                HeapType::Func => Val::Func(FunctionId::NULL),
                _ => Val::Ref(Ref::Null),
            }
        }
    }
}

fn call_exports(engine: &Engine, store: &mut Store, instance: &Instance) {
    let names: Vec<String> = instance.export_names().map(str::to_owned).collect();
    let functions = names.iter().filter_map(|name| instance.func(store, name));
    let functions: Vec<Func> = functions.take(MAX_CALLS).collect();
    for function in functions {
        let fuelled = engine.set_fuel(store, FUEL);
        fuelled.expect("the engine counts fuel");
        let args: Vec<Val> = (function.ty().params.iter())
            .map(|ty| value(store, *ty))
            .collect();
        // It may return, trap, or be refused arguments that are null.
        let _ = function.call(store, &args);
    }
}
