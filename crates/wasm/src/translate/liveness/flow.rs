//! The dataflow: sets of live locals per node, backwards, to the fixpoint.

use super::{Event, LivenessBuilder, Node};
use std::ops::Range;

/// The dataflow: per node, what is read before it is written, what is written, what is live in.
pub(super) struct Flow<'a> {
    words: usize,
    reads: &'a mut [u64],
    writes: &'a mut [u64],
    live_in: &'a mut [u64],
    /// The set being computed.
    live: &'a mut [u64],
}

impl<'a> Flow<'a> {
    pub(super) fn new(function: &LivenessBuilder<'a>, words: usize) -> Self {
        let size = words * function.nodes.len();
        let sets = |words| function.arena.alloc_slice_fill_copy(words, 0);
        let flow = Self {
            words,
            reads: sets(size),
            writes: sets(size),
            live_in: sets(size),
            live: sets(words),
        };
        for (index, node) in function.nodes.iter().enumerate() {
            let span = index * words..(index + 1) * words;
            let (reads, writes) = (&mut flow.reads[span.clone()], &mut flow.writes[span]);
            for event in function.events[node.events.clone()].iter().rev() {
                match *event {
                    Event::Read(local) => insert(reads, local),
                    Event::Write(local) => {
                        remove(reads, local);
                        insert(writes, local);
                    }
                    Event::Safepoint => {}
                }
            }
        }
        flow
    }

    fn span(&self, node: u32) -> Range<usize> {
        let start = node as usize * self.words;
        start..start + self.words
    }

    /// Sets `live` to what is live at the end of a node.
    fn live_out(&mut self, node: &Node<'_>) {
        self.live.fill(0);
        for &successor in &node.successors {
            let span = self.span(successor);
            for (live, more) in self.live.iter_mut().zip(&self.live_in[span]) {
                *live |= more;
            }
        }
    }

    /// One pass over all nodes; whether anything changed.
    pub(super) fn pass(&mut self, function: &LivenessBuilder<'_>) -> bool {
        let mut changed = false;
        for &index in function.order.iter().rev() {
            self.live_out(&function.nodes[index as usize]);
            for (word, at) in self.span(index).enumerate() {
                let live = self.reads[at] | (self.live[word] & !self.writes[at]);
                changed |= self.live_in[at] != live;
                self.live_in[at] = live;
            }
        }
        changed
    }

    /// The sets after each safepoint, in the order of the safepoints.
    pub(super) fn safepoints(mut self, function: &LivenessBuilder<'_>) -> Vec<u64> {
        let mut after = vec![0; function.safepoints * self.words];
        let mut next = function.safepoints;
        for &index in function.order.iter().rev() {
            let node = &function.nodes[index as usize];
            self.live_out(node);
            for event in function.events[node.events.clone()].iter().rev() {
                match *event {
                    Event::Read(local) => insert(self.live, local),
                    Event::Write(local) => remove(self.live, local),
                    Event::Safepoint => {
                        next -= 1;
                        after[next * self.words..(next + 1) * self.words]
                            .copy_from_slice(self.live);
                    }
                }
            }
        }
        after
    }
}

fn insert(set: &mut [u64], local: u32) {
    set[local as usize / 64] |= 1 << (local % 64);
}

fn remove(set: &mut [u64], local: u32) {
    set[local as usize / 64] &= !(1 << (local % 64));
}
