//! What modules import, in the other engine.

use super::Log;
use super::endings::NoResult;
use super::reader::Objects;
use crate::observe::{HostCall, Look, Reader, Seen};
use wasmtime::{
    AsContextMut, Error, Extern, ExternType, Func, Global, Memory, Store, Table, Tag, Val, ValType,
};

/// Something of the type that an import asks for; `None` where that cannot be made.
pub(super) fn import(
    store: &mut Store<Log>,
    number: usize,
    ty: &ExternType,
) -> Result<Option<Extern>, Error> {
    Ok(Some(match ty {
        ExternType::Func(ty) => {
            let defaults: Option<Vec<Val>> =
                ty.results().map(|ty| Val::default_for_ty(&ty)).collect();
            let call =
                move |mut caller: wasmtime::Caller<'_, Log>, args: &[Val], results: &mut [Val]| {
                    let mut context = caller.as_context_mut();
                    let mut objects = Objects(&mut context);
                    let see = |value: &Val| match objects.look(value) {
                        Look::Plain(seen) => seen,
                        Look::Object(_) => Seen::Object(0),
                    };
                    let args = args.iter().map(see).collect();
                    caller.data_mut().push(HostCall {
                        import: number,
                        args,
                    });
                    match &defaults {
                        Some(defaults) => {
                            results.copy_from_slice(defaults);
                            Ok(())
                        }
                        None => Err(Error::new(NoResult)),
                    }
                };
            Func::new(store, ty.clone(), call).into()
        }
        ExternType::Global(ty) => match Val::default_for_ty(ty.content()) {
            Some(value) => Global::new(store, ty.clone(), value)?.into(),
            None => return Ok(None),
        },
        ExternType::Table(ty) => {
            let value = Val::default_for_ty(&ValType::Ref(ty.element().clone()));
            match value.and_then(|value| value.ref_()) {
                Some(value) => Table::new(store, ty.clone(), value)?.into(),
                None => return Ok(None),
            }
        }
        ExternType::Memory(ty) => Memory::new(store, ty.clone())?.into(),
        ExternType::Tag(ty) => Tag::new(store, ty)?.into(),
    }))
}
