//! The fixture's functions, and how they leave for the host.
//!
//! Pointers are addresses of objects whose first word is the number of words that follow; what each
//! function does with them is in `fixture/statepoints.ll`. Functions call `windrow_fixture_collect`
//! and `windrow_fixture_allocate` of `fixture/exit.s`, which call
//! ```text
//! extern "C-unwind" fn windrow_fixture_on_collect(exit: *mut ExitFrame);
//! extern "C-unwind" fn windrow_fixture_on_allocate(words: u64, references: u64, exit: *mut ExitFrame) -> u64;
//! ```
//! that a test must define, the second with a bit in `references` for each word of the object that
//! is a reference. Both may move every object, and must then replace the references in the frames
//! and in the exit frame.

use windrow_stack::{CodeAddress, Register, Registers};

/// The registers that calls preserve, and the return address, as `fixture/exit.s` pushes them.
#[derive(Debug)]
#[repr(C)]
pub struct ExitFrame {
    /// The words in the registers, in the order of [`Self::NUMBERS`].
    pub words: [usize; 6],
    /// Where the call returns to, in the frame that left.
    pub return_address: usize,
}

impl ExitFrame {
    /// The numbers in DWARF of the registers.
    pub const NUMBERS: [u16; 6] = [6, 3, 12, 13, 14, 15];

    /// The registers of the frame that left, with their homes in this one.
    #[must_use]
    pub fn registers(&self) -> Registers {
        let mut registers = Registers::at(CodeAddress::Return(self.return_address));
        let start = std::ptr::from_ref(self).expose_provenance();
        registers.set(Register::STACK_POINTER, start + size_of::<Self>());
        for (position, number) in Self::NUMBERS.into_iter().enumerate() {
            let home = start + position * size_of::<usize>();
            if let Some(register) = Register::from_dwarf(number) {
                registers.set_saved(register, self.words[position], home);
            }
        }
        registers
    }
}

macro_rules! functions {
    ($($(#[$docs:meta])* $field:ident: $spilled:ident, $registers:ident, ($($argument:ty),*) -> $result:ty;)*) => {
        /// The functions of one version. Calling one is sound where the host's functions are defined
        /// as said above, and pointers are those of live objects of the kind it expects.
        #[derive(Clone, Copy, Debug)]
        pub struct Functions {
            /// What the names of its symbols begin with.
            pub prefix: &'static str,
            $($(#[$docs])* pub $field: unsafe extern "C-unwind" fn($($argument),*) -> $result,)*
        }

        #[expect(unsafe_code, reason = "declares what the fixture defines")]
        mod spilled {
            unsafe extern "C-unwind" {
                $(pub(super) fn $spilled($(_: $argument),*) -> $result;)*
            }
        }

        #[expect(unsafe_code, reason = "declares what the fixture defines")]
        mod registers {
            unsafe extern "C-unwind" {
                $(pub(super) fn $registers($(_: $argument),*) -> $result;)*
            }
        }

        /// The version that spills references.
        pub const SPILLED: Functions = Functions {
            prefix: "windrow_spilled_",
            $($field: spilled::$spilled,)*
        };

        /// The version that keeps references in registers.
        pub const REGISTERS: Functions = Functions {
            prefix: "windrow_registers_",
            $($field: registers::$registers,)*
        };
    };
}

functions! {
    /// The sum of a list, after one collection.
    sum_list: windrow_spilled_sum_list, windrow_registers_sum_list, (u64) -> u64;
    /// Decimal digits of four cells' values, each read after one more collection.
    several: windrow_spilled_several, windrow_registers_several, (u64, u64, u64, u64) -> u64;
    /// The sum of an array, with a collection at each element.
    sum_array: windrow_spilled_sum_array, windrow_registers_sum_array, (u64) -> u64;
    /// Digits of values that pointers into two arrays lead to.
    interior: windrow_spilled_interior, windrow_registers_interior, (u64, u64, bool) -> u64;
    /// A list of the numbers from n down to 1.
    make_list: windrow_spilled_make_list, windrow_registers_make_list, (u64) -> u64;
    /// A tree of a height.
    make_tree: windrow_spilled_make_tree, windrow_registers_make_tree, (u64) -> u64;
    /// The sum of a tree's values, with a collection at each node.
    sum_tree: windrow_spilled_sum_tree, windrow_registers_sum_tree, (u64) -> u64;
    /// A cell's value and a number.
    deoptimise: windrow_spilled_deoptimise, windrow_registers_deoptimise, (u64, u64) -> u64;
    /// A cell's value, by way of a variable on the stack.
    variable: windrow_spilled_variable, windrow_registers_variable, (u64) -> u64;
    /// The number itself. Its stack map is no safepoint.
    observed: windrow_spilled_observed, windrow_registers_observed, (u64) -> u64;
}
