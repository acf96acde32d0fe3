//! AArch64: the stubs, and the registers in a signal's context. AAPCS64; the pinned register is
//! `x21`.

#![expect(
    clippy::cast_possible_truncation,
    reason = "addresses have 64 bits here"
)]

use super::{EntryRecord, finish_trap};
use crate::registers::{CodeAddress, Register, Registers};
use std::arch::naked_asm;
use std::mem::offset_of;
use windrow_core::MutatorState;

/// Calls the record's entry. Returns 0 when it returned, 1 when it trapped.
///
/// The stub's frame is an ordinary one, so the chain of frame pointers leads through it: the saved
/// frame pointer and return address lie at its frame pointer, the saved registers above them.
///
/// # Safety
/// The record's inputs are set and fulfil what [`super::EntryGate::enter`] demands.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter_compiled(record: *mut EntryRecord) -> usize {
    naked_asm!(
        "stp x29, x30, [sp, #-160]!",
        "mov x29, sp",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mov x9, sp",
        "str x9, [x0, #{resume_sp}]",
        "str x29, [x0, #{entry_fp}]",
        "ldr x21, [x0, #{state}]",
        "sub x10, x21, #{state_entry_fp_below}",
        "str x29, [x10]",
        "ldr x9, [x0, #{entry}]",
        "ldr x1, [x0, #{vmctx}]",
        "ldr x2, [x0, #{args}]",
        "ldr x0, [x0, #{code}]",
        "blr x9",
        "mov x0, #0",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "ldp x29, x30, [sp], #160",
        "ret",
        resume_sp = const offset_of!(EntryRecord, resume_sp),
        entry_fp = const offset_of!(EntryRecord, entry_fp),
        state = const offset_of!(EntryRecord, state),
        state_entry_fp_below = const -MutatorState::ENTRY_FP,
        entry = const offset_of!(EntryRecord, entry),
        code = const offset_of!(EntryRecord, code),
        vmctx = const offset_of!(EntryRecord, vmctx),
        args = const offset_of!(EntryRecord, args),
    )
}

/// Where a thread that trapped goes on, with the record in the first argument's register and an
/// aligned stack: takes the trap down and returns 1 from [`enter_compiled`].
///
/// # Safety
/// Reached only through [`Context::resume_in_trap_stub`].
#[unsafe(naked)]
unsafe extern "C" fn trap_stub() {
    naked_asm!(
        "bl {finish_trap}",
        "mov sp, x0",
        "mov x0, #1",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "ldp x29, x30, [sp], #160",
        "ret",
        finish_trap = sym finish_trap,
    )
}

/// Goes on at a handler of compiled code; see [`super::landing_address`].
///
/// # Safety
/// Called by compiled code with the words of a landing of its own activation.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn land(pc: usize, sp: usize, fp: usize, exception: usize) {
    naked_asm!(
        "mov x9, x0",
        "mov sp, x1",
        "mov x29, x2",
        "mov x0, x3",
        "br x9"
    )
}

/// The registers of interrupted code.
pub(super) struct Context<'a>(&'a mut libc::mcontext_t);

impl<'a> Context<'a> {
    /// The registers in a signal handler's context.
    pub(super) fn new(context: &'a mut libc::ucontext_t) -> Self {
        Self(&mut context.uc_mcontext)
    }

    pub(super) fn pc(&self) -> usize {
        self.0.pc as usize
    }

    /// What a walk from the interrupted instruction starts with.
    pub(super) fn registers(&self) -> Registers {
        let mut registers = Registers::at(CodeAddress::Exact(self.pc()));
        for register in Register::all() {
            // The stack pointer, number 31, is not among the others.
            let word = self.0.regs.get(usize::from(register.dwarf()));
            registers.set(register, *word.unwrap_or(&self.0.sp) as usize);
        }
        registers
    }

    /// Makes the thread go on in the trap stub when the handler returns.
    pub(super) fn resume_in_trap_stub(&mut self, record: *mut EntryRecord) {
        self.0.sp &= !15;
        self.0.regs[0] = record.expose_provenance() as u64;
        self.0.pc = trap_stub as *const () as u64;
    }
}
