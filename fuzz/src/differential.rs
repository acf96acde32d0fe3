//! This engine compared with another one: a module at random, every exported function called with
//! arguments at random, and everything that can be seen afterwards.
//!
//! Modules bound themselves: when the fuel that their own code counts is used up they trap, on both
//! engines at the same place. Where an engine reaches a limit of its own (its stack, its heap) the
//! comparison of that instance ends. After a trap both start afresh, as the fuel may be gone.

use crate::generate;
use crate::observe::{Ending, Observation};
use crate::ours::{self, Ours};
use crate::random::Random;
use crate::setting::Setting;
use crate::theirs::{self, Theirs};
use arbitrary::{Arbitrary, Unstructured};
use std::fmt;

/// Calls of each module.
const MAX_CALLS: usize = 16;

/// What came of comparing a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compared {
    /// An engine could not take part: why.
    Left(String),
    /// Both did the same.
    Same(Figures),
}

/// What a comparison exercised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Calls compared.
    pub calls: u64,
    /// Those that returned.
    pub returned: u64,
    /// Those that trapped.
    pub trapped: u64,
    /// Those that ended in an exception.
    pub threw: u64,
    /// Instances given up at a limit of one engine.
    pub limits: u64,
    /// Objects compared.
    pub objects: u64,
    /// Collections of this engine's heap.
    pub collections: u64,
}

impl Figures {
    fn count(&mut self, ending: &Ending) {
        match ending {
            Ending::Returned => self.returned += 1,
            Ending::Trapped(_) => self.trapped += 1,
            Ending::Threw(_) => self.threw += 1,
            _ => {}
        }
    }

    /// Adds those of another comparison.
    pub const fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.returned += other.returned;
        self.trapped += other.trapped;
        self.threw += other.threw;
        self.limits += other.limits;
        self.objects += other.objects;
        self.collections += other.collections;
    }
}

/// What differs between the engines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// During what.
    pub during: String,
    /// What this engine did.
    pub ours: String,
    /// What the other one did.
    pub theirs: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            during,
            ours,
            theirs,
        } = self;
        write!(f, "{during}:\n  windrow: {ours}\n  wasmtime: {theirs}")
    }
}

/// A case: a module and how to run it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Which engine of ours.
    pub setting: Setting,
    /// What the arguments are made from.
    pub seed: u64,
    /// The module.
    pub wasm: Vec<u8>,
}

impl Case {
    /// The case that bytes stand for; `None` where they are too few.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Unstructured::new(bytes);
        let setting = Setting::of_byte(u8::arbitrary(&mut bytes).ok()?);
        let seed = u64::arbitrary(&mut bytes).ok()?;
        let wasm = generate::module(&mut bytes, &mut Random::new(seed))?;
        Some(Self {
            setting,
            seed,
            wasm,
        })
    }

    /// Runs the case on both engines.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&self) -> Result<Compared, Difference> {
        let module = match (
            ours::load(self.setting, &self.wasm),
            theirs::load(&self.wasm),
        ) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (_, Err(error)) => return Ok(Compared::Left(error)),
            (Err(error), Ok(_)) => {
                return Err(Difference {
                    during: "loading".to_owned(),
                    ours: error.to_string(),
                    theirs: "accepts the module".to_owned(),
                });
            }
        };
        let mut figures = Figures::default();
        let mut random = Random::new(self.seed ^ 1);
        let mut calls = 0;
        while calls < MAX_CALLS {
            let mut pair = match Pair::new(&module, &mut figures)? {
                Ok(pair) => pair,
                Err(reason) if figures.calls == 0 => return Ok(Compared::Left(reason)),
                Err(_) => break,
            };
            calls += pair.run(MAX_CALLS - calls, &mut random, &mut figures)?;
            figures.collections += pair.ours.collections();
        }
        Ok(Compared::Same(figures))
    }
}

/// An instance on each side.
struct Pair {
    ours: Ours,
    theirs: Theirs,
}

type Modules = (windrow_wasm::Module, wasmtime::Module);

impl Pair {
    /// Instantiates on both sides; inside, why there is nothing to call.
    fn new(
        (ours, theirs): &Modules,
        figures: &mut Figures,
    ) -> Result<Result<Self, String>, Difference> {
        let (ours, theirs) = (Ours::new(ours), Theirs::new(theirs));
        let during = || "instantiation".to_owned();
        match (ours, theirs) {
            (Ok(Some(mut ours)), Ok(Some(mut theirs))) => {
                let found = ours.observe(Ending::Returned, Vec::new());
                let expected = theirs.observe(Ending::Returned, Vec::new());
                compare(during, &found, &expected, figures)?;
                Ok(Ok(Self { ours, theirs }))
            }
            (Ok(None), _) | (_, Ok(None)) => Ok(Err("an import cannot be made".to_owned())),
            (Err(Ending::Limit(reason)), _) | (_, Err(Ending::Limit(reason))) => Ok(Err(reason)),
            (Err(ours), Err(theirs)) if ours == theirs => {
                figures.calls += 1;
                figures.count(&ours);
                Ok(Err(String::new()))
            }
            (ours, theirs) => Err(Difference {
                during: during(),
                ours: format!("{:?}", ours.err()),
                theirs: format!("{:?}", theirs.err()),
            }),
        }
    }

    /// Calls functions until one traps. How many calls that were.
    fn run(
        &mut self,
        at_most: usize,
        random: &mut Random,
        figures: &mut Figures,
    ) -> Result<usize, Difference> {
        let functions = self.theirs.functions();
        for done in 0..at_most {
            let Some(name) = random.pick(&functions) else {
                return Ok(at_most);
            };
            let Some(args) = self.theirs.arguments(name, random) else {
                continue;
            };
            let found = self.ours.call(name, &args);
            let expected = self.theirs.call(name, &args);
            let during = || format!("calling {name:?} with {args:?}");
            match compare(during, &found, &expected, figures)? {
                Some(()) if found.ending == Ending::Returned => {}
                Some(()) if matches!(found.ending, Ending::Threw(_) | Ending::HostError) => {}
                _ => return Ok(done + 1),
            }
        }
        Ok(at_most)
    }
}

/// Compares what was observed; `None` where an engine reached a limit.
fn compare(
    during: impl Fn() -> String,
    ours: &Observation,
    theirs: &Observation,
    figures: &mut Figures,
) -> Result<Option<()>, Difference> {
    if let (Ending::Limit(_), _) | (_, Ending::Limit(_)) = (&ours.ending, &theirs.ending) {
        figures.limits += 1;
        return Ok(None);
    }
    if let Some((what, ours, theirs)) = ours.difference(theirs) {
        return Err(Difference {
            during: format!("{} ({what})", during()),
            ours,
            theirs,
        });
    }
    figures.calls += 1;
    figures.objects += ours.graph.objects.len() as u64;
    figures.count(&ours.ending);
    Ok(Some(()))
}

/// Compares the case that bytes stand for.
///
/// # Panics
/// If the engines differ.
pub fn run(bytes: &[u8]) {
    let Some(case) = Case::of_bytes(bytes) else {
        return;
    };
    if let Err(difference) = case.compare() {
        panic!("{:?}: {difference}", case.setting);
    }
}
