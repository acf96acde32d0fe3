//! Values as the host holds them.

use windrow_core::{FunctionId, OwnedHandle};

/// A reference to something in a store's heap, held by the host.
///
/// An object stays alive as long as a clone of its handle does.
#[derive(Clone, Debug)]
pub enum Ref {
    /// The null reference.
    Null,
    /// An integer of 31 bits.
    I31(i32),
    /// An object: a struct, an array, an exception, or the stand-in of a host value.
    Object(OwnedHandle),
}

impl Ref {
    /// Whether this is the null reference.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// A value of any type. Floats are their bits, so that the payload of a NaN is kept.
#[derive(Clone, Debug)]
pub enum Val {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
    /// A vector of 128 bits.
    V128(u128),
    /// A function of the store, or null.
    Func(FunctionId),
    /// A reference in the `any`, `extern` or `exn` hierarchy.
    Ref(Ref),
}
