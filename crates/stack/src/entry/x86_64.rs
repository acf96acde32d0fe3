//! x86-64: the stubs, and the registers in a signal's context. System V calling convention; the
//! pinned register is `r15`.

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
/// The stub's frame is an ordinary one, so the chain of frame pointers leads through it.
///
/// # Safety
/// The record's inputs are set and fulfil what [`super::EntryGate::enter`] demands.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter_compiled(record: *mut EntryRecord) -> usize {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // Six pushes and the return address: eight more bytes align the stack for the call.
        "sub rsp, 8",
        "mov [rdi + {resume_sp}], rsp",
        "mov [rdi + {entry_fp}], rbp",
        "mov r15, [rdi + {state}]",
        "mov [r15 + {state_entry_fp}], rbp",
        "mov rax, [rdi + {entry}]",
        "mov rsi, [rdi + {vmctx}]",
        "mov rdx, [rdi + {args}]",
        "mov rdi, [rdi + {code}]",
        "call rax",
        "xor eax, eax",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        resume_sp = const offset_of!(EntryRecord, resume_sp),
        entry_fp = const offset_of!(EntryRecord, entry_fp),
        state = const offset_of!(EntryRecord, state),
        state_entry_fp = const MutatorState::ENTRY_FP,
        entry = const offset_of!(EntryRecord, entry),
        code = const offset_of!(EntryRecord, code),
        vmctx = const offset_of!(EntryRecord, vmctx),
        args = const offset_of!(EntryRecord, args),
    )
}

/// Where a thread that trapped goes on, with the record in the first argument's register and the
/// stack aligned as before a call: takes the trap down and returns 1 from [`enter_compiled`].
///
/// # Safety
/// Reached only through [`Context::resume_in_trap_stub`].
#[unsafe(naked)]
unsafe extern "C" fn trap_stub() {
    naked_asm!(
        "call {finish_trap}",
        "mov rsp, rax",
        "mov eax, 1",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
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
    naked_asm!("mov rsp, rsi", "mov rbp, rdx", "mov rax, rcx", "jmp rdi")
}

/// Bytes below the stack pointer that the calling convention lets code use without moving it.
const RED_ZONE_BYTES: usize = 128;

/// The registers of interrupted code.
pub(super) struct Context<'a>(&'a mut libc::mcontext_t);

impl<'a> Context<'a> {
    /// The registers in a signal handler's context.
    pub(super) fn new(context: &'a mut libc::ucontext_t) -> Self {
        Self(&mut context.uc_mcontext)
    }

    fn register(&self, index: libc::c_int) -> usize {
        self.0.gregs[index as usize].cast_unsigned() as usize
    }

    fn set_register(&mut self, index: libc::c_int, value: usize) {
        self.0.gregs[index as usize] = (value as u64).cast_signed();
    }

    pub(super) fn pc(&self) -> usize {
        self.register(libc::REG_RIP)
    }

    fn sp(&self) -> usize {
        self.register(libc::REG_RSP)
    }

    /// What a walk from the interrupted instruction starts with.
    pub(super) fn registers(&self) -> Registers {
        let mut registers = Registers::at(CodeAddress::Exact(self.pc()));
        for (register, index) in Register::all().zip([
            libc::REG_RSP,
            libc::REG_RBP,
            libc::REG_RBX,
            libc::REG_R12,
            libc::REG_R13,
            libc::REG_R14,
            libc::REG_R15,
        ]) {
            registers.set(register, self.register(index));
        }
        registers
    }

    /// Makes the thread go on in the trap stub when the handler returns.
    pub(super) fn resume_in_trap_stub(&mut self, record: *mut EntryRecord) {
        let sp = (self.sp() - RED_ZONE_BYTES) & !15;
        self.set_register(libc::REG_RSP, sp);
        self.set_register(libc::REG_RDI, record.expose_provenance());
        self.set_register(libc::REG_RIP, trap_stub as *const () as usize);
    }
}
