//! The dataflow: sets of live locals per node, backwards, to the fixpoint.

use super::{Event, LivenessBuilder, Node};
use std::ops::Range;

/// The dataflow: per node, what is read before it is written, what is written, what is live in.
pub(super) struct Flow {
    words: usize,
    reads: Vec<u64>,
    writes: Vec<u64>,
    live_in: Vec<u64>,
    /// The set being computed.
    live: Vec<u64>,
}

impl Flow {
    pub(super) fn new(function: &LivenessBuilder, words: usize) -> Self {
        let size = words * function.nodes.len();
        let mut flow = Self {
            words,
            reads: vec![0; size],
            writes: vec![0; size],
            live_in: vec![0; size],
            live: vec![0; words],
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
    fn live_out(&mut self, node: &Node) {
        self.live.fill(0);
        for &successor in &node.successors {
            let span = self.span(successor);
            for (live, more) in self.live.iter_mut().zip(&self.live_in[span]) {
                *live |= more;
            }
        }
    }

    /// One pass over all nodes; whether anything changed.
    pub(super) fn pass(&mut self, function: &LivenessBuilder) -> bool {
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
    pub(super) fn safepoints(mut self, function: &LivenessBuilder) -> Vec<u64> {
        let mut after = vec![0; function.safepoints * self.words];
        let mut next = function.safepoints;
        for &index in function.order.iter().rev() {
            let node = &function.nodes[index as usize];
            self.live_out(node);
            for event in function.events[node.events.clone()].iter().rev() {
                match *event {
                    Event::Read(local) => insert(&mut self.live, local),
                    Event::Write(local) => remove(&mut self.live, local),
                    Event::Safepoint => {
                        next -= 1;
                        after[next * self.words..(next + 1) * self.words]
                            .copy_from_slice(&self.live);
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
