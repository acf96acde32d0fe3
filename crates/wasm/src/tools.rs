//! Tools outside the engine that are told where functions are: profilers and debuggers.

use crate::error::Error;
use crate::perf_map;
use std::ops::Range;
#[cfg(feature = "debugger")]
use windrow_stack::{DebuggerEntry, DebuggerImage};

/// Which tools are told of placed code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tools {
    /// Profilers, by a file.
    pub(crate) perf_map: bool,
    /// Debuggers, by an image in memory.
    #[cfg(feature = "debugger")]
    pub(crate) debugger: bool,
}

/// What was told of a range of code, and is taken back when dropped; the file is not.
#[derive(Debug)]
pub(crate) struct Told {
    #[cfg(feature = "debugger")]
    _debugger: Option<DebuggerEntry>,
}

impl Tools {
    /// No tool.
    pub(crate) const NONE: Self = Self {
        perf_map: false,
        #[cfg(feature = "debugger")]
        debugger: false,
    };

    /// Whether one of them wants a frame for each call.
    pub(crate) const fn want_frames(self) -> bool {
        #[cfg(feature = "debugger")]
        return self.debugger;
        #[cfg(not(feature = "debugger"))]
        false
    }

    /// Tells them of the code at `range`, with its unwind table and the names of its functions,
    /// which are made only if a tool wants them.
    ///
    /// # Errors
    /// [`Error::PerfMap`] if the system refuses, [`Error::Stack`] without room for the names.
    pub(crate) fn tell(
        self,
        range: Range<usize>,
        eh_frame: &[u8],
        functions: impl Iterator<Item = (Range<usize>, String)> + Clone,
    ) -> Result<Told, Error> {
        if self.perf_map {
            perf_map::append(functions.clone())?;
        }
        #[cfg(feature = "debugger")]
        let told = if self.debugger {
            let image = DebuggerImage::new(range, eh_frame, functions)?;
            Told {
                _debugger: Some(DebuggerEntry::register(image)),
            }
        } else {
            Told { _debugger: None }
        };
        #[cfg(not(feature = "debugger"))]
        let told = {
            let _ = (range, eh_frame);
            Told {}
        };
        Ok(told)
    }
}
