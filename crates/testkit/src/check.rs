//! The check: a case against a collector, compared with the model after each step that collected.

use crate::case::{CELLS, Kind, Step, TestCase};
use crate::compare::{Places, compare};
use crate::failure::Failure;
use crate::model::{Model, NodeKind};
use crate::mutator::root_kind;
use crate::run::Run;
use std::sync::Arc;
use windrow_core::{Collector, Statistics, TypeRegistry};

/// Runs a case on a collector and compares everything that can be seen with the model.
///
/// After each step in which a collection ran, and at the end: what the roots lead to is the same
/// graph, identity included; no live host value was dropped, and after a full collection by a
/// collector that claims to reclaim everything each dead one was, once; the heap's own
/// [`verify`](windrow_core::Isolate::verify) finds nothing; the statistics add up; no more than
/// the limit was committed; objects moved only if the collector says they do.
///
/// A heap may refuse an allocation as [`HeapFull`](windrow_core::HeapError::HeapFull) if four
/// times what is alive and asked for, and 128 KiB, exceed its limit; the step is then left out.
/// Costs time in proportion to the live data at each collection.
///
/// # Errors
/// [`Failure`] with the step, the path from a root and what differs.
pub fn check(collector: Arc<dyn Collector>, case: &TestCase) -> Result<(), Failure> {
    check_counting(collector, case, &mut Figures::default())
}

/// What the cases of a proof exercised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Cases run.
    pub cases: u64,
    /// Steps of all cases.
    pub steps: u64,
    /// Collections.
    pub collections: u64,
    /// Comparisons with the model.
    pub comparisons: u64,
    /// Bytes allocated.
    pub allocated_bytes: u64,
    /// Allocations refused by a full heap.
    pub refusals: u64,
    /// Host values dropped by collections.
    pub host_values_dropped: u64,
    /// Weak references and entries of weak maps whose objects were found dead.
    pub found_dead: u64,
    /// Objects queued for their finalizers.
    pub finalized: u64,
}

/// As [`check`], adding what was done to `figures`.
pub(crate) fn check_counting(
    collector: Arc<dyn Collector>,
    case: &TestCase,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let Some(mut examiner) = Examiner::new(collector, Arc::new(TypeRegistry::new()), case)? else {
        return Ok(());
    };
    for index in 0..=case.steps.len() {
        examiner.step(index)?;
    }
    examiner.count(figures);
    examiner.finish()
}

/// Runs several cases at once, in stores that share their types, and compares each with its model.
///
/// The stores take turns, a step each; each comes into being some steps after the one before, so
/// that types are added while heaps are at work, and goes when its case ends, with the others at
/// work.
///
/// # Errors
/// As [`check`], for the first that fails.
pub fn check_together(parties: &[(Arc<dyn Collector>, TestCase)]) -> Result<(), Failure> {
    /// Turns between two beginnings.
    const STAGGER: usize = 7;
    let types = Arc::new(TypeRegistry::new());
    let mut examiners: Vec<Option<Examiner<'_>>> = parties.iter().map(|_| None).collect();
    let longest = parties.iter().map(|(_, case)| case.steps.len()).max();
    for turn in 0..=longest.unwrap_or(0) + STAGGER * parties.len() {
        for (index, (collector, case)) in parties.iter().enumerate() {
            let Some(step) = turn.checked_sub(index * STAGGER) else {
                continue;
            };
            if step == 0 {
                let (collector, types) = (Arc::clone(collector), Arc::clone(&types));
                examiners[index] = Examiner::new(collector, types, case)?;
            }
            if let Some(examiner) = &mut examiners[index] {
                examiner.step(step)?;
            }
            if step == case.steps.len() {
                examiners[index].take().map_or(Ok(()), Examiner::finish)?;
            }
        }
    }
    Ok(())
}

/// A failure outside of any step.
fn outside(what: String) -> Failure {
    Failure {
        step: None,
        during: None,
        what,
    }
}

struct Examiner<'c> {
    run: Run<'c>,
    moves_objects: bool,
    /// Where objects lay when they were last looked at.
    places: Places,
    comparisons: u64,
}

impl<'c> Examiner<'c> {
    /// `None` where the collector refuses so small a heap.
    fn new(
        collector: Arc<dyn Collector>,
        types: Arc<TypeRegistry>,
        case: &'c TestCase,
    ) -> Result<Option<Self>, Failure> {
        let moves_objects = collector.abi().moves_objects;
        let run = Run::new(collector, types, case).map_err(outside)?;
        Ok(run.map(|run| Self {
            run,
            moves_objects,
            places: Places::new(),
            comparisons: 0,
        }))
    }

    /// Does the step with this index; the one after the last is a full collection.
    fn step(&mut self, index: usize) -> Result<(), Failure> {
        let steps = &self.run.case.steps;
        let step = steps
            .get(index)
            .copied()
            .unwrap_or(Step::Collect(Kind::Full));
        let is_last = index == steps.len();
        self.try_step(step, is_last).map_err(|what| Failure {
            step: Some(index),
            during: Some(step),
            what,
        })
    }

    fn try_step(&mut self, step: Step, is_last: bool) -> Result<(), String> {
        let before = self.run.mutator.isolate.stats();
        self.run.step(step)?;
        let after = self.run.mutator.isolate.stats();
        let must_be_exact = step == Step::Collect(Kind::Full) && self.run.is_exact;
        if is_last || after.collections() != before.collections() {
            self.examine(must_be_exact, &after)?;
        }
        if let Step::Collect(_) = step {
            self.check_root_counts(&before, &after, must_be_exact)?;
        }
        Ok(())
    }

    fn examine(&mut self, must_be_exact: bool, stats: &Statistics) -> Result<(), String> {
        let verified = self.run.mutator.isolate.verify();
        verified.map_err(|error| error.to_string())?;
        self.run.sync(must_be_exact)?;
        let Run {
            model,
            mutator,
            schema,
            ..
        } = &mut self.run;
        let places = compare(model, mutator, schema)?;
        if !self.moves_objects
            && let Some((before, now)) = places
                .iter()
                .filter_map(|(node, now)| self.places.get(node).map(|before| (before, now)))
                .find(|(before, now)| before != now)
        {
            return Err(format!(
                "an object moved from {before:?} to {now:?}; the collector says none does"
            ));
        }
        self.places = places;
        self.comparisons += 1;
        self.check_host_values(must_be_exact, stats)?;
        self.check_statistics(must_be_exact, stats)
    }

    fn check_host_values(&self, must_be_dropped: bool, stats: &Statistics) -> Result<(), String> {
        let Run { model, mutator, .. } = &self.run;
        let mut dropped = 0;
        for (tag, is_live) in model.live_tags(&model.reachable()).into_iter().enumerate() {
            let drops = mutator.ledger.drops(tag);
            match (is_live, drops) {
                (true, 0) => {}
                (true, _) => {
                    return Err(format!(
                        "host value {tag} was dropped while its object is alive"
                    ));
                }
                (false, 0) if must_be_dropped => {
                    return Err(format!(
                        "host value {tag} was not dropped, and its object is dead"
                    ));
                }
                (false, 0 | 1) => {}
                (false, _) => return Err(format!("host value {tag} was dropped {drops} times")),
            }
            dropped += u64::from(drops);
        }
        if stats.host_values_dropped != dropped {
            let counted = stats.host_values_dropped;
            return Err(format!(
                "the statistics count {counted} host values dropped, there were {dropped}"
            ));
        }
        Ok(())
    }

    fn check_statistics(&self, must_be_exact: bool, stats: &Statistics) -> Result<(), String> {
        let model = &self.run.model;
        let equal = |what: &str, found: u64, expected: u64| {
            if found == expected {
                return Ok(());
            }
            Err(format!(
                "the statistics say {found} bytes {what}, the model {expected}"
            ))
        };
        equal(
            "were allocated",
            stats.allocated_bytes,
            model.allocated_bytes,
        )?;
        let live = model.bytes_of(&model.reachable());
        if must_be_exact {
            equal("are live", stats.live_bytes, live)?;
        }
        let limit = self.run.case.config.max_bytes;
        let committed = stats.committed_bytes.max(stats.peak_committed_bytes);
        if committed > limit {
            return Err(format!(
                "{committed} bytes were committed, the limit is {limit}"
            ));
        }
        if committed < live {
            return Err(format!(
                "{committed} bytes were committed at most, {live} are live"
            ));
        }
        Ok(())
    }

    /// A collection looks at each root once, whatever kind it is; at least at those that live objects
    /// make roots.
    fn check_root_counts(
        &self,
        before: &Statistics,
        after: &Statistics,
        must_be_exact: bool,
    ) -> Result<(), String> {
        let expected = root_counts(&self.run.model);
        for (kind, (before, after)) in before.roots.iter().zip(&after.roots).enumerate() {
            let (found, expected) = (after - before, expected[kind]);
            let may_be_more =
                !must_be_exact && DEPENDENT.contains(&windrow_core::RootKind::ALL[kind]);
            if found != expected && !(may_be_more && found > expected) {
                let kind = windrow_core::RootKind::ALL[kind];
                return Err(format!(
                    "the collection visited {found} roots of kind {kind:?}, there are {expected}"
                ));
            }
        }
        Ok(())
    }

    fn count(&mut self, figures: &mut Figures) {
        let stats = self.run.mutator.isolate.stats();
        figures.cases += 1;
        figures.steps += self.run.case.steps.len() as u64;
        figures.collections += stats.collections();
        figures.comparisons += self.comparisons;
        figures.allocated_bytes += stats.allocated_bytes;
        figures.refusals += self.run.refusals;
        figures.host_values_dropped += stats.host_values_dropped;
        figures.found_dead += self.run.found_dead;
        figures.finalized += self.run.finalized;
    }

    /// Drops the heap: every host value is gone then, each dropped once.
    fn finish(self) -> Result<(), Failure> {
        let Run { model, mutator, .. } = self.run;
        let ledger = mutator.ledger.clone();
        drop(mutator);
        match (0..model.next_tag())
            .map(|tag| (tag, ledger.drops(tag)))
            .find(|(_, drops)| *drops != 1)
        {
            Some((tag, drops)) => Err(outside(format!(
                "host value {tag} was dropped {drops} times when its heap was gone"
            ))),
            None => Ok(()),
        }
    }
}

/// Roots there are only while some object is alive: what a collection takes for alive that is not.
const DEPENDENT: [windrow_core::RootKind; 2] = [
    windrow_core::RootKind::HostValue,
    windrow_core::RootKind::WeakMapValue,
];

fn root_counts(model: &Model) -> [u64; windrow_core::RootKind::ALL.len()] {
    let mut counts = [0; windrow_core::RootKind::ALL.len()];
    for (root, _) in model.roots() {
        counts[root_kind(root) as usize] += 1;
    }
    let reachable = model.reachable();
    for node in &reachable {
        if let NodeKind::Traced(_) = model.node(*node).kind {
            counts[windrow_core::RootKind::HostValue as usize] += CELLS as u64;
        }
    }
    let entries = model.weak.maps.iter().flatten();
    let alive = entries.filter(|entry| reachable.contains(&entry.key));
    counts[windrow_core::RootKind::WeakMapValue as usize] = alive.count() as u64;
    counts
}
