//! Which reference locals are live after each safepoint of a function.
//!
//! A local is live where some path leads to a read of it before a write. The function is cut into
//! nodes at its labels and branches; a backward dataflow over bit sets runs to its fixpoint,
//! visiting nodes last to first. Wasm's control flow is structured, so that takes two passes more
//! than loops are nested. Cost: nodes x (locals / 64) words for each pass and as much memory.
//! Functions for which that is too much ([`MAX_SET_WORDS`], [`MAX_FLOW_WORDS`]) are taken to keep every
//! local live, which is safe: a local always holds a reference or null.
//!
//! What may throw ends its node: it leads on, and to the dispatch of the innermost frame around that
//! handles exceptions. A dispatch is a node without events that leads to the frame's handlers and,
//! unless they take every exception, to the dispatch further out.
//!
//! The analysis sees operators before they are validated. Nonsense (unbalanced ends, depths and
//! indices out of range) is ignored here, since the validator refuses the function later.

mod flow;
mod step;

pub(crate) use step::{Step, is_safepoint};

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use flow::Flow;
use std::ops::Range;

/// Words that all sets of one function may take together: 128 MiB.
const MAX_SET_WORDS: usize = 16 << 20;

/// Words that all passes over one function may visit together: about a second.
const MAX_FLOW_WORDS: usize = 1 << 30;

#[derive(Clone, Copy, Debug)]
enum Event {
    Read(u32),
    Write(u32),
    Safepoint,
}

/// A stretch of steps with one way in, at its start.
#[derive(Debug)]
struct Node<'a> {
    events: Range<usize>,
    successors: BumpVec<'a, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Where branches to it lead.
    label: u32,
    /// The node after it; a loop has none, for it is left by falling through only.
    after: Option<u32>,
    /// The second arm of an `if`, until it begins.
    otherwise: Option<u32>,
    /// Where exceptions lead that are thrown in it, if it handles any; none in its handlers.
    dispatch: Option<u32>,
    /// That dispatch, as long as nothing takes every exception.
    passes_on: Option<u32>,
}

impl Frame {
    /// A frame that is left at its label.
    const fn ending_at(after: u32) -> Self {
        Self {
            label: after,
            after: Some(after),
            otherwise: None,
            dispatch: None,
            passes_on: None,
        }
    }
}

/// Collects the steps of a function in order. What it takes is freed as a whole, with the arena.
#[derive(Debug)]
pub(crate) struct LivenessBuilder<'a> {
    arena: &'a Bump,
    locals: u32,
    nodes: BumpVec<'a, Node<'a>>,
    /// Nodes in the order in which their steps come.
    order: BumpVec<'a, u32>,
    events: BumpVec<'a, Event>,
    safepoints: usize,
    frames: Vec<Frame>,
}

impl<'a> LivenessBuilder<'a> {
    /// For a function with this many reference locals.
    pub(crate) fn new(arena: &'a Bump, locals: u32) -> Self {
        let mut builder = Self {
            arena,
            locals,
            nodes: BumpVec::new_in(arena),
            order: BumpVec::new_in(arena),
            events: BumpVec::new_in(arena),
            safepoints: 0,
            frames: Vec::new(),
        };
        let (entry, exit) = (builder.node(), builder.node());
        builder.begin(entry);
        builder.frames.push(Frame::ending_at(exit));
        builder
    }

    /// Appends a step.
    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Block => {
                let after = self.node();
                self.frames.push(Frame::ending_at(after));
            }
            Step::Loop => {
                let head = self.node();
                self.edge(head);
                self.begin(head);
                self.frames.push(Frame {
                    after: None,
                    ..Frame::ending_at(head)
                });
            }
            Step::If => {
                let (then, otherwise, after) = (self.node(), self.node(), self.node());
                self.edge(then);
                self.edge(otherwise);
                self.begin(then);
                self.frames.push(Frame {
                    otherwise: Some(otherwise),
                    ..Frame::ending_at(after)
                });
            }
            Step::Else => self.otherwise(),
            Step::End => self.end(),
            Step::Branch(depth) => {
                self.branch(depth);
                self.begin_new();
            }
            Step::BranchIf(depth) => {
                self.branch(depth);
                let next = self.node();
                self.edge(next);
                self.begin(next);
            }
            Step::BranchTable(depths) => {
                for depth in depths {
                    self.branch(depth);
                }
                self.begin_new();
            }
            Step::Stop => self.begin_new(),
            Step::Read(local) => self.event(Event::Read(local)),
            Step::Write(local) => self.event(Event::Write(local)),
            Step::Safepoint => self.safepoint(),
            Step::Call => {
                self.safepoint();
                if let Some(dispatch) = self.dispatch(self.frames.len()) {
                    self.edge(dispatch);
                    let next = self.node();
                    self.edge(next);
                    self.begin(next);
                }
            }
            Step::Throw => {
                self.safepoint();
                self.rethrow();
            }
            Step::Rethrow => self.rethrow(),
            Step::TryTable {
                labels,
                catches_all,
            } => self.try_table(&labels, catches_all),
            Step::Try => {
                let (dispatch, after) = (self.node(), self.node());
                self.frames.push(Frame {
                    dispatch: Some(dispatch),
                    passes_on: Some(dispatch),
                    ..Frame::ending_at(after)
                });
            }
            Step::Catch => self.catch(false),
            Step::CatchAll => self.catch(true),
            Step::Delegate(depth) => self.delegate(depth),
        }
    }

    fn safepoint(&mut self) {
        self.safepoints += 1;
        self.event(Event::Safepoint);
    }

    /// Where exceptions lead that are thrown with `depth` frames around, if not out.
    fn dispatch(&self, depth: usize) -> Option<u32> {
        let frames = self.frames.get(..depth)?;
        frames.iter().rev().find_map(|frame| frame.dispatch)
    }

    fn rethrow(&mut self) {
        if let Some(dispatch) = self.dispatch(self.frames.len()) {
            self.edge(dispatch);
        }
        self.begin_new();
    }

    fn try_table(&mut self, labels: &[u32], catches_all: bool) {
        let (dispatch, after) = (self.node(), self.node());
        for depth in labels {
            let index = self.frames.len().checked_sub(*depth as usize + 1);
            if let Some(label) = index.and_then(|index| Some(self.frames.get(index)?.label)) {
                self.connect(dispatch, label);
            }
        }
        self.frames.push(Frame {
            dispatch: Some(dispatch),
            passes_on: (!catches_all).then_some(dispatch),
            ..Frame::ending_at(after)
        });
    }

    fn catch(&mut self, catches_all: bool) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let Some(dispatch) = frame.passes_on else {
            return;
        };
        let (after, first) = (frame.after, frame.dispatch.take());
        if catches_all {
            frame.passes_on = None;
        }
        if let Some(after) = after {
            self.edge(after);
        }
        if first.is_some() {
            self.begin(dispatch);
        }
        let handler = self.node();
        self.connect(dispatch, handler);
        self.begin(handler);
    }

    fn delegate(&mut self, depth: u32) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let depth = self.frames.len().saturating_sub(depth as usize);
        self.leave(&frame, depth);
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
        let current = self.current();
        if let Some(node) = self.nodes.get_mut(current as usize) {
            node.events.end = self.events.len();
        }
    }

    fn current(&self) -> u32 {
        self.order.last().copied().unwrap_or(0)
    }

    fn node(&mut self) -> u32 {
        self.nodes.push(Node {
            events: 0..0,
            successors: BumpVec::new_in(self.arena),
        });
        u32::try_from(self.nodes.len() - 1).expect("function bodies are a few megabytes at most")
    }

    fn begin(&mut self, node: u32) {
        self.order.push(node);
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.events = self.events.len()..self.events.len();
        }
    }

    /// Begins a node that nothing leads to, for what follows an unconditional branch.
    fn begin_new(&mut self) {
        let node = self.node();
        self.begin(node);
    }

    fn edge(&mut self, to: u32) {
        self.connect(self.current(), to);
    }

    fn connect(&mut self, from: u32, to: u32) {
        if let Some(node) = self.nodes.get_mut(from as usize) {
            node.successors.push(to);
        }
    }

    fn branch(&mut self, depth: u32) {
        let index = self.frames.len().checked_sub(depth as usize + 1);
        if let Some(frame) = index.and_then(|index| self.frames.get(index)) {
            self.edge(frame.label);
        }
    }

    fn otherwise(&mut self) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let (after, otherwise) = (frame.after, frame.otherwise.take());
        if let Some(after) = after {
            self.edge(after);
        }
        if let Some(otherwise) = otherwise {
            self.begin(otherwise);
        }
    }

    fn end(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.leave(&frame, self.frames.len());
        }
    }

    /// Leaves a frame, whose exceptions go on as if thrown with `depth` frames around.
    fn leave(&mut self, frame: &Frame, depth: usize) {
        let Some(after) = frame.after else { return };
        self.edge(after);
        if let Some(otherwise) = frame.otherwise {
            self.begin(otherwise);
            self.edge(after);
        }
        if let Some(dispatch) = frame.dispatch {
            self.begin(dispatch);
        }
        if let (Some(dispatch), Some(outer)) = (frame.passes_on, self.dispatch(depth)) {
            self.connect(dispatch, outer);
        }
        self.begin(after);
    }

    /// Runs the analysis.
    pub(crate) fn finish(self) -> Liveness {
        self.finish_within(MAX_FLOW_WORDS)
    }

    fn finish_within(self, flow_words: usize) -> Liveness {
        let words = (self.locals as usize).div_ceil(64);
        let sets = words.saturating_mul(self.nodes.len() * 3 + self.safepoints);
        if self.locals == 0 || sets > MAX_SET_WORDS {
            return Liveness { words, after: None };
        }
        let mut flow = Flow::new(&self, words);
        let mut passes = flow_words / (words * self.nodes.len());
        while flow.pass(&self) {
            passes = passes.saturating_sub(1);
            if passes == 0 {
                return Liveness { words, after: None };
            }
        }
        Liveness {
            words,
            after: Some(flow.safepoints(&self)),
        }
    }
}

/// The answer: a set of reference locals for each safepoint.
#[derive(Debug)]
pub(crate) struct Liveness {
    words: usize,
    /// The sets, one after another; `None` when every local counts as live.
    after: Option<Vec<u64>>,
}

impl Liveness {
    /// 64 locals of the set after a safepoint, both counted from zero.
    pub(crate) fn live_word(&self, safepoint: usize, word: usize) -> u64 {
        match &self.after {
            Some(after) => after
                .get(safepoint * self.words + word)
                .copied()
                .unwrap_or(u64::MAX),
            None => u64::MAX,
        }
    }

    /// Whether a local is live after a safepoint.
    #[cfg(test)]
    fn is_live(&self, safepoint: usize, local: u32) -> bool {
        self.live_word(safepoint, local as usize / 64) >> (local % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests;
