//! The registers of the function that asks, from which a walk of host frames begins.

use crate::registers::{CodeAddress, Register, Registers};
use crate::row::link_register;
use std::arch::naked_asm;

/// The registers by position, and the return address.
type Words = [usize; Register::COUNT + 1];

impl Registers {
    /// The registers that calls preserve and the stack pointer, as they are in the calling function,
    /// which stands behind this call. They are of use until that function returns. Costs a few
    /// nanoseconds.
    #[must_use]
    #[inline(always)]
    pub fn capture() -> Self {
        let mut words: Words = [0; Register::COUNT + 1];
        // SAFETY: the function stores as many words as there are, and changes nothing else that a call
        // may not.
        unsafe { store_registers(&mut words) };
        let [words @ .., return_address] = words;
        let mut registers = Self::at(CodeAddress::Return(return_address));
        for (register, word) in Register::BY_POSITION.into_iter().zip(words) {
            // Calls, this one too, change the link register.
            if Some(register) != link_register() {
                registers.set(register, word);
            }
        }
        registers
    }
}

/// Stores the registers that its caller has behind the call.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn store_registers(words: &mut Words) {
    naked_asm!(
        "lea rax, [rsp + 8]",
        "mov [rdi], rax",
        "mov [rdi + 8], rbp",
        "mov [rdi + 16], rbx",
        "mov [rdi + 24], r12",
        "mov [rdi + 32], r13",
        "mov [rdi + 40], r14",
        "mov [rdi + 48], r15",
        "mov rax, [rsp]",
        "mov [rdi + 56], rax",
        "ret",
    )
}

/// Stores the registers that its caller has behind the call.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn store_registers(words: &mut Words) {
    naked_asm!(
        "mov x9, sp",
        "stp x9, x29, [x0]",
        "stp x19, x20, [x0, #16]",
        "stp x21, x22, [x0, #32]",
        "stp x23, x24, [x0, #48]",
        "stp x25, x26, [x0, #64]",
        "stp x27, x28, [x0, #80]",
        // The link register's own place, and the return address.
        "stp x30, x30, [x0, #96]",
        "ret",
    )
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
