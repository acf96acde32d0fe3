//! One region, one cursor.
//!
//! The budget moves a soft end up through the region; the cursor's limit follows it in steps, so
//! that checked memory grows with use and not with the budget.

use windrow_core::{
    AllocError, CollectionClient, CollectionKind, FIRST_OBJECT_OFFSET, GcHeap, GcRef, HEAP_END,
    HeapContext, HeapError, HeapLimits, Memory, ObjectRef, RootKind, RootVisitor, Usage, Violation,
    WeakPhase, visit_objects,
};

/// How far the limit moves at a time, in bytes.
const STEP_BYTES: u32 = 1 << 20;

/// A heap that only grows.
#[derive(Debug)]
pub(crate) struct NullHeap {
    /// Where the budget ends: at most `hard_end`.
    soft_end: u32,
    /// Where the hard limit, or the address space, ends.
    hard_end: u32,
    /// The limit as this heap set it; the driver may hold the shared one lower.
    limit: u32,
}

impl NullHeap {
    pub(crate) fn new(cx: &mut HeapContext<'_>, limits: HeapLimits) -> Self {
        let room = u64::from(HEAP_END - FIRST_OBJECT_OFFSET).min(limits.max_bytes) & !7;
        cx.state.cursor = FIRST_OBJECT_OFFSET;
        cx.state.limit = FIRST_OBJECT_OFFSET;
        let hard_end = FIRST_OBJECT_OFFSET + u32::try_from(room).expect("less than the heap");
        Self {
            soft_end: FIRST_OBJECT_OFFSET,
            hard_end,
            limit: FIRST_OBJECT_OFFSET,
        }
    }
}

impl GcHeap for NullHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        let start = cx.state.cursor;
        let end = start
            .checked_add(bytes)
            .filter(|end| *end <= self.soft_end)
            .ok_or(AllocError::Exhausted)?;
        if end > self.limit {
            let limit = end.saturating_add(STEP_BYTES).min(self.soft_end);
            cx.memory
                .grow_to(limit.into())
                .map_err(|_| AllocError::Exhausted)?;
            self.limit = limit;
        }
        cx.state.cursor = end;
        cx.state.limit = self.limit;
        cx.memory.store_u64(start, header);
        Ok(ObjectRef::from_offset(start).expect("the cursor is aligned and past the first page"))
    }

    /// Shows the roots to nobody and reclaims nothing: everything survives where it is.
    fn collect(
        &mut self,
        _cx: &mut HeapContext<'_>,
        _kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        client.visit_roots(&mut Everything)?;
        client.process_weak(&mut Everything)
    }

    fn set_budget(&mut self, cx: &mut HeapContext<'_>, bytes: u64) {
        let end = u64::from(cx.state.cursor).saturating_add(bytes);
        let end = end.min(self.hard_end.into()) & !7;
        self.soft_end = u32::try_from(end).expect("at most the hard end");
        self.limit = self.limit.min(self.soft_end);
        cx.state.limit = self.limit;
    }

    fn usage(&self, cx: &HeapContext<'_>) -> Usage {
        Usage {
            occupied_bytes: u64::from(cx.state.cursor - FIRST_OBJECT_OFFSET),
            committed_bytes: u64::from(self.limit.max(cx.state.cursor) - FIRST_OBJECT_OFFSET),
        }
    }

    fn visit_objects(
        &self,
        cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError> {
        let (start, end) = (FIRST_OBJECT_OFFSET, cx.state.cursor);
        Ok(visit_objects(cx.memory, cx.types, start, end, visit)?)
    }

    fn verify(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation)) {
        let cursor = cx.state.cursor;
        if cursor > self.limit || self.limit > self.soft_end || self.soft_end > self.hard_end {
            report(Violation(format!(
                "cursor {cursor:#x}, limit {:#x}, soft end {:#x} and hard end {:#x} are out of order",
                self.limit, self.soft_end, self.hard_end
            )));
        }
    }
}

/// What is alive: everything, where it is.
struct Everything;

impl RootVisitor for Everything {
    fn visit(&mut self, _kind: RootKind, _slot: &mut GcRef) {}
}

impl WeakPhase for Everything {
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef> {
        Some(object)
    }

    fn trace(&mut self, _reached: &mut Vec<ObjectRef>) -> Result<(), HeapError> {
        Ok(())
    }
}
