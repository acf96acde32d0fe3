//! What a program can import, chosen by `--host`.

use windrow_wasm::{Engine, Error, Linker, js};

/// The host a program was compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Host {
    /// No host: the program imports nothing.
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
}
