//! From CLIF to code with the records `windrow-stack` registers.

use crate::optimise::optimise;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{ExternalName, LibCall, UserExternalName};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::{CfaUnwindInfo, UnwindInfo, UnwindInfoKind, UnwindInst};
use cranelift_codegen::{
    CodegenResult, CompiledCode, Context, FinalizedMachExceptionHandler, FinalizedRelocTarget,
    MachTrap,
};
use smallvec::SmallVec;
use windrow_stack::{Handler, Location, Safepoint, TrapCode, TrapSite};

/// Why a function could not be compiled, or its code not placed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Cranelift refused the function.
    #[error("the function cannot be compiled: {reason}")]
    Codegen {
        /// What Cranelift says, naming the place in the function.
        reason: String,
    },
    /// The backend does not say how large a frame is, so that frames could not be walked.
    #[error("the code generator gives no frame size for the call at byte {return_offset}")]
    FrameSize {
        /// Where the call returns to.
        return_offset: u32,
    },
    /// The code refers to something in a way that cannot be placed.
    #[error(
        "a relocation of kind {kind} at byte {offset} is not supported: refer to it indirectly"
    )]
    Relocation {
        /// Where the reference is.
        offset: u32,
        /// Its kind.
        kind: Reloc,
    },
    /// The target of a relative reference is too far away.
    #[error(
        "the target of the reference at byte {offset} is more than 2 GiB away: place them in one range"
    )]
    OutOfReach {
        /// Where the reference is.
        offset: u32,
    },
    /// The unwind table cannot be written.
    #[error("the unwind table of the code cannot be written: {reason}")]
    UnwindTable {
        /// What its writer says.
        reason: String,
    },
}

/// What code refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Symbol {
    /// A function of the client's, by its own name.
    Function(UserExternalName),
    /// A function of the run-time library that an instruction was lowered to.
    Library(LibCall),
    /// A place in the same function.
    Offset(u32),
}

/// A reference to be filled in once the code's address is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relocation {
    /// Where it is, in bytes from the function's start.
    pub offset: u32,
    /// How it is encoded.
    pub kind: Reloc,
    /// What it refers to.
    pub symbol: Symbol,
    /// Added to the symbol's address.
    pub addend: i64,
}

/// Code of one function, not yet placed. Offsets are in bytes from its start.
#[derive(Clone, Debug)]
pub struct CompiledFunction {
    /// The machine code, constants included.
    pub code: Vec<u8>,
    /// What the function's start must be a multiple of.
    pub alignment: u32,
    /// Every call, with the references live during it.
    pub safepoints: Vec<Safepoint>,
    /// The handlers of calls that may end in exceptions.
    pub handlers: Vec<Handler>,
    /// Every instruction that may trap.
    pub traps: Vec<TrapSite>,
    /// Source locations: from this offset on, the code comes from this place (the bits of a
    /// `SourceLoc`). Ascending.
    pub locations: Vec<(u32, u32)>,
    /// What is to be filled in.
    pub relocations: Vec<Relocation>,
    /// How its frames are unwound, for [`UnwindTables`](crate::UnwindTables).
    pub unwind: Option<CfaUnwindInfo>,
}

/// Compiles the function in `context`, which keeps its CLIF and can be cleared and used again.
///
/// # Errors
/// [`CompileError::Codegen`] for a function Cranelift refuses; [`CompileError::Relocation`] for
/// references by names Cranelift keeps to itself; [`CompileError::FrameSize`].
///
/// # Panics
/// If Cranelift contradicts itself about its output.
pub fn compile(
    context: &mut Context,
    isa: &dyn TargetIsa,
) -> Result<CompiledFunction, CompileError> {
    let mut compiled = generate(context, isa).map_err(|error| CompileError::Codegen {
        reason: format!("{error:?}"),
    })?;
    anchor_at_frame_pointer(&mut compiled.buffer.unwind_info);
    let compiled = &compiled;
    let buffer = &compiled.buffer;
    let mut relocations = Vec::with_capacity(buffer.relocs().len());
    for reloc in buffer.relocs() {
        let symbol = match &reloc.target {
            FinalizedRelocTarget::Func(offset) => Symbol::Offset(*offset),
            FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => {
                Symbol::Function(context.func.params.user_named_funcs()[*name].clone())
            }
            FinalizedRelocTarget::ExternalName(ExternalName::LibCall(call)) => {
                Symbol::Library(*call)
            }
            FinalizedRelocTarget::ExternalName(_) => {
                return Err(CompileError::Relocation {
                    offset: reloc.offset,
                    kind: reloc.kind,
                });
            }
        };
        let (offset, kind, addend) = (reloc.offset, reloc.kind, reloc.addend);
        relocations.push(Relocation {
            offset,
            kind,
            symbol,
            addend,
        });
    }
    Ok(CompiledFunction {
        code: compiled.code_buffer().to_vec(),
        alignment: buffer.alignment,
        safepoints: safepoints(compiled)?,
        handlers: handlers(compiled),
        traps: buffer.traps().iter().map(trap_site).collect(),
        locations: buffer
            .get_srclocs_sorted()
            .iter()
            .map(|loc| (loc.start, loc.loc.bits()))
            .collect(),
        relocations,
        unwind: unwind(compiled, isa)?,
    })
}

/// Optimises the function and makes machine code of it.
fn generate(context: &mut Context, isa: &dyn TargetIsa) -> CodegenResult<CompiledCode> {
    optimise(context, isa)?;
    let plane = &mut ControlPlane::default();
    let allocator = &mut regalloc2::Ctx::default();
    let stencil = isa.compile_function(&context.func, &context.domtree, allocator, false, plane)?;
    Ok(stencil.apply_params(&context.func.params))
}

/// Corrects where saved registers are said to lie in functions that make room for the arguments of a
/// tail call. There the frame's beginning moves down before registers are saved; Cranelift counts their
/// distances from where it was, but leaves the frame's end (CFA) at the frame pointer plus what a call
/// pushes, so that they would be looked for as far below their places as the frame was moved. The
/// return address and the caller's frame pointer lie at the frame pointer, so the end stays there and
/// the distances are counted from it.
fn anchor_at_frame_pointer(unwind_info: &mut [(u32, UnwindInst)]) {
    let mut pushed_bytes = None;
    for (_, inst) in unwind_info {
        match inst {
            UnwindInst::PushFrameRegs {
                offset_upward_to_caller_sp,
            } => pushed_bytes = Some(*offset_upward_to_caller_sp),
            UnwindInst::DefineNewFrame {
                offset_upward_to_caller_sp,
                ..
            } => {
                *offset_upward_to_caller_sp = pushed_bytes.unwrap_or(*offset_upward_to_caller_sp);
            }
            _ => {}
        }
    }
}

/// What Cranelift knows of the prologue; nothing with settings that leave it out.
fn unwind(
    compiled: &CompiledCode,
    isa: &dyn TargetIsa,
) -> Result<Option<CfaUnwindInfo>, CompileError> {
    if !isa.flags().unwind_info() {
        return Ok(None);
    }
    // Asked for by name: what the target's system uses may be something else.
    match compiled.create_unwind_info_of_kind(isa, UnwindInfoKind::SystemV) {
        Ok(Some(UnwindInfo::SystemV(info))) => Ok(Some(info)),
        Ok(_) => Ok(None),
        Err(error) => Err(CompileError::Codegen {
            reason: error.to_string(),
        }),
    }
}

/// One safepoint a call, those without references included: the walker then finds every return
/// address it meets.
fn safepoints(compiled: &CompiledCode) -> Result<Vec<Safepoint>, CompileError> {
    let buffer = &compiled.buffer;
    let frame_bytes = buffer
        .frame_layout()
        .map(|layout| layout.frame_to_fp_offset);
    let mut maps = buffer.user_stack_maps().iter().peekable();
    let mut safepoints = Vec::new();
    for call in buffer.call_sites() {
        let return_offset = call.ret_addr;
        let mut locations = SmallVec::new();
        let mut frame_bytes = call.frame_offset.or(frame_bytes);
        if let Some((_, span, map)) = maps.next_if(|(offset, _, _)| *offset == return_offset) {
            locations.extend(map.entries().map(|(_, offset)| {
                // One too large is refused when it is registered.
                Location::slot(i32::try_from(offset).unwrap_or(i32::MAX))
            }));
            frame_bytes = Some(*span);
        }
        let frame_bytes = frame_bytes.ok_or(CompileError::FrameSize { return_offset })?;
        safepoints.push(Safepoint {
            return_offset,
            frame_bytes: Some(frame_bytes),
            locations,
        });
    }
    assert!(
        maps.next().is_none(),
        "every stack map belongs to a call, in order"
    );
    Ok(safepoints)
}

/// The handler of each call that has one. Calls are emitted with a handler of all exceptions or
/// with none, see [`RefFrame::try_call`](crate::RefFrame::try_call).
fn handlers(compiled: &CompiledCode) -> Vec<Handler> {
    let mut handlers = Vec::new();
    for call in compiled.buffer.call_sites() {
        for handler in call.exception_handlers {
            if let FinalizedMachExceptionHandler::Default(handler_offset) = *handler {
                handlers.push(Handler {
                    return_offset: call.ret_addr,
                    handler_offset,
                });
            }
        }
    }
    handlers
}

fn trap_site(trap: &MachTrap) -> TrapSite {
    TrapSite {
        offset: trap.offset,
        code: TrapCode(trap.code.as_raw()),
    }
}

impl CompiledFunction {
    /// Fills in the references of this function's code, a copy of which lies in `code` and will
    /// run at `address`. `resolve` says where a function or library function is.
    ///
    /// # Errors
    /// [`CompileError::Relocation`] for a kind this does not know, [`CompileError::OutOfReach`].
    ///
    /// # Panics
    /// If `code` is shorter than the function.
    pub fn relocate(
        &self,
        code: &mut [u8],
        address: usize,
        mut resolve: impl FnMut(&Symbol) -> usize,
    ) -> Result<(), CompileError> {
        for relocation in &self.relocations {
            let target = match relocation.symbol {
                Symbol::Offset(offset) => address.wrapping_add(offset as usize),
                _ => resolve(&relocation.symbol),
            };
            relocation.apply(code, address, target)?;
        }
        Ok(())
    }
}

impl Relocation {
    fn apply(&self, code: &mut [u8], address: usize, target: usize) -> Result<(), CompileError> {
        let offset = self.offset;
        let at = offset as usize;
        let out_of_reach = CompileError::OutOfReach { offset };
        let sum = (target as i64).wrapping_add(self.addend);
        let distance = sum.wrapping_sub(address.wrapping_add(at) as i64);
        match self.kind {
            Reloc::Abs8 => code[at..at + 8].copy_from_slice(&sum.to_le_bytes()),
            Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => {
                let distance = i32::try_from(distance).map_err(|_| out_of_reach)?;
                code[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            Reloc::Arm64Call => {
                let words = i32::try_from(distance >> 2).map_err(|_| out_of_reach)?;
                if !(-(1 << 25)..1 << 25).contains(&words) {
                    return Err(CompileError::OutOfReach { offset });
                }
                let mut bytes = [0; 4];
                bytes.copy_from_slice(&code[at..at + 4]);
                let branch = (u32::from_le_bytes(bytes) & 0xfc00_0000)
                    | (words.cast_unsigned() & 0x03ff_ffff);
                code[at..at + 4].copy_from_slice(&branch.to_le_bytes());
            }
            kind => return Err(CompileError::Relocation { offset, kind }),
        }
        Ok(())
    }
}
