//! The audit: counts compared with the references there are.

use crate::blocks::Run;
use crate::heap::DrcHeap;
use hashbrown::{HashMap, HashSet};
use windrow_core::{GcRef, HeapContext, ObjectRef, load_ref, slots_of_known_size};

impl DrcHeap {
    /// Checks the heap's own accounts, reporting each fault. Linear in the counted objects.
    pub(crate) fn check(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(String)) {
        self.blocks.verify(&self.counts, report);
        if self.is_logged {
            self.check_counts(cx, report);
        }
        self.check_lists(report);
        self.check_runs(report);
    }

    /// Every counted object with its bytes.
    fn visit_counted(&self, mut visit: impl FnMut(ObjectRef, u32)) {
        for block in self.blocks.used() {
            self.counts
                .visit(block, self.blocks.block_bytes(), |start, end| {
                    visit(crate::blocks::object_at(start), end - start);
                });
        }
        for (object, bytes) in self.large.iter() {
            if self.counts.at(object).is_counted() {
                visit(object, bytes);
            }
        }
    }

    /// Counts are what the slots of counted objects held when the epoch began: those that were
    /// overwritten since are in the log, and all others are armed.
    fn check_counts(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(String)) {
        let logged: HashMap<u32, GcRef> = self
            .log
            .iter()
            .map(|logged| (logged.slot, logged.old))
            .collect();
        let mut references: HashMap<ObjectRef, u32> = HashMap::new();
        self.visit_counted(|object, bytes| {
            let Ok(slots) = slots_of_known_size(cx.memory, cx.types, object, bytes) else {
                report(format!("{object:?} has not the {bytes} bytes it was given"));
                return;
            };
            slots.for_each(|slot| {
                let old = logged.get(&slot).copied();
                if old.is_some() == cx.log_bits.is_armed(slot) {
                    report(format!(
                        "the slot {slot:#x} of {object:?} is {} the log and {}",
                        if old.is_some() { "in" } else { "not in" },
                        if old.is_some() { "armed" } else { "not armed" },
                    ));
                }
                let held = old.unwrap_or_else(|| load_ref(cx.memory, slot));
                if let Some(target) = held.as_object() {
                    *references.entry(target).or_default() += 1;
                }
            });
        });
        self.visit_counted(|object, _| {
            let (entry, found) = (
                self.counts.at(object),
                references.remove(&object).unwrap_or(0),
            );
            if !entry.is_sticky() && entry.references() != found {
                report(format!(
                    "{object:?} counts {} references and has {found}",
                    entry.references()
                ));
            }
        });
        for (object, found) in references {
            report(format!(
                "{found} references of counted objects lead to {object:?}, which is none"
            ));
        }
    }

    /// What has no references is on one list, once; what a root holds is known.
    fn check_lists(&self, report: &mut dyn FnMut(String)) {
        let mut listed = HashSet::new();
        let lists = [&self.unreferenced, &self.dying, &self.awaited];
        for object in lists.into_iter().flatten() {
            let entry = self.counts.at(*object);
            if !entry.is_counted() || !entry.is_listed() {
                report(format!("{object:?} is on a list and does not know"));
            }
            if !listed.insert(*object) {
                report(format!("{object:?} is on a list twice"));
            }
        }
        let rooted: HashSet<ObjectRef> = self.rooted.iter().copied().collect();
        self.visit_counted(|object, _| {
            let entry = self.counts.at(object);
            if entry.is_listed() != listed.contains(&object) {
                report(format!("{object:?} is on no list and thinks so"));
            }
            if entry.is_unreferenced() && !entry.is_listed() {
                report(format!("{object:?} has no references and is on no list"));
            }
            if entry.is_rooted() != rooted.contains(&object) {
                report(format!("{object:?} does not know whether a root holds it"));
            }
        });
    }

    /// What was handed out since the last collection, and the gaps that may be: apart from each other
    /// and from every counted object.
    fn check_runs(&self, report: &mut dyn FnMut(String)) {
        let mut runs: Vec<Run> = self.handed_out().chain(self.blocks.gaps()).collect();
        runs.retain(|run| run.bytes() > 0);
        runs.sort_by_key(|run| run.start);
        for (run, next) in runs.iter().zip(runs.iter().skip(1)) {
            if run.end > next.start {
                report(format!("{run:?} and {next:?} overlap"));
            }
        }
        for run in runs {
            if !self.counts.is_clear(run.start, run.bytes()) {
                report(format!("there are counted objects in {run:?}"));
            }
        }
    }
}
