//! Ten thousand modules that nobody wrote: damaged ones, and ones made at random.
//!
//! The loader must answer each with a module or an error. A module it accepts is instantiated with
//! whatever imports it asks for, and its exports are called on a little fuel: that may trap, but
//! leaves a whole heap behind. Case `n` of a source is always the same one, and a failure names it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod damage;
mod random;
mod sources;
mod trial;
#[path = "../support/unwinders.rs"]
mod unwinders;

use damage::damaged;
use random::Random;
use sources::{Source, programs, scripts, smith};
use trial::{Tally, Trial};

/// Tries cases of a source; `make` yields the module of a case.
fn try_all(source: &str, cases: u64, make: impl Fn(&mut Random) -> Option<Vec<u8>>) -> Tally {
    let mut trial = Trial::new();
    for case in 0..cases {
        let mut random = Random::new(source, case);
        if let Some(bytes) = make(&mut random) {
            trial.run(source, case, &bytes);
        }
    }
    let tally = trial.into_tally();
    assert_eq!(tally.tried(), cases, "{source}: every case has a module");
    tally
}

/// Tries damaged versions of valid modules.
fn try_damaged(source: &str, cases: u64, modules: &[Source]) -> Tally {
    try_all(source, cases, |random| {
        let original = random.pick(modules);
        let other = random.pick(modules);
        Some(damaged(random, original, other))
    })
}

#[test]
fn damaged_programs() {
    let tally = try_damaged("programs", 900, &programs());
    assert!(
        tally.refused > 400 && tally.accepted > 90,
        "{} refused, {} accepted",
        tally.refused,
        tally.accepted
    );
}

#[test]
fn damaged_modules_of_the_suite() {
    let tally = try_damaged("suite", 7400, &scripts());
    assert!(
        tally.refused > 1000 && tally.accepted > 500,
        "{} refused, {} accepted",
        tally.refused,
        tally.accepted
    );
}

#[test]
fn random_modules_of_what_the_engine_has() {
    let tally = try_all("smith", 1200, |random| smith(random, sources::supported()));
    let first = tally.errors.first();
    assert!(first.is_none(), "valid, but refused: {first:?}");
}

#[test]
fn random_modules_of_all_proposals() {
    let tally = try_all("proposals", 800, |random| {
        smith(random, sources::everything())
    });
    assert!(
        tally.refused > 300 && tally.accepted > 50,
        "{} refused, {} accepted",
        tally.refused,
        tally.accepted
    );
}

#[test]
fn damaged_random_modules() {
    let tally = try_all("damaged smith", 1100, |random| {
        let original = smith(random, sources::supported())?;
        let other = smith(random, sources::everything())?;
        Some(damaged(random, &original, &other))
    });
    assert!(
        tally.refused > 100,
        "{} refused, {} accepted",
        tally.refused,
        tally.accepted
    );
}
