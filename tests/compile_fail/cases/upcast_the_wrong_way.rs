//! `upcast` forgets what is known of a reference, and never claims more.

use windrow::{AnyRef, Rooted, StructRef};

fn claim(reference: Rooted<'_, AnyRef>) -> Rooted<'_, StructRef> {
    reference.upcast()
}

fn main() {}
