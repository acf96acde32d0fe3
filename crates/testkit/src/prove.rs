//! The proof: many random cases, and the smallest that shows a collector wrong.

use crate::MemoryChoice;
use crate::check::{Figures, check_counting};
use crate::damage::CorruptCase;
use crate::failure::{Counterexample, Failure};
use crate::strategy::{cases, corrupt_cases};
use crate::withstand::{Endured, withstand_counting};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use std::cell::RefCell;
use std::sync::Arc;
use windrow_core::Collector;

/// How much to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// How many cases.
    pub cases: u32,
    /// Which cases: the same seed makes the same cases.
    pub seed: u64,
    /// One memory, or both in turn.
    pub memory: Option<MemoryChoice>,
}

impl Effort {
    /// This many cases, always the same, on both memories.
    #[must_use]
    pub const fn cases(cases: u32) -> Self {
        Self {
            cases,
            seed: 0x77_696e_6472_6f77,
            memory: None,
        }
    }

    /// As [`Self::cases`], or as many as the environment's `WINDROW_PROPTEST_CASES` says, and then
    /// other ones each time.
    #[must_use]
    pub fn from_environment(cases: u32) -> Self {
        let asked = std::env::var("WINDROW_PROPTEST_CASES")
            .ok()
            .and_then(|number| number.parse().ok());
        match asked {
            Some(cases) => Self {
                seed: random_seed(),
                ..Self::cases(cases)
            },
            None => Self::cases(cases),
        }
    }

    /// The same on one memory only.
    #[must_use]
    pub const fn on(mut self, memory: MemoryChoice) -> Self {
        self.memory = Some(memory);
        self
    }
}

/// A seed that differs from process to process: the standard hasher's keys do.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

/// Tries random cases on a collector and tells what they exercised.
///
/// # Errors
/// [`Counterexample`]: a case the collector fails, made as small as could be, and its failure.
pub fn prove(
    collector: &Arc<dyn Collector>,
    effort: Effort,
) -> Result<Figures, Box<Counterexample>> {
    let strategy = cases().prop_map(move |mut case| {
        case.config.memory = effort.memory.unwrap_or(case.config.memory);
        case
    });
    attempt(effort, &strategy, |case, figures| {
        check_counting(Arc::clone(collector), case, figures)
    })
}

/// Tries random cases on a collector while their heaps are corrupted, and tells what was endured:
/// the host stays safe, as [`withstand`](crate::withstand) has it.
///
/// # Errors
/// [`Counterexample`]: a case that harms the host, made as small as could be, and how.
pub fn prove_untrusted(
    collector: &Arc<dyn Collector>,
    effort: Effort,
) -> Result<Endured, Box<Counterexample<CorruptCase>>> {
    let strategy = corrupt_cases().prop_map(move |mut corrupt| {
        let config = &mut corrupt.case.config;
        config.memory = effort.memory.unwrap_or(config.memory);
        corrupt
    });
    attempt(effort, &strategy, |case, endured| {
        withstand_counting(Arc::clone(collector), case, endured)
    })
}

/// Tries a strategy's cases, and makes the smallest that fails.
fn attempt<S: Strategy, F: Default>(
    effort: Effort,
    strategy: &S,
    check: impl Fn(&S::Value, &mut F) -> Result<(), Failure>,
) -> Result<F, Box<Counterexample<S::Value>>> {
    let config = Config {
        cases: effort.cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(effort.seed),
        max_shrink_iters: 4000,
        ..Config::default()
    };
    let figures = RefCell::new(F::default());
    let result = TestRunner::new(config).run(strategy, |case| {
        check(&case, &mut figures.borrow_mut())
            .map_err(|failure| TestCaseError::fail(failure.to_string()))
    });
    match result {
        Ok(()) => Ok(figures.into_inner()),
        Err(TestError::Fail(reason, case)) => {
            let failure = explain(|| check(&case, &mut F::default()), &reason.to_string());
            Err(Box::new(Counterexample { case, failure }))
        }
        Err(TestError::Abort(reason)) => unreachable!("the strategies reject nothing: {reason}"),
    }
}

/// The failure of the smallest case; where the collector panicked, what it said.
fn explain(again: impl FnOnce() -> Result<(), Failure>, reason: &str) -> Failure {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(again)) {
        Ok(Err(failure)) => failure,
        _ => Failure {
            step: None,
            during: None,
            what: reason.to_owned(),
        },
    }
}
