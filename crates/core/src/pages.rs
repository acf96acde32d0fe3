//! Who has which part of the 4 GiB: runs of pages, lowest address first.
//!
//! Everything at and above the frontier is free; below it, runs given back are kept by address
//! with neighbours joined, and taken again first fit. A heap therefore stays compact, which keeps
//! checked memory small. A caller that must be able to take more later says so
//! ([`PageSpace::take`]'s `keep_pages`), and a run that would break the promise is refused.

use crate::{FIRST_OBJECT_OFFSET, HEAP_END, PAGE_BYTES};
use std::collections::BTreeMap;

/// Allocator of page runs. Offsets and lengths are in pages.
#[derive(Debug)]
pub struct PageSpace {
    frontier: u32,
    free: BTreeMap<u32, u32>,
}

impl Default for PageSpace {
    fn default() -> Self {
        Self::new()
    }
}

impl PageSpace {
    const END: u32 = HEAP_END / PAGE_BYTES;

    /// Everything between the first object offset and the heap's end, free.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frontier: FIRST_OBJECT_OFFSET / PAGE_BYTES,
            free: BTreeMap::new(),
        }
    }

    /// Pages above the frontier: what is surely free in one run.
    #[must_use]
    pub const fn untouched(&self) -> u32 {
        self.untouched_from(1)
    }

    /// Pages above the first multiple of `align` pages, a power of two, above the frontier.
    #[must_use]
    pub const fn untouched_from(&self, align: u32) -> u32 {
        Self::END.saturating_sub(self.frontier.next_multiple_of(align))
    }

    /// Takes a run of `pages`, leaving at least `keep_pages` untouched above the frontier.
    ///
    /// First fit: linear in the number of free runs.
    pub fn take(&mut self, pages: u32, keep_pages: u32) -> Option<u32> {
        self.take_aligned(pages, 1, keep_pages)
    }

    /// As [`Self::take`], a run that starts at a multiple of `align` pages, a power of two.
    pub fn take_aligned(&mut self, pages: u32, align: u32, keep_pages: u32) -> Option<u32> {
        let fit = self.free.iter().find_map(|(start, len)| {
            let skipped = start.next_multiple_of(align) - start;
            (*len >= skipped + pages).then_some((*start, *len, skipped))
        });
        if let Some((start, len, skipped)) = fit {
            self.free.remove(&start);
            if skipped > 0 {
                self.free.insert(start, skipped);
            }
            let left = len - skipped - pages;
            if left > 0 {
                self.free.insert(start + skipped + pages, left);
            }
            return Some(start + skipped);
        }
        let skipped = self.frontier.next_multiple_of(align) - self.frontier;
        let needed = pages.checked_add(keep_pages)?.checked_add(skipped)?;
        if self.untouched() < needed {
            return None;
        }
        if skipped > 0 {
            self.free.insert(self.frontier, skipped);
        }
        let start = self.frontier + skipped;
        self.frontier = start + pages;
        Some(start)
    }

    /// Shows the free parts of a run.
    pub fn visit_free(&self, start: u32, pages: u32, mut visit: impl FnMut(u32, u32)) {
        let end = start + pages;
        let mut part = |first: u32, last: u32| {
            let (first, last) = (first.max(start), last.min(end));
            if first < last {
                visit(first, last - first);
            }
        };
        part(self.frontier, Self::END);
        for (first, len) in self.free.range(..end).rev() {
            if first + len <= start {
                break;
            }
            part(*first, first + len);
        }
    }

    /// Gives a run back.
    pub fn give(&mut self, start: u32, pages: u32) {
        let (mut start, mut pages) = (start, pages);
        if let Some((before, len)) = self.free.range(..start).next_back().map(|(s, l)| (*s, *l))
            && before + len == start
        {
            self.free.remove(&before);
            start = before;
            pages += len;
        }
        if let Some(len) = self.free.remove(&(start + pages)) {
            pages += len;
        }
        if start + pages == self.frontier {
            self.frontier = start;
        } else {
            self.free.insert(start, pages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_never_overlap_and_come_back(steps in prop::collection::vec((any::<bool>(), 1u32..50, any::<prop::sample::Index>()), 1..200)) {
            let mut space = PageSpace::new();
            let before = space.untouched();
            let mut held: Vec<(u32, u32)> = Vec::new();
            for (take, pages, pick) in steps {
                let align = if pages.is_power_of_two() { pages } else { 1 };
                if take || held.is_empty() {
                    let start = space.take_aligned(pages, align, 0).expect("the space is large");
                    prop_assert!(start.is_multiple_of(align));
                    for (other, len) in &held {
                        prop_assert!(start + pages <= *other || other + len <= start);
                    }
                    held.push((start, pages));
                } else {
                    let (start, len) = held.swap_remove(pick.index(held.len()));
                    space.give(start, len);
                }
            }
            for (start, len) in held {
                space.give(start, len);
            }
            prop_assert_eq!(space.untouched(), before, "everything was joined again");
        }
    }

    #[test]
    fn free_parts_of_a_run_are_those_not_taken_again() {
        let mut space = PageSpace::new();
        let run = space.take(10, 0).unwrap();
        let behind = space.take(1, 0).unwrap();
        let free = |space: &PageSpace| {
            let mut parts = Vec::new();
            space.visit_free(run, 10, |start, pages| parts.push((start - run, pages)));
            parts
        };
        assert_eq!(free(&space), []);
        space.give(run, 10);
        assert_eq!(free(&space), [(0, 10)]);
        let taken: Vec<u32> = (0..10).map(|_| space.take(1, 0).unwrap()).collect();
        for page in [2, 3, 7] {
            space.give(taken[page], 1);
        }
        assert_eq!(free(&space), [(7, 1), (2, 2)]);
        space.give(behind, 1);
        space.give(taken[9], 1);
        space.give(taken[8], 1);
        assert_eq!(free(&space), [(7, 3), (2, 2)]);
    }

    #[test]
    fn what_is_kept_is_not_taken() {
        let mut space = PageSpace::new();
        let all = space.untouched();
        assert_eq!(space.take(all - 9, 10), None);
        assert!(space.take(all - 10, 10).is_some());
        assert_eq!(space.take(11, 0), None);
        assert!(space.take(10, 0).is_some());
        assert_eq!(space.untouched(), 0);
    }
}
