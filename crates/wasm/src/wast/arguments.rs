//! Arguments as scripts write them.
//!
//! `ref.extern N` and `ref.host N` are host values: each use puts a [`HostNumber`] into the heap.

use super::{Stop, fail};
use crate::func::Func;
use crate::value::default_value;
use wast::WastArg;
use wast::core::WastArgCore;
use windrow::{ExternRef, Ref, Store, Val, ValType};

/// The host value that stands for `ref.extern N` and `ref.host N`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct HostNumber(pub(super) u32);

/// The arguments of a call. A safepoint where there are host values among them.
pub(super) fn arguments(
    store: &mut Store,
    func: &Func,
    args: &[WastArg<'_>],
) -> Result<Vec<Val>, Stop> {
    let mut values = Vec::with_capacity(args.len());
    for (index, arg) in args.iter().enumerate() {
        let WastArg::Core(arg) = arg else {
            return fail("arguments of components are not core values");
        };
        values.push(argument(store, arg, func.ty().params.get(index).copied())?);
    }
    Ok(values)
}

fn argument(store: &mut Store, arg: &WastArgCore<'_>, ty: Option<ValType>) -> Result<Val, Stop> {
    Ok(match arg {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes())),
        // Which hierarchy a null belongs to is a matter of the parameter.
        WastArgCore::RefNull(_) => match ty {
            Some(ty @ ValType::Ref(_)) => default_value(store.types(), ty),
            _ => Val::Ref(Ref::Null),
        },
        WastArgCore::RefExtern(number) | WastArgCore::RefHost(number) => {
            Val::Ref(host_number(store, *number)?)
        }
    })
}

fn host_number(store: &mut Store, number: u32) -> Result<Ref, Stop> {
    let mut scope = store.scope();
    match ExternRef::new(&mut scope, HostNumber(number)) {
        Ok(made) => Ok(made.own(&mut scope).into()),
        Err(error) => fail(error.to_string()),
    }
}
