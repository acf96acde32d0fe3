//! The check of safety: a heap that is harmed, and a host that withstands it.

use crate::case::{CaseConfig, Kind, Step, choose};
use crate::damage::CorruptCase;
use crate::failure::Failure;
use crate::guest::Guest;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use windrow_core::Collector;

/// Runs a case on a collector while its heap is harmed, and checks that the host stays safe.
///
/// There is no model: the values that come out may be wrong. In order are an answer, a full heap,
/// and, once something was harmed, an error that says so. An error that poisons the heap is the
/// answer to every later question. Not in order are a panic, an id of a host value that works in
/// another object, more committed than the limit, work that what is in the heap cannot explain
/// (counted in checked memory, where debug assertions are), and a host value that is not dropped
/// exactly once by the time the heap is gone. Accesses outside the heap are for the hardware to
/// find, or for a sanitizer.
///
/// # Errors
/// [`Failure`] with the step and what is not in order.
pub fn withstand(collector: Arc<dyn Collector>, case: &CorruptCase) -> Result<(), Failure> {
    withstand_counting(collector, case, &mut Endured::default())
}

/// What the cases of a proof of safety exercised.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Endured {
    /// Cases run.
    pub cases: u64,
    /// Harms done, by name.
    pub harms: BTreeMap<&'static str, u64>,
    /// Refusals, by name: each poisoned heap counts once.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Harmed heaps that never said so: wrong values at most.
    pub unnoticed: u64,
    /// Collections.
    pub collections: u64,
}

impl Endured {
    /// Harms done, of every kind.
    #[must_use]
    pub fn harms_done(&self) -> u64 {
        self.harms.values().sum()
    }
}

/// As [`withstand`], adding what was done to `endured`.
pub(crate) fn withstand_counting(
    collector: Arc<dyn Collector>,
    case: &CorruptCase,
    endured: &mut Endured,
) -> Result<(), Failure> {
    let at = Cell::new(None);
    let outcome = catch_unwind(AssertUnwindSafe(|| run(collector, case, endured, &at)));
    let what = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(what)) => what,
        Err(panic) => format!("a panic: {}", message(&*panic)),
    };
    let step = at.get();
    Err(Failure {
        step,
        during: step.and_then(|index| case.case.steps.get(index).copied()),
        what,
    })
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

fn run(
    collector: Arc<dyn Collector>,
    case: &CorruptCase,
    endured: &mut Endured,
    at: &Cell<Option<usize>>,
) -> Result<(), String> {
    let Some(mut guest) = Guest::new(collector, &case.case)? else {
        return Ok(());
    };
    let steps = &case.case.steps;
    for index in 0..=steps.len() {
        at.set(Some(index));
        for damage in &case.damage {
            if choose(damage.before, steps.len() + 1) == Some(index) && guest.suffer(*damage)? {
                *endured.harms.entry(damage.harm.name()).or_default() += 1;
            }
        }
        if let Some(step) = steps.get(index) {
            guest.step(*step)?;
        }
    }
    at.set(None);
    finish(guest, &case.case.config, endured)
}

/// Uses the heap once more in every way, and drops it.
fn finish(mut guest: Guest<'_>, config: &CaseConfig, endured: &mut Endured) -> Result<(), String> {
    guest.read_everything()?;
    guest.verify()?;
    for _ in 0..2 {
        guest.step(Step::Collect(Kind::Full))?;
        guest.read_everything()?;
    }
    guest.step(Step::AllocExtern { into: 0 })?;
    let stats = guest.mutator.isolate.stats();
    let committed = stats.committed_bytes.max(stats.peak_committed_bytes);
    if committed > config.max_bytes {
        let limit = config.max_bytes;
        return Err(format!(
            "{committed} bytes were committed, the limit is {limit}"
        ));
    }
    endured.cases += 1;
    endured.collections += stats.collections();
    endured.unnoticed += u64::from(guest.was_harmed_unnoticed());
    for (name, count) in &guest.answers {
        *endured.refusals.entry(name).or_default() += count;
    }
    let (tags, ledger) = (guest.tags, guest.mutator.ledger.clone());
    drop(guest);
    match (0..tags).find(|tag| ledger.drops(*tag) != 1) {
        Some(tag) => Err(format!(
            "host value {tag} was dropped {} times when its heap was gone",
            ledger.drops(tag)
        )),
        None => Ok(()),
    }
}
