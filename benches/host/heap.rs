//! windrow: each program once, for every collector and for both ways in.
//!
//! A [`Door`] is the one difference between the checked API and the unchecked one. The collector is
//! the configuration's, and no program knows it.

mod door;
mod gcbench;
mod binary_trees;
mod list;
mod strings;

pub(crate) use door::{Checked, Door, Unchecked};

use crate::size::Size;
use windrow::{Config, Error, FieldType, Store, StructType, TypeId, TypeUse, ValType};

/// Runs a program.
pub(crate) fn run<D: Door>(program: &str, config: &Config, size: &Size) -> Result<u64, Error> {
    let mut store = Store::new(config)?;
    match program {
        "gcbench" => gcbench::run::<D>(&mut store, size),
        "binary-trees" => binary_trees::run::<D>(&mut store, size),
        "list" => list::run::<D>(&mut store, size),
        _ => strings::run::<D>(&mut store, size),
    }
}

/// A field of a type that is being declared.
#[derive(Clone, Copy)]
pub(crate) enum Declared {
    /// A reference to the type itself, or null.
    Own,
    /// Something else.
    Of(ValType<TypeUse>),
}

/// Declares a struct type of mutable fields.
pub(crate) fn declare(store: &Store, fields: &[Declared]) -> Result<TypeId, Error> {
    let fields = fields.iter().map(|field| {
        FieldType::mutable(match field {
            Declared::Own => ValType::member(0),
            Declared::Of(ty) => *ty,
        })
    });
    let ids = store
        .types()
        .register_group(&[StructType::new(fields).into()])?;
    Ok(*ids.first().expect("one definition, one id"))
}
