//! Weak references: each a token and the object it leads to while that is alive.
//!
//! Entries are freed as those of owned handles are: the collection after the last clone of a token
//! was dropped.

use crate::{ObjectRef, WeakPhase};
use std::sync::Arc;

/// A weak reference: leads to its object and does not keep it alive.
///
/// Clones are one weak reference. Its entry is free from the first collection after the last was
/// dropped.
#[derive(Clone, Debug)]
pub struct WeakHandle {
    index: usize,
    token: Arc<()>,
}

#[derive(Debug)]
struct Entry {
    /// `None` once the object died, and while the entry is free.
    object: Option<ObjectRef>,
    token: Arc<()>,
    is_free: bool,
}

/// The weak references of one isolate.
#[derive(Debug, Default)]
pub(crate) struct References {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

impl References {
    pub(crate) fn insert(&mut self, object: ObjectRef) -> WeakHandle {
        if let Some(index) = self.free.pop()
            && let Some(entry) = self.entries.get_mut(index)
        {
            (entry.object, entry.is_free) = (Some(object), false);
            let token = Arc::clone(&entry.token);
            return WeakHandle { index, token };
        }
        let token = Arc::new(());
        self.entries.push(Entry {
            object: Some(object),
            token: Arc::clone(&token),
            is_free: false,
        });
        WeakHandle {
            index: self.entries.len() - 1,
            token,
        }
    }

    /// The object of a weak reference, if it is alive; `None` for another isolate's.
    pub(crate) fn get(&self, handle: &WeakHandle) -> Option<Option<ObjectRef>> {
        let entry = self.entries.get(handle.index)?;
        Arc::ptr_eq(&entry.token, &handle.token).then_some(entry.object)
    }

    /// Frees the entries whose tokens are gone, and those of dead objects lead nowhere.
    pub(crate) fn process(&mut self, heap: &mut dyn WeakPhase) {
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if entry.is_free {
                continue;
            }
            if Arc::strong_count(&entry.token) == 1 {
                (entry.object, entry.is_free) = (None, true);
                self.free.push(index);
                continue;
            }
            entry.object = entry.object.and_then(|object| heap.survivor(object));
        }
    }

    /// The objects they lead to.
    pub(crate) fn objects(&self) -> impl Iterator<Item = ObjectRef> + '_ {
        self.entries.iter().filter_map(|entry| entry.object)
    }
}
