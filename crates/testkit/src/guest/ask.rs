//! What a guest asks of a heap that may refuse, and which answers are in order.
//!
//! A sound heap is full at worst. A harmed one may say that it is corrupt, or that it failed its
//! verification; from the first such answer that poisoned it on, it gives that very answer to every
//! question. Whatever it does, it does in bounded time.

use super::Guest;
use crate::case::Kind;
use crate::mutator::Mutator;
use std::collections::BTreeMap;
use windrow_core::{Corruption, HeapError, ObjectRef};

/// How often each answer was given, by name.
pub(crate) type Answers = BTreeMap<&'static str, u64>;

impl Guest<'_> {
    /// Asks something, and judges the answer: `Ok(None)` for a refusal that is in order.
    pub(super) fn ask<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Mutator) -> Result<T, HeapError>,
    ) -> Result<Option<T>, String> {
        let poison = self.mutator.isolate.poisoned().cloned();
        self.mutator.isolate.allow_accesses(self.accesses());
        let answer = act(&mut self.mutator);
        self.mutator.isolate.allow_accesses(u64::MAX);
        match (poison, answer) {
            (None, Ok(value)) => Ok(Some(value)),
            (None, Err(error)) => self.judge(what, error),
            (Some(poison), Err(error)) if error == poison => Ok(None),
            (Some(poison), answer) => Err(format!(
                "{what}: the heap is poisoned ({poison}), and the answer was {}",
                answer.map_or_else(|error| error.to_string(), |_| "not that".to_owned())
            )),
        }
    }

    /// More accesses than any one call needs, collections and verification included: some for each
    /// byte there may be.
    fn accesses(&self) -> u64 {
        (1 << 20) + 16 * self.case.config.max_bytes
    }

    fn judge<T>(&mut self, what: &str, error: HeapError) -> Result<Option<T>, String> {
        let poison = self.mutator.isolate.poisoned();
        let is_poisoned = poison == Some(&error);
        let in_order = match &error {
            HeapError::HeapFull { .. } => poison.is_none(),
            HeapError::Corrupt(_) | HeapError::StrayRoots { .. } => self.is_harmed && is_poisoned,
            HeapError::VerifyFailed { .. } => self.is_harmed && (is_poisoned || poison.is_none()),
            _ => false,
        };
        if !in_order {
            let harmed = if self.is_harmed {
                "a harmed"
            } else {
                "a sound"
            };
            return Err(format!(
                "{what}: {error} from {harmed} heap, which is now poisoned by {poison:?}"
            ));
        }
        *self.answers.entry(name(&error)).or_default() += 1;
        Ok(None)
    }

    /// Whether something was harmed and no answer ever said so.
    pub(crate) fn was_harmed_unnoticed(&self) -> bool {
        self.is_harmed && self.answers.keys().all(|name| *name == FULL)
    }

    pub(super) fn collect(&mut self, kind: Kind) -> Result<(), String> {
        self.ask("a collection", |mutator| mutator.collect(kind))?;
        Ok(())
    }

    pub(crate) fn verify(&mut self) -> Result<(), String> {
        self.ask("verification", |mutator| mutator.isolate.verify())?;
        Ok(())
    }

    /// Asks for the host value of any object.
    pub(super) fn host_value(&mut self, object: ObjectRef) -> Result<(), String> {
        let tag = self.ask("a host value", |mutator| mutator.tag_of(object))?;
        match tag.flatten() {
            Some(tag) if self.mutator.ledger.drops(tag) > 0 => Err(format!(
                "{object:?} stands for host value {tag}, which was dropped"
            )),
            _ => Ok(()),
        }
    }
}

const FULL: &str = "full";

fn name(error: &HeapError) -> &'static str {
    match error {
        HeapError::HeapFull { .. } => FULL,
        HeapError::VerifyFailed { .. } => "failed verification",
        HeapError::StrayRoots { .. } => "stray roots",
        HeapError::Corrupt(Corruption::Header { .. }) => "corrupt: header",
        HeapError::Corrupt(Corruption::Size { .. }) => "corrupt: size",
        HeapError::Corrupt(Corruption::Reference { .. }) => "corrupt: reference",
        HeapError::Corrupt(Corruption::HostData { .. }) => "corrupt: host data",
        _ => "other",
    }
}
