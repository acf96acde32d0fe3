//! `--trace`: the collections of a run as a file for Perfetto and chrome://tracing.
//!
//! A listener writes events in the Trace Event format as they happen, so that a run that is cut short
//! leaves what it did; both viewers forgive a missing end. A collection is a slice with its phases
//! inside, from roots to reclamation; how full the heap is, before and after, are counters. A heap's
//! phases are told when the collection is over, each by its length: verification, which zeal does first
//! and last, is drawn last. There is one heap in a run, and one thread. Nothing is measured that listening does not measure anyway, and writing is
//! no part of a pause. The file holds microseconds from the start of the run, with three decimals.
//!
//! Reference: "Trace Event Format", the Chromium project.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use windrow::{
    BudgetGrown, CollectionEnded, CollectionStarted, EventListener, HeapExhausted, Usage,
};

/// The number of the program's thread, on which everything happens.
const THREAD: u64 = 1;

/// A trace in the writing, shared by the run and its heap.
#[derive(Debug)]
pub(crate) struct Trace {
    start: Instant,
    process: u32,
    file: Mutex<TraceFile>,
}

/// A part of a run.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    trace: &'a Trace,
    name: &'static str,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.trace.mark("E", self.name);
    }
}

#[derive(Debug)]
struct TraceFile {
    out: BufWriter<File>,
    /// When the running collection began.
    open: Option<Duration>,
    /// The first write that failed; nothing is written after it.
    failed: Option<io::Error>,
}

impl Trace {
    /// Starts the trace of a program.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn create(path: &Path, program: &str) -> io::Result<Arc<Self>> {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        let trace = Self {
            start: Instant::now(),
            process: std::process::id(),
            file: Mutex::new(TraceFile {
                out,
                open: None,
                failed: None,
            }),
        };
        let mut file = trace.file();
        let named = |what: &str, name: &str| {
            let args = json!({ "name": name });
            json!({"name": what, "ph": "M", "pid": trace.process, "tid": THREAD, "args": args})
        };
        file.write("", &named("process_name", "windrow"));
        file.write(",\n", &named("thread_name", program));
        drop(file);
        Ok(Arc::new(trace))
    }

    /// A part of the run begins, and ends when the result is dropped.
    pub(crate) fn part(&self, name: &'static str) -> Part<'_> {
        self.mark("B", name);
        Part { trace: self, name }
    }

    fn mark(&self, phase: &str, name: &str) {
        let mut file = self.file();
        file.event(&self.event(phase, name, self.start.elapsed()));
    }

    /// Writes the end of the file.
    ///
    /// # Errors
    /// The first failure to write anything of it.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let mut file = self.file();
        file.text(b"\n]}\n");
        let TraceFile { out, failed, .. } = &mut *file;
        match failed.take() {
            Some(error) => Err(error),
            None => out.flush(),
        }
    }

    /// Also after a panic: a trace without its last event is still one.
    fn file(&self) -> MutexGuard<'_, TraceFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every event has.
    fn event(&self, phase: &str, name: &str, at: Duration) -> Value {
        let at = micros(at);
        json!({"name": name, "cat": "gc", "ph": phase, "pid": self.process, "tid": THREAD, "ts": at})
    }

    fn slice(&self, name: &str, at: Duration, length: Duration) -> Value {
        let mut slice = self.event("X", name, at);
        slice["dur"] = micros(length);
        slice
    }

    /// How full the heap is, a counter each: stacked in one they would be added up.
    fn count(&self, file: &mut TraceFile, at: Duration, usage: Usage) {
        let counters = [
            ("heap used", usage.occupied_bytes),
            ("heap committed", usage.committed_bytes),
        ];
        for (name, bytes) in counters {
            let mut counter = self.event("C", name, at);
            counter["args"] = json!({ "bytes": bytes });
            file.event(&counter);
        }
    }

    /// Something that has no length.
    fn instant(&self, file: &mut TraceFile, name: &str, usage: Usage, args: Value) {
        let at = self.start.elapsed();
        let mut instant = self.event("i", name, at);
        instant["s"] = "t".into();
        instant["args"] = args;
        file.event(&instant);
        self.count(file, at, usage);
    }
}

impl EventListener for Trace {
    fn collection_started(&self, event: &CollectionStarted) {
        let mut file = self.file();
        let at = self.start.elapsed();
        file.open = Some(at);
        self.count(&mut file, at, event.usage);
    }

    fn collection_ended(&self, event: &CollectionEnded) {
        let mut file = self.file();
        let Some(start) = file.open.take() else {
            return;
        };
        let phases = [
            ("roots", event.phases.roots),
            ("closure", event.phases.closure),
            ("weak", event.phases.weak),
            ("reclaim", event.phases.reclaim),
            ("verify", event.phases.verify),
        ];
        let length = phases.iter().map(|(_, length)| *length).sum();
        let mut collection = self.slice("collection", start, length);
        collection["args"] = json!({
            "kind": event.kind,
            "reason": event.reason,
            "pause_us": micros(event.pause),
            "used_bytes_before": event.before.occupied_bytes,
            "used_bytes_after": event.after.occupied_bytes,
            "committed_bytes_before": event.before.committed_bytes,
            "committed_bytes_after": event.after.committed_bytes,
            "reclaimed_bytes": event.reclaimed_bytes,
            "copied_bytes": event.copied_bytes,
            "copied_objects": event.copied_objects,
            "host_values_dropped": event.host_values_dropped,
            "budget_bytes": event.budget_bytes,
        });
        if let Some(error) = &event.error {
            collection["args"]["error"] = error.to_string().into();
        }
        file.event(&collection);
        let mut at = start;
        for (name, length) in phases.into_iter().filter(|(_, length)| !length.is_zero()) {
            file.event(&self.slice(name, at, length));
            at += length;
        }
        self.count(&mut file, at, event.after);
    }

    fn budget_grown(&self, event: &BudgetGrown) {
        let args = json!({
            "needed_bytes": event.needed_bytes,
            "budget_bytes": event.budget_bytes,
        });
        let mut file = self.file();
        self.instant(&mut file, "heap grown", event.usage, args);
    }

    fn heap_exhausted(&self, event: &HeapExhausted) {
        let args = json!({
            "needed_bytes": event.needed_bytes,
            "limit_bytes": event.limit_bytes,
        });
        let mut file = self.file();
        self.instant(&mut file, "out of memory", event.usage, args);
    }
}

impl TraceFile {
    fn event(&mut self, event: &Value) {
        self.write(",\n", event);
    }

    fn write(&mut self, separator: &str, event: &Value) {
        self.text(format!("{separator}{event}").as_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(text).err();
        }
    }
}

/// Microseconds, exact to the nanosecond in the digits they are written with.
#[expect(
    clippy::cast_precision_loss,
    reason = "a run of 100 days has less than 2^53 nanoseconds"
)]
fn micros(time: Duration) -> Value {
    (time.as_nanos() as f64 / 1e3).into()
}
