//! Roots: the references a collector starts from, visited in place.
//!
//! A [`RootSource`] hands each of its slots to a [`RootVisitor`] as `&mut GcRef`; the visitor may
//! replace the reference, and the source stores it back where it came from. Nothing is gathered
//! into a list, and a source that keeps its slots elsewhere than in a `GcRef` (a stack word, an
//! atomic cell) loads, shows and stores, so raw pointers never leave it.

use crate::{Activation, GcRef, HeapError};
use std::any::Any;
use std::fmt;

/// What holds a root. Each kind alone keeps an object alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[repr(u8)]
pub enum RootKind {
    /// A slot of a compiled frame, named by a stack map.
    Frame,
    /// A global variable.
    Global,
    /// A table element.
    Table,
    /// An item of a passive element segment.
    ElementSegment,
    /// A handle of an open scope.
    ScopedHandle,
    /// A handle of no scope.
    OwnedHandle,
    /// A slot of an embedder's value stack.
    ValueStack,
    /// A reference held by a traced host value.
    HostValue,
    /// An argument of the slow path that is running (an array's initial value).
    InFlight,
    /// An argument or result of a host call.
    HostCall,
    /// A pending exception.
    Exception,
    /// The value of a weak map's entry whose key is alive.
    WeakMapValue,
    /// An object found dead that waits for its finalizer.
    Finalizable,
}

impl RootKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 13] = [
        Self::Frame,
        Self::Global,
        Self::Table,
        Self::ElementSegment,
        Self::ScopedHandle,
        Self::OwnedHandle,
        Self::ValueStack,
        Self::HostValue,
        Self::InFlight,
        Self::HostCall,
        Self::Exception,
        Self::WeakMapValue,
        Self::Finalizable,
    ];
}

impl fmt::Display for RootKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame => "compiled frame",
            Self::Global => "global",
            Self::Table => "table",
            Self::ElementSegment => "element segment",
            Self::ScopedHandle => "scoped handle",
            Self::OwnedHandle => "owned handle",
            Self::ValueStack => "value stack",
            Self::HostValue => "host value",
            Self::InFlight => "argument in flight",
            Self::HostCall => "host call",
            Self::Exception => "pending exception",
            Self::WeakMapValue => "value of a weak map",
            Self::Finalizable => "queue of finalizers",
        })
    }
}

/// Sees every root of a collection and may replace it.
pub trait RootVisitor {
    /// Visits one root slot. After the call `slot` holds the reference to store back.
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef);
}

/// The open activations, innermost first: what a source that walks frames needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ActivationList<'a> {
    pub(crate) current: Activation,
    pub(crate) outer: &'a crate::Activations,
}

impl<'a> ActivationList<'a> {
    /// The suspended activations of the stack that runs, innermost first.
    pub fn iter(&self) -> impl Iterator<Item = Activation> + 'a {
        Some(self.current)
            .filter(Activation::is_suspended)
            .into_iter()
            .chain(self.outer.outer())
    }

    /// The same, and then those of [stacks that do not
    /// run](crate::Isolate::set_activations_aside): all that hold roots.
    pub fn of_all_stacks(&self) -> impl Iterator<Item = Activation> + 'a {
        self.iter().chain(self.outer.aside())
    }
}

/// Something that holds roots.
pub trait RootSource: Any + Send {
    /// Shows every root to `visitor`, each exactly once, and stores back what it leaves there.
    ///
    /// Returns how many frames were walked (zero for a source that walks none).
    ///
    /// # Errors
    /// [`HeapError::CorruptStack`] where frames cannot be followed. Roots already shown stay
    /// updated; the collection fails and the heap is poisoned.
    fn visit_roots(
        &mut self,
        activations: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError>;
}
