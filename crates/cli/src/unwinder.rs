//! How frames of programs are walked, chosen by `--unwinder`.

use windrow_wasm::Unwinder;

/// How to get from a frame to its caller's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum UnwinderKind {
    /// Frame pointers.
    #[default]
    Fp,
    /// Unwind tables in the form of DWARF.
    Dwarf,
}

impl UnwinderKind {
    /// What the engine is asked for.
    pub(crate) const fn unwinder(self) -> Unwinder {
        match self {
            Self::Fp => Unwinder::FramePointers,
            Self::Dwarf => Unwinder::Dwarf,
        }
    }

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fp => "fp",
            Self::Dwarf => "dwarf",
        }
    }
}
