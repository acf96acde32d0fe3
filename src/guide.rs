//! The guide: one page for each thing that one does with windrow.
//!
//! | page | for |
//! |---|---|
//! | [`quick_start`] | a first heap, in an empty crate |
//! | [`choosing`] | which collector, how large a heap, what the numbers say |
//! | [`rooting`] | what keeps objects alive, and the mistakes that the compiler stops |
//! | [`weak_things`] | caches, side tables, finalizers, values of the host's in the heap |
//! | [`inspection`] | what a heap does, what is in it, and why an object is alive |
//! | [`jit`] | embedding windrow in a compiler with Cranelift |
//! | [`barriers`] | emitting allocation and barriers with a compiler of one's own |
//! | [`collectors`] | writing a collector, and proving it |
//!
//! Every piece of code on these pages runs as a test.

#[doc = include_str!("guide/quick_start.md")]
pub mod quick_start {}
#[doc = include_str!("guide/choosing.md")]
pub mod choosing {}
#[doc = include_str!("guide/rooting.md")]
pub mod rooting {}
#[doc = include_str!("guide/weak_things.md")]
pub mod weak_things {}
#[doc = include_str!("guide/inspection.md")]
pub mod inspection {}
#[doc = include_str!("guide/jit.md")]
pub mod jit {}
#[doc = include_str!("guide/barriers.md")]
pub mod barriers {}
#[doc = include_str!("guide/collectors.md")]
pub mod collectors {}
