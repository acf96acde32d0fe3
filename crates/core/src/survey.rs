//! A survey: what the roots keep alive, seen from outside any collector.
//!
//! A trace of its own, with a bit for every eight bytes of the heap that hold an object, never through
//! a collector's marks. Then each object once, in address order, with type, size and the references in
//! it by field or element, and an index of its own: its rank among the bits. So a survey takes about a
//! 32nd of the heap it covers, whatever is alive.
//!
//! The heap is not trusted. What leads to no object is a *stray*, counted and left out; so is an object
//! that claims more than all objects together can have left, so that no forged length makes the trace
//! look at more bytes than the heap holds.

mod edges;
mod reached;

pub use edges::{Edge, EdgeSlot, EdgeStrength};

use crate::header::Header;
use crate::roots::{RootKind, RootVisitor};
use crate::{GcRef, HeapError, ObjectRef, TypeId};
pub(crate) use edges::{Dependents, View};
use reached::Reached;
use std::fmt;

/// The references that roots hold, by kind.
#[derive(Default)]
pub(crate) struct RootLists {
    pub(crate) objects: [Vec<ObjectRef>; RootKind::ALL.len()],
    pub(crate) strays: u64,
}

impl RootVisitor for RootLists {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        let reference = *slot;
        match (reference.as_object(), self.objects.get_mut(kind as usize)) {
            (Some(object), Some(list)) => list.push(object),
            _ => self.strays += u64::from(!reference.is_null() && !reference.is_i31()),
        }
    }
}

impl RootLists {
    /// Each kind with what its roots refer to.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RootKind, &[ObjectRef])> {
        let lists = self.objects.iter().map(Vec::as_slice);
        RootKind::ALL.into_iter().zip(lists)
    }
}

/// How much the objects of a walk may still claim: together they cannot have more than all objects.
pub(crate) struct Allowance(pub(crate) u64);

impl Allowance {
    /// Whether there is an object that fits; it is counted then.
    pub(crate) fn admits(&mut self, view: &View<'_>, object: ObjectRef) -> bool {
        let Some((_, bytes)) = view.object(object) else {
            return false;
        };
        match self.0.checked_sub(bytes.into()) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}

/// What the roots of an isolate keep alive. See
/// [`Isolate::survey`](crate::Isolate::survey).
pub struct HeapSurvey<'a> {
    pub(crate) view: View<'a>,
    reached: Reached,
    roots: RootLists,
    objects: u64,
    object_bytes: u64,
    edges: u64,
    strays: u64,
}

impl fmt::Debug for HeapSurvey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapSurvey")
            .field("objects", &self.objects)
            .field("object_bytes", &self.object_bytes)
            .field("edges", &self.edges)
            .field("strays", &self.strays)
            .finish_non_exhaustive()
    }
}

impl<'a> HeapSurvey<'a> {
    /// Traces from `roots` through objects that may take `occupied_bytes` together.
    pub(crate) fn new(
        view: View<'a>,
        mut roots: RootLists,
        occupied_bytes: u64,
    ) -> Result<Self, HeapError> {
        let mut survey = Self {
            view,
            reached: Reached::default(),
            strays: roots.strays,
            roots: RootLists::default(),
            objects: 0,
            object_bytes: 0,
            edges: 0,
        };
        let mut trace = Trace {
            allowance: Allowance(occupied_bytes),
            pending: Vec::new(),
        };
        for list in &mut roots.objects {
            let mut refused = None;
            list.retain(|object| match survey.reach(&mut trace, *object) {
                Ok(is_object) => is_object,
                Err(error) => {
                    refused = Some(error);
                    false
                }
            });
            if let Some(error) = refused {
                return Err(error);
            }
        }
        survey.roots = roots;
        let mut targets = Vec::new();
        while let Some(object) = trace.pending.pop() {
            survey
                .view
                .for_each_edge(object, &mut |edge| targets.push(edge.target));
            for target in targets.drain(..) {
                survey.edges += u64::from(survey.reach(&mut trace, target)?);
            }
        }
        survey.reached.count()?;
        survey.object_bytes = occupied_bytes - trace.allowance.0;
        Ok(survey)
    }

    /// Whether there is an object at `object`, which is then reached.
    fn reach(&mut self, trace: &mut Trace, object: ObjectRef) -> Result<bool, HeapError> {
        if self.reached.contains(object) {
            return Ok(true);
        }
        if !trace.allowance.admits(&self.view, object) {
            self.strays += 1;
            return Ok(false);
        }
        self.reached.insert(object)?;
        self.objects += 1;
        trace.pending.push(object);
        Ok(true)
    }

    /// How many objects are alive.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.objects
    }

    /// Whether nothing is alive.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.objects == 0
    }

    /// What they take in the heap, in bytes.
    #[must_use]
    pub const fn object_bytes(&self) -> u64 {
        self.object_bytes
    }

    /// How many references there are from objects to objects.
    #[must_use]
    pub const fn edges(&self) -> u64 {
        self.edges
    }

    /// How many references in roots and objects lead to no object: none, in a whole heap.
    #[must_use]
    pub const fn strays(&self) -> u64 {
        self.strays
    }

    /// Every root that refers to an object, by kind in declaration order.
    pub fn roots(&self) -> impl Iterator<Item = (RootKind, ObjectRef)> {
        let lists = self.roots.iter();
        lists.flat_map(|(kind, objects)| objects.iter().map(move |object| (kind, *object)))
    }

    /// Each kind of root with the objects its roots refer to.
    pub(crate) fn roots_by_kind(&self) -> impl Iterator<Item = (RootKind, &[ObjectRef])> {
        self.roots.iter()
    }

    /// Every live object, in address order.
    pub fn objects(&self) -> impl Iterator<Item = HeapObject<'_>> {
        self.reached.iter().filter_map(|object| self.read(object))
    }

    /// A live object, or `None` for whatever else a reference says.
    #[must_use]
    pub fn object(&self, object: ObjectRef) -> Option<HeapObject<'_>> {
        self.read(object).filter(|_| self.reached.contains(object))
    }

    /// How many live objects lie before a live object: below [`Self::len`].
    #[must_use]
    pub fn index_of(&self, object: ObjectRef) -> Option<u32> {
        self.reached.rank(object)
    }

    fn read(&self, object: ObjectRef) -> Option<HeapObject<'_>> {
        let (header, bytes) = self.view.object(object)?;
        Some(HeapObject {
            survey: self,
            object,
            header,
            bytes,
        })
    }
}

/// The state of a trace.
struct Trace {
    allowance: Allowance,
    pending: Vec<ObjectRef>,
}

/// One live object of a survey.
#[derive(Clone, Copy, Debug)]
pub struct HeapObject<'a> {
    survey: &'a HeapSurvey<'a>,
    object: ObjectRef,
    header: Header,
    bytes: u32,
}

impl HeapObject<'_> {
    /// Where it is, until the next safepoint.
    #[must_use]
    pub const fn object(&self) -> ObjectRef {
        self.object
    }

    /// Its type.
    #[must_use]
    pub const fn type_id(&self) -> TypeId {
        self.header.type_id()
    }

    /// What it takes in the heap, header included, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Shows each reference from this object to a live one, those of its host value and of weak maps
    /// first, then its own in address order; null, integers and strays
    /// are left out.
    pub fn for_each_edge(&self, mut visit: impl FnMut(Edge)) {
        self.survey.view.for_each_edge(self.object, &mut |edge| {
            if self.survey.reached.contains(edge.target) {
                visit(edge);
            }
        });
    }
}
