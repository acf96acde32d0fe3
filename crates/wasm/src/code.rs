//! Compiled code in memory: placed, linked, registered, and given back.
//!
//! All functions of a batch lie in one range, which is writable first and executable afterwards,
//! never both. The range is registered with its stack maps, trap sites and functions as long as it
//! lives, and unmapped after it was unregistered; its frames are known to the system's unwinder too,
//! so that a panic's backtrace in a host function shows who called the program.

use crate::error::Error;
use crate::mapping::Mapping;
use crate::tools::{Told, Tools};
use cranelift_codegen::ir::LibCall;
use cranelift_codegen::isa::TargetIsa;
use std::ops::Range;
use std::sync::Arc;
use windrow_cranelift::{CompileError, CompiledFunction, Symbol, UnwindTables};
use windrow_stack::{
    CodeHandle, CodeRange, CodeRegistry, FunctionRange, Handler, Safepoint, SystemFrames, TrapSite,
};

/// What it takes to compile and place code of an engine.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    /// What it is compiled for.
    pub(crate) isa: &'a dyn TargetIsa,
    /// Where it becomes known.
    pub(crate) registry: &'a Arc<CodeRegistry>,
    /// Writes its unwind tables.
    pub(crate) unwind_tables: &'a UnwindTables,
    /// Which tools are told of it.
    pub(crate) tools: Tools,
}

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
    _told: Told,
    _system: SystemFrames,
    _handle: CodeHandle,
    _pages: Mapping,
    ranges: Box<[Range<usize>]>,
}

impl Code {
    /// Places functions in one range. `names` says which of them a symbol means, by position, and
    /// `display` what tools call it.
    ///
    /// # Errors
    /// [`Error::Reservation`] without memory, [`Error::Compile`] for code that cannot be linked,
    /// [`Error::PerfMap`] and [`Error::Stack`] for what tools cannot be told.
    pub(crate) fn place(
        places: &Places<'_>,
        functions: &[Unplaced],
        names: impl Fn(u32) -> Option<usize>,
        display: impl Fn(usize) -> String,
    ) -> Result<Self, Error> {
        let (offsets, len) = layout(functions)?;
        let mut pages = Mapping::reserve(len)?;
        pages.make_accessible(len)?;
        let base = pages.address();
        let range_of = |(offset, Unplaced { code, .. }): (&usize, &_)| {
            base + offset..base + offset + code.code.len()
        };
        let ranges: Box<[_]> = offsets.iter().zip(functions).map(range_of).collect();
        let symbol = |symbol: &Symbol| match symbol {
            Symbol::Function(name) => {
                names(name.index).and_then(|index| ranges.get(index).map(|range| range.start))
            }
            Symbol::Library(call) => library_function(*call),
            Symbol::Offset(_) => None,
        };
        link(functions, &offsets, base, pages.bytes_mut(), symbol)?;
        pages.make_executable()?;
        let placed = ranges.iter().zip(functions);
        let placed = placed.map(|(range, Unplaced { code, .. })| (range.start, code));
        let mut records = records(base, len, functions, &offsets);
        records.eh_frame = places.unwind_tables.eh_frame(placed)?.into();
        let section = Arc::clone(&records.eh_frame);
        let handle = places.registry.register(records)?;
        let called = ranges.iter().enumerate();
        let called = called.map(|(position, range)| (range.clone(), display(position)));
        let told = places.tools.tell(base..base + len, &section, called)?;
        // SAFETY: the section was written for this code, by what the code generator says of it; the
        // code lies in pages of its own, which are given back after the section is taken back.
        let system = unsafe { SystemFrames::register(section) };
        Ok(Self {
            _told: told,
            _system: system,
            _handle: handle,
            _pages: pages,
            ranges,
        })
    }

    /// Address of the function at `position` in the batch.
    ///
    /// # Panics
    /// If the batch had fewer functions.
    pub(crate) fn address(&self, position: usize) -> usize {
        let range = self.ranges.get(position);
        range.expect("a function of the batch").start
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

/// What is known of the code, but for its unwind table.
fn records(start: usize, len: usize, functions: &[Unplaced], offsets: &[usize]) -> CodeRange {
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
