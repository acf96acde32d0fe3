//! What modules import, in this engine: host functions that return zeros and nulls, and globals,
//! tables and memories of them.

use super::Log;
use super::endings::NO_RESULT;
use super::reader::{Found, Objects};
use crate::observe::{HostCall, Look, Reader, Seen};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use windrow::{CollectionKind, FunctionId, HeapType, Ref, Store, Val, ValType};
use windrow_wasm::{Error, Extern, ExternType, Func, Global, Linker, Memory, Module, Table, Tag};

/// A linker that makes whatever a module imports. Each import is made for itself, as two of them
/// may have one name and different types.
pub(super) fn linker(module: &Module, log: &Log) -> Linker {
    let mut linker = Linker::new(module.engine());
    let next = Arc::new(AtomicUsize::new(0));
    for (from, _, _) in module.imports() {
        let (log, next) = (log.clone(), Arc::clone(&next));
        linker.define_with(from, move |store, module, _, ty| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            import(module, store, &log, number, ty)
        });
    }
    linker
}

fn import(
    module: &Module,
    store: &mut Store,
    log: &Log,
    number: usize,
    ty: &ExternType,
) -> Result<Option<Extern>, Error> {
    let engine = module.engine();
    Ok(Some(match ty {
        ExternType::Func(ty) => {
            let log = log.clone();
            let has_results = ty.results.iter().all(|ty| ty.is_defaultable());
            let call = move |mut caller: windrow_wasm::Caller<'_>, args: &[Val], _: &mut [Val]| {
                // A safepoint that only this engine has: nobody must notice.
                caller
                    .store()
                    .gc(CollectionKind::Full)
                    .map_err(Error::host)?;
                let mut objects = Objects(caller.store());
                let see = |value| match objects.look(&Found::of_value(objects.0, value)) {
                    Look::Plain(seen) => seen,
                    Look::Object(_) => Seen::Object(0),
                };
                let args = args.iter().map(see).collect();
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.push(HostCall {
                    import: number,
                    args,
                });
                if has_results {
                    return Ok(());
                }
                Err(Error::host(NO_RESULT))
            };
            Func::new(engine, store, ty, call)?.into()
        }
        ExternType::Global(ty) => match default(store, ty.content) {
            Some(value) => Global::new(store, *ty, &value)?.into(),
            None => return Ok(None),
        },
        ExternType::Table(ty) => match default(store, ValType::Ref(ty.element)) {
            Some(value) => Table::new(store, *ty, &value)?.into(),
            None => return Ok(None),
        },
        ExternType::Memory(ty) => Memory::new(store, *ty)?.into(),
        ExternType::Tag(ty) => Tag::new(engine, store, ty)?.into(),
        other => unreachable!("there are no imports of type {other}"),
    }))
}

/// Zero or null, if a type has it.
fn default(store: &Store, ty: ValType) -> Option<Val> {
    Some(match ty {
        ValType::I32 => Val::I32(0),
        ValType::I64 => Val::I64(0),
        ValType::F32 => Val::F32(0),
        ValType::F64 => Val::F64(0),
        ValType::V128 => Val::V128(0),
        ValType::Ref(ty) if !ty.nullable => return None,
        ValType::Ref(ty) if is_func(store, ty.heap_type) => Val::Func(FunctionId::NULL),
        ValType::Ref(_) => Val::Ref(Ref::Null),
    })
}

fn is_func(store: &Store, heap_type: HeapType) -> bool {
    let is_func = |id| store.types().sub_type(id).as_func().is_some();
    heap_type.top(is_func) == HeapType::Func
}
