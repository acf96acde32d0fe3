//! What a program can import, chosen by `--host`.

use windrow_wasm::{Engine, Error, Linker, js, wasi};

/// The host a program was compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Host {
    /// None in particular: the program imports nothing, or WASI.
    #[default]
    None,
    /// JavaScript: its strings (`wasm:js-string`, constants) and what J2CL's programs import.
    Js,
}

impl Host {
    /// A linker with what programs can import.
    ///
    /// # Errors
    /// [`Error::Heap`] where types run out.
    pub(crate) fn linker(self, engine: &Engine) -> Result<Linker, Error> {
        match self {
            Self::None => Ok(Linker::new(engine)),
            Self::Js => js::linker(engine),
        }
    }

    /// What to do about an import of `module` that nothing provides, where its name tells: the end
    /// of a sentence.
    pub(crate) fn advice(self, module: &str) -> Option<&'static str> {
        if self != Self::Js && js::provides(module) {
            return Some(", or give it with --host js, if it was compiled for JavaScript");
        }
        let is_wasi = module.starts_with("wasi_") || module.starts_with("wasi:");
        (is_wasi && module != wasi::MODULE).then_some(
            "; of WASI there is preview 1, so compile the program for that (wasm32-wasip1)",
        )
    }
}
