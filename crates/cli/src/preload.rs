//! Modules that are instantiated before the program, for it to import from.

use crate::args::Preload;
use crate::error::Failure;
use crate::host::Host;
use crate::run::cannot;
use windrow::Store;
use windrow_wasm::{Engine, Error, Linker, Module};

/// A module and its item of the command line.
pub(crate) struct Library<'a> {
    item: &'a Preload,
    module: Module,
}

/// Reads and compiles the modules named on the command line.
///
/// # Errors
/// [`Failure::Input`] for a file that cannot be read, or is no module.
pub(crate) fn compile<'a>(
    engine: &Engine,
    items: &'a [Preload],
) -> Result<Vec<Library<'a>>, Failure> {
    let compile = |item: &'a Preload| {
        let bytes =
            std::fs::read(&item.file).map_err(|error| cannot("read", &item.file, &error))?;
        let module = Module::new(engine, &bytes).map_err(|error| unusable(item, &error, ""))?;
        Ok(Library { item, module })
    };
    items.iter().map(compile).collect()
}

/// Instantiates modules in order, and defines what each exports for those that follow.
///
/// # Errors
/// [`Failure::Trap`] if a start function or a segment trapped, [`Failure::Input`] for imports that
/// nothing before provides.
pub(crate) fn instantiate(
    libraries: Vec<Library<'_>>,
    host: Host,
    linker: &mut Linker,
    store: &mut Store,
) -> Result<(), Failure> {
    for Library { item, module } in libraries {
        let instance = linker
            .instantiate(store, &module)
            .map_err(|error| match error {
                Error::Trap(trap) => Failure::Trap(trap),
                Error::MissingImport { ref module, .. } => {
                    let advice = host.advice(module);
                    let otherwise = ", or preload a module that exports it before this one";
                    unusable(item, &error, advice.unwrap_or(otherwise))
                }
                error => unusable(item, &error, ""),
            })?;
        linker.define_instance(store, &item.name, &instance);
    }
    Ok(())
}

fn unusable(item: &Preload, error: &Error, advice: &str) -> Failure {
    Failure::input(format!("`{}`: {error}{advice}", item.file.display()))
}
