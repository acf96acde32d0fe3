//! The slow paths compiled code calls, by number.
//!
//! Compiled code loads the address of a builtin's exit trampoline from the table the context points
//! to (`builtins + 8 * number`) and calls it with the context as first argument; the trampoline
//! records where compiled code was left and calls the host. Every builtin may collect unless its
//! description says "no safepoint". A builtin that fails records the reason with the host first;
//! the caller then traps with the code for host errors.

mod bulk;
#[expect(
    unsafe_code,
    reason = "turns the context that compiled code passes into references"
)]
pub(crate) mod entries;
mod heap;

/// What a builtin's result says of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// It cannot fail.
    Never,
    /// Zero: failed.
    Zero,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $name:ident / $params:literal -> $result:tt, $failure:ident;)*) => {
        /// A slow path. The number after the name is that of its parameters beside the context;
        /// they and the result are 32 bits wide, and the result may be a reference.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        pub(crate) enum Builtin {
            $($(#[$doc])* $name,)*
        }

        impl Builtin {
            /// Every builtin, in the order of the table.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// How many parameters there are after the context.
            pub(crate) const fn params(self) -> usize {
                match self { $(Self::$name => $params,)* }
            }

            /// Whether there is a result.
            pub(crate) const fn has_result(self) -> bool {
                match self { $(Self::$name => builtins!(@has $result),)* }
            }

            /// Whether there is a result that refers to an object.
            pub(crate) const fn returns_reference(self) -> bool {
                match self { $(Self::$name => builtins!(@reference $result),)* }
            }

            /// How failure shows in the result.
            pub(crate) const fn failure(self) -> Failure {
                match self { $(Self::$name => Failure::$failure,)* }
            }
        }
    };
    (@has ()) => { false };
    (@has u32) => { true };
    (@has object) => { true };
    (@reference object) => { true };
    (@reference $other:tt) => { false };
}

builtins! {
    /// `(type id, bytes) -> ref`: a struct and what is made behind it, the struct's header written, the
    /// rest not.
    AllocStruct / 2 -> object, Zero;
    /// `(type id, length) -> ref`: an array, header and length written, its elements not.
    AllocArray / 2 -> object, Zero;
    /// `(module type index, data segment, offset in bytes, length) -> ref`: `array.new_data`.
    ArrayNewData / 4 -> object, Zero;
    /// `(module type index, element segment, offset, length) -> ref`: `array.new_elem`.
    ArrayNewElem / 4 -> object, Zero;
    /// `(module type index, data segment, array, index, offset in bytes, length) -> ok`: `array.init_data`.
    /// Checks null and bounds. No safepoint.
    ArrayInitData / 6 -> u32, Zero;
    /// `(module type index, element segment, array, index, offset, length) -> ok`: `array.init_elem`, with its
    /// barrier. Checks null and bounds. No safepoint.
    ArrayInitElem / 6 -> u32, Zero;
    /// `(owner or 0, slot, new value)`: the barrier's call form. The slot is its heap offset, or 0
    /// for a global or table element. No safepoint.
    WriteBarrier / 3 -> (), Never;
    /// `(owner, first slot, count)`: the barrier's call form for a range. No safepoint.
    RangeBarrier / 3 -> (), Never;
    /// `(type id, type id of the target) -> 0 or 1`: whether the first is a subtype. No safepoint.
    IsSubtype / 2 -> u32, Never;
    /// `(memory, pages) -> previous pages or -1`. No safepoint.
    MemoryGrow / 2 -> u32, Never;
    /// `(memory, address, byte, length) -> ok`. No safepoint.
    MemoryFill / 4 -> u32, Zero;
    /// `(target memory, source memory, target address, source address, length) -> ok`. No safepoint.
    MemoryCopy / 5 -> u32, Zero;
    /// `(memory, data segment, address, offset, length) -> ok`. No safepoint.
    MemoryInit / 5 -> u32, Zero;
    /// `(data segment)`. No safepoint.
    DataDrop / 1 -> (), Never;
    /// `(table, initial reference, elements) -> previous length or -1`. No safepoint.
    TableGrow / 3 -> u32, Never;
    /// `(table, index, reference, length) -> ok`. No safepoint.
    TableFill / 4 -> u32, Zero;
    /// `(target table, source table, target index, source index, length) -> ok`. No safepoint.
    TableCopy / 5 -> u32, Zero;
    /// `(table, element segment, index, offset, length) -> ok`. No safepoint.
    TableInit / 5 -> u32, Zero;
    /// `(element segment)`. No safepoint.
    ElemDrop / 1 -> (), Never;
}

/// Offset of the address of the trampoline that throws exceptions, which is in the builtin table
/// behind the builtins, in bytes. `(context, exception)`; it does not return.
pub(crate) const THROW_TABLE_OFFSET: i32 = 8 + Builtin::ALL[Builtin::ALL.len() - 1].table_offset();

impl Builtin {
    /// Whether a collection may happen in it: in those that allocate.
    pub(crate) const fn may_collect(self) -> bool {
        matches!(
            self,
            Self::AllocStruct | Self::AllocArray | Self::ArrayNewData | Self::ArrayNewElem
        )
    }

    /// Offset of this builtin's address in the builtin table, in bytes.
    pub(crate) const fn table_offset(self) -> i32 {
        8 * (self as i32)
    }
}
