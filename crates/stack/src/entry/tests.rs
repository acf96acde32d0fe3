//! The stubs alone, entered from assembly that can tell what became of the callee-saved registers;
//! the code they enter is assembly too, and spoils every register it may and may not.

use super::{CURRENT, EntryRecord, arch, signals};
use crate::Unwinder;
use crate::code::{CodeRange, TrapCode, TrapSite};
use crate::registry::CodeRegistry;
use std::arch::naked_asm;
use std::ptr;
use std::sync::Arc;
use windrow_core::MutatorState;

/// Calls the stub with known values in the callee-saved registers. Returns the stub's answer, or
/// 77 if a register lost its value.
#[unsafe(naked)]
unsafe extern "C" fn enter_and_compare(
    stub: unsafe extern "C" fn(*mut EntryRecord) -> usize,
    record: *mut EntryRecord,
) -> usize {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rbp, 0x101",
        "mov rbx, 0x202",
        "mov r12, 0x303",
        "mov r13, 0x404",
        "mov r14, 0x505",
        "mov r15, 0x606",
        "call rax",
        // Zero where a register still holds its value.
        "xor rbp, 0x101",
        "xor rbx, 0x202",
        "xor r12, 0x303",
        "xor r13, 0x404",
        "xor r14, 0x505",
        "xor r15, 0x606",
        "or rbp, rbx",
        "or rbp, r12",
        "or rbp, r13",
        "or rbp, r14",
        "or rbp, r15",
        "mov ecx, 77",
        "cmovnz rax, rcx",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Stores what it was given, spoils every callee-saved register but the frame pointer's, and goes
/// on at `code` with its own frame on the stack.
#[unsafe(naked)]
unsafe extern "C" fn spoil(code: usize, vmctx: usize, args: *mut u8) {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "mov [rdx], rsi",
        "mov [rdx + 8], r15",
        "mov [rdx + 16], rsp",
        "xor ebx, ebx",
        "xor r12d, r12d",
        "xor r13d, r13d",
        "xor r14d, r14d",
        "xor r15d, r15d",
        "jmp rdi",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn finish() {
    naked_asm!("pop rbp", "ret")
}

#[unsafe(naked)]
unsafe extern "C" fn trap() {
    naked_asm!("ud2")
}

/// Enters `spoil`, which goes on at `code`; returns the stub's answer and the record.
fn enter(registry: &CodeRegistry, code: unsafe extern "C" fn()) -> (usize, EntryRecord) {
    let mut state = [0_u64; MutatorState::BYTES / 8];
    let mut args = [0_u64; 3];
    let mut record = EntryRecord {
        state: state.as_mut_ptr_range().end.cast(),
        entry: spoil,
        code: code as *const () as usize,
        vmctx: 0x7777,
        args: args.as_mut_ptr().cast(),
        entry_fp: 0,
        resume_sp: 0,
        registry,
        unwinder: Unwinder::default(),
        stack_limit: 0,
        fault: None,
        trap: None,
    };
    let current = &raw mut record;
    CURRENT.set(current);
    // SAFETY: the record is complete and current; `spoil` takes these arguments, and `code` either
    // returns from it or traps.
    let answer = unsafe { enter_and_compare(arch::enter_compiled, current) };
    CURRENT.set(ptr::null_mut());
    assert_eq!(args[..2], [0x7777, state.as_ptr_range().end as u64]);
    assert!(args[2].is_multiple_of(16), "the stack is aligned for calls");
    let entry_fp = state.len() - MutatorState::ENTRY_FP.unsigned_abs() as usize / 8;
    assert_eq!(state[entry_fp], record.entry_fp as u64);
    assert!(record.entry_fp as u64 > args[2]);
    (answer, record)
}

#[test]
fn callee_saved_registers_survive_a_return() {
    let (answer, record) = enter(&CodeRegistry::new(), finish);
    assert_eq!(answer, 0);
    assert_eq!(record.trap, None);
}

#[test]
fn callee_saved_registers_survive_a_trap() {
    signals::install().unwrap();
    let registry = CodeRegistry::new();
    let pc = trap as *const () as usize;
    let code = TrapCode::new(5).unwrap();
    let traps = vec![TrapSite { offset: 0, code }];
    let range = CodeRange {
        start: pc,
        len: 2,
        traps,
        ..CodeRange::default()
    };
    let _handle = Arc::clone(&registry).register(range).unwrap();
    for _ in 0..3 {
        let (answer, record) = enter(&registry, trap);
        assert_eq!(answer, 1);
        let trap = record.trap.unwrap();
        assert_eq!((trap.pc, trap.code, trap.fault_address), (pc, code, None));
        assert_eq!((trap.backtrace.depth(), trap.backtrace.broken), (1, None));
    }
}
