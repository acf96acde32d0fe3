//! Compiled code in memory: placed, linked, registered, and given back.
//!
//! All functions of a batch lie in one range, which is writable first and executable afterwards,
//! never both. The range is registered with its stack maps, trap sites and functions as long as it
//! lives, and unmapped after it was unregistered.

use crate::error::Error;
use crate::mapping::Mapping;
use cranelift_codegen::ir::LibCall;
use std::sync::Arc;
use windrow_cranelift::{CompileError, CompiledFunction, Symbol};
use windrow_stack::{
    CodeHandle, CodeRange, CodeRegistry, FunctionRange, Handler, Safepoint, TrapSite,
};

/// A function to place.
#[derive(Debug)]
pub(crate) struct Unplaced {
    /// Its code.
    pub(crate) code: CompiledFunction,
    /// What backtraces call it; code without an id is not shown.
    pub(crate) id: Option<u64>,
}

/// Code that can run, until it is dropped.
#[derive(Debug)]
pub(crate) struct Code {
    // Unregistered before the pages are given back.
    _handle: CodeHandle,
    _pages: Mapping,
    starts: Box<[usize]>,
}

impl Code {
    /// Places functions in one range. `names` says which of them a symbol means, by position.
    ///
    /// # Errors
    /// [`Error::Reservation`] without memory, [`Error::Compile`] for code that cannot be linked.
    pub(crate) fn place(
        registry: &Arc<CodeRegistry>,
        functions: &[Unplaced],
        names: impl Fn(u32) -> Option<usize>,
    ) -> Result<Self, Error> {
        let (offsets, len) = layout(functions)?;
        let mut pages = Mapping::reserve(len)?;
        pages.make_accessible(len)?;
        let base = pages.address();
        let starts: Box<[usize]> = offsets.iter().map(|offset| base + offset).collect();
        let symbol = |symbol: &Symbol| match symbol {
            Symbol::Function(name) => {
                names(name.index).and_then(|index| starts.get(index).copied())
            }
            Symbol::Library(call) => library_function(*call),
            Symbol::Offset(_) => None,
        };
        link(functions, &offsets, base, pages.bytes_mut(), symbol)?;
        pages.make_executable()?;
        let handle = registry.register(range(base, len, functions, &offsets))?;
        Ok(Self {
            _handle: handle,
            _pages: pages,
            starts,
        })
    }

    /// Address of the function at `position` in the batch.
    ///
    /// # Panics
    /// If the batch had fewer functions.
    pub(crate) fn address(&self, position: usize) -> usize {
        *self.starts.get(position).expect("a function of the batch")
    }
}

/// Offsets of functions one after another, and the bytes of all: at least one.
fn layout(functions: &[Unplaced]) -> Result<(Vec<usize>, usize), Error> {
    let mut offsets = Vec::with_capacity(functions.len());
    let mut len = 0_usize;
    for Unplaced { code, .. } in functions {
        let start = len.next_multiple_of(code.alignment.max(16) as usize);
        offsets.push(start);
        len = start + code.code.len();
    }
    if i32::try_from(len).is_err() {
        return Err(Error::compile(None, &"its code exceeds 2 GiB"));
    }
    Ok((offsets, len.max(1)))
}

/// Copies functions to their places and fills in what they refer to.
fn link(
    functions: &[Unplaced],
    offsets: &[usize],
    base: usize,
    memory: &mut [u8],
    address: impl Fn(&Symbol) -> Option<usize>,
) -> Result<(), Error> {
    let mut unknown = false;
    for (Unplaced { code, .. }, &offset) in functions.iter().zip(offsets) {
        let target = &mut memory[offset..offset + code.code.len()];
        target.copy_from_slice(&code.code);
        code.relocate(target, base + offset, |symbol| {
            let address = address(symbol);
            unknown |= address.is_none();
            address.unwrap_or(0)
        })?;
    }
    if unknown {
        return Err(Error::compile(None, &"it refers to code that is not there"));
    }
    Ok(())
}

fn range(start: usize, len: usize, functions: &[Unplaced], offsets: &[usize]) -> CodeRange {
    let mut range = CodeRange {
        start,
        len,
        ..CodeRange::default()
    };
    for (Unplaced { code, id }, &offset) in functions.iter().zip(offsets) {
        let base = u32::try_from(offset).expect("a range is smaller than 2 GiB");
        range
            .safepoints
            .extend(code.safepoints.iter().map(|point| Safepoint {
                return_offset: point.return_offset + base,
                ..point.clone()
            }));
        range
            .handlers
            .extend(code.handlers.iter().map(|handler| Handler {
                return_offset: handler.return_offset + base,
                handler_offset: handler.handler_offset + base,
            }));
        range.traps.extend(code.traps.iter().map(|trap| TrapSite {
            offset: trap.offset + base,
            ..*trap
        }));
        if let Some(id) = *id {
            let len = u32::try_from(code.code.len()).expect("a range is smaller than 2 GiB");
            range.functions.push(FunctionRange {
                start: base,
                len,
                id,
            });
        }
    }
    range
}

/// The library functions that instructions may be lowered to where the processor lacks them.
fn library_function(call: LibCall) -> Option<usize> {
    extern "C" fn ceil_f32(x: f32) -> f32 {
        x.ceil()
    }
    extern "C" fn ceil_f64(x: f64) -> f64 {
        x.ceil()
    }
    extern "C" fn floor_f32(x: f32) -> f32 {
        x.floor()
    }
    extern "C" fn floor_f64(x: f64) -> f64 {
        x.floor()
    }
    extern "C" fn trunc_f32(x: f32) -> f32 {
        x.trunc()
    }
    extern "C" fn trunc_f64(x: f64) -> f64 {
        x.trunc()
    }
    extern "C" fn nearest_f32(x: f32) -> f32 {
        x.round_ties_even()
    }
    extern "C" fn nearest_f64(x: f64) -> f64 {
        x.round_ties_even()
    }
    let of_f32 = |function: extern "C" fn(f32) -> f32| Some(function as usize);
    let of_f64 = |function: extern "C" fn(f64) -> f64| Some(function as usize);
    match call {
        LibCall::CeilF32 => of_f32(ceil_f32),
        LibCall::CeilF64 => of_f64(ceil_f64),
        LibCall::FloorF32 => of_f32(floor_f32),
        LibCall::FloorF64 => of_f64(floor_f64),
        LibCall::TruncF32 => of_f32(trunc_f32),
        LibCall::TruncF64 => of_f64(trunc_f64),
        LibCall::NearestF32 => of_f32(nearest_f32),
        LibCall::NearestF64 => of_f64(nearest_f64),
        _ => None,
    }
}

impl From<CompileError> for Error {
    fn from(error: CompileError) -> Self {
        Self::compile(None, &error)
    }
}
