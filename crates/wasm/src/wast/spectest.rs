//! The `spectest` module: what the suite's scripts import of a host.

use crate::error::Error;
use crate::global::{Global, GlobalType};
use crate::linker::Linker;
use crate::memory::{Memory, MemoryType};
use crate::table::{Table, TableType};
use windrow::{FuncType, FunctionId, HeapType, RefType, Store, Val, ValType};

/// Defines `spectest`. Its functions take their arguments and print nothing.
pub(super) fn define(linker: &mut Linker, store: &mut Store) -> Result<(), Error> {
    use ValType::{F32, F64, I32, I64};
    let functions: [(&str, &[ValType]); 7] = [
        ("print", &[]),
        ("print_i32", &[I32]),
        ("print_i64", &[I64]),
        ("print_f32", &[F32]),
        ("print_f64", &[F64]),
        ("print_i32_f32", &[I32, F32]),
        ("print_f64_f64", &[F64, F64]),
    ];
    for (name, params) in functions {
        let ty = FuncType::new(params.iter().copied(), []);
        linker.define_func("spectest", name, ty, |_, _, _| Ok(()));
    }
    let globals = [
        ("global_i32", I32, Val::I32(666)),
        ("global_i64", I64, Val::I64(666)),
        ("global_f32", F32, Val::F32(666.6_f32.to_bits())),
        ("global_f64", F64, Val::F64(666.6_f64.to_bits())),
    ];
    for (name, content, value) in globals {
        let global = Global::new(
            store,
            GlobalType {
                content,
                mutable: false,
            },
            &value,
        )?;
        linker.define("spectest", name, global);
    }
    let ty = TableType {
        element: RefType::nullable(HeapType::Func),
        initial: 10,
        max: Some(20),
    };
    let table = Table::new(store, ty, &Val::Func(FunctionId::NULL))?;
    linker.define("spectest", "table", table);
    let memory = Memory::new(
        store,
        MemoryType {
            initial_pages: 1,
            max_pages: Some(2),
        },
    )?;
    linker.define("spectest", "memory", memory);
    Ok(())
}
