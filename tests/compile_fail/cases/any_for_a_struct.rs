//! What may be anything is cast before it is used as a struct.

use windrow::{AnyRef, Rooted, StructRef};

fn of_struct(_: Rooted<'_, StructRef>) {}

fn of_anything(reference: Rooted<'_, AnyRef>) {
    of_struct(reference);
}

fn main() {}
