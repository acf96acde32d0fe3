//! A recorder of write barriers: does every store of a reference into an old object announce itself?
//!
//! An object is old once it survived a collection. What its slots held then is remembered; at the
//! next collection a slot that holds something else must have been announced, by a barrier for it
//! or for a range it lies in.

use std::collections::{HashMap, HashSet};
use windrow_core::{GcRef, ObjectRef};

/// What old slots held, and which were announced since.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    held: HashMap<u32, GcRef>,
    announced: HashSet<u32>,
    faults: Vec<String>,
}

impl Recorder {
    /// Takes note of an announcement of `count` slots of an object of `bytes` bytes.
    pub(crate) fn announce(
        &mut self,
        owner: ObjectRef,
        bytes: Option<u32>,
        first_slot: u32,
        count: u32,
    ) {
        let inside = |bytes: u32| {
            let start = u64::from(first_slot);
            start >= u64::from(owner.offset()) + 8
                && start + 4 * u64::from(count) <= u64::from(owner.offset()) + u64::from(bytes)
        };
        if !bytes.is_some_and(inside) {
            self.faults.push(format!(
                "a barrier names {count} slots at {first_slot:#x}, not all in {owner:?}"
            ));
            return;
        }
        self.announced
            .extend((0..count).map(|index| first_slot + index * 4));
    }

    /// Compares a slot with what it held after the last collection.
    pub(crate) fn compare(&mut self, slot: u32, holds: GcRef) {
        match self.held.get(&slot) {
            Some(held) if *held != holds && !self.announced.contains(&slot) => {
                self.faults.push(format!(
                    "the slot {slot:#x} went from {held:?} to {holds:?} without a barrier"
                ));
            }
            _ => {}
        }
    }

    /// Forgets everything but faults: a collection is about to tell what old slots hold.
    pub(crate) fn restart(&mut self) {
        self.held.clear();
        self.announced.clear();
    }

    /// Remembers what a slot of a survivor holds.
    pub(crate) fn remember(&mut self, slot: u32, holds: GcRef) {
        self.held.insert(slot, holds);
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }
}
