//! What `windrow run` calls: an export and its arguments, read by the types of its parameters.

use crate::args::RunArgs;
use crate::error::Failure;
use crate::{values, wasi};
use windrow::{FuncType, Store, TypeRegistry, Val};
use windrow_wasm::{Error, ExternType, Instance, Module};

/// The export a program starts with when none is named.
const START: &str = "_start";

/// The call a run makes, checked before anything of the program runs.
pub(crate) struct Call {
    /// The export's name.
    pub(crate) export: String,
    args: Vec<Val>,
}

impl Call {
    /// Makes the call.
    ///
    /// # Errors
    /// How it ended that did not return.
    ///
    /// # Panics
    /// If `instance` is of another module than the call was checked against.
    pub(crate) fn make(&self, store: &mut Store, instance: &Instance) -> Result<Vec<Val>, Error> {
        let func = instance
            .func(store, &self.export)
            .expect("the export was checked against the module");
        func.call(store, &self.args)
            .map(|results| results.into_vec())
    }
}

/// What to call: the export named, else `_start` if the module has one, else nothing if there is
/// nothing to call.
///
/// # Errors
/// [`Failure::Input`] for an export there is not, and arguments that are not its own.
pub(crate) fn call(
    args: &RunArgs,
    module: &Module,
    types: &TypeRegistry,
) -> Result<Option<Call>, Failure> {
    let functions: Vec<(&str, FuncType)> = module
        .exports()
        .filter_map(|(name, ty)| match ty {
            ExternType::Func(ty) => Some((name, ty)),
            _ => None,
        })
        .collect();
    let find = |name: &str| functions.iter().find(|(export, _)| *export == name);
    let name = match &args.invoke {
        Some(name) => name.as_str(),
        None if find(START).is_some() => START,
        None if functions.is_empty() && args.args.is_empty() => return Ok(None),
        None => {
            let message = format!(
                "which function to call? name it with --invoke; {}",
                list(&functions)
            );
            return Err(Failure::input(message));
        }
    };
    let Some((_, ty)) = find(name) else {
        let what = if module.exports().any(|(export, _)| export == name) {
            "is not a function"
        } else {
            "is not exported"
        };
        return Err(Failure::input(format!(
            "`{name}` {what}; {}",
            list(&functions)
        )));
    };
    if args.invoke.is_none() && wasi::is_command(ty) {
        return Ok(Some(Call {
            export: name.to_owned(),
            args: Vec::new(),
        }));
    }
    if args.args.len() != ty.params.len() {
        let takes = match ty.params.len() {
            1 => "1 argument".to_owned(),
            count => format!("{count} arguments"),
        };
        let message = format!(
            "`{name}` takes {takes}, {} given; its type is {ty}",
            args.args.len()
        );
        return Err(Failure::input(message));
    }
    let parsed = args
        .args
        .iter()
        .zip(&ty.params)
        .enumerate()
        .map(|(index, (text, ty))| {
            values::parse(text, *ty, types).map_err(|error| {
                Failure::input(format!("argument {} of `{name}`: {error}", index + 1))
            })
        });
    Ok(Some(Call {
        export: name.to_owned(),
        args: parsed.collect::<Result<_, _>>()?,
    }))
}

/// The exported functions, as many as fit a line.
fn list(functions: &[(&str, FuncType)]) -> String {
    const SHOWN: usize = 16;
    if functions.is_empty() {
        return "the module exports no functions".to_owned();
    }
    let names: Vec<&str> = functions
        .iter()
        .take(SHOWN)
        .map(|(name, _)| *name)
        .collect();
    let more = match functions.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("exported functions: {}{more}", names.join(", "))
}
