//! Contestants, the processes they run in, and what comes back from there.

use crate::args::Options;
use crate::heap::{self, Checked, Unchecked};
use crate::size::Size;
use crate::{arena, dumpster, gc_arena, micro, rc, table};
use std::process::Command;
use std::time::Instant;
use windrow::{CollectorKind, Config};

const PROGRAMS: [&str; 4] = ["gcbench", "binary-trees", "list", "strings"];

/// Runs a program and returns its checksum.
type Run = fn(&str, &Size) -> u64;

/// Contestants that are no heap of windrow's.
const RIVALS: [(&str, Run); 4] = [
    ("gc-arena", gc_arena::run),
    ("dumpster", dumpster::run),
    ("Rc<RefCell>", rc::run),
    ("bumpalo", arena::run),
];

/// Room for those who recurse through whatever hangs together.
const STACK_BYTES: usize = 4 << 30;

/// One run of a program.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    checksum: u64,
    pub(crate) peak_bytes: Option<u64>,
}

/// The runs of a program by a contestant.
pub(crate) struct Entry {
    pub(crate) contestant: String,
    pub(crate) samples: Vec<Sample>,
}

fn contestants() -> impl Iterator<Item = String> {
    let mut collectors = CollectorKind::ALL.to_vec();
    // The default first: the others are compared with it.
    collectors.sort_by_key(|kind| *kind != CollectorKind::Copying);
    let windrows = collectors
        .into_iter()
        .flat_map(|kind| [format!("{kind} checked"), format!("{kind} unchecked")]);
    windrows.chain(RIVALS.iter().map(|(name, _)| (*name).to_owned()))
}

fn run_one(program: &str, contestant: &str, size: &Size) -> Result<u64, String> {
    if let Some((_, run)) = RIVALS.iter().find(|(name, _)| *name == contestant) {
        return Ok(run(program, size));
    }
    let unknown = || format!("no contestant is called {contestant}");
    let (collector, door) = contestant.split_once(' ').ok_or_else(unknown)?;
    let kind: CollectorKind = collector.parse().map_err(|_| unknown())?;
    let config = Config::new().collector(kind);
    let result = match door {
        "checked" => heap::run::<Checked>(program, &config, size),
        _ => heap::run::<Unchecked>(program, &config, size),
    };
    result.map_err(|error| error.to_string())
}

/// A line of `/proc/self/status`, in bytes.
fn memory(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let rest = status.lines().find_map(|at| at.strip_prefix(line))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Processor time of this thread so far, to within a tick: others use the machine too.
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// Runs a program and prints seconds, checksum and how far resident memory rose.
pub(crate) fn child(program: &str, contestant: &str, size: &Size) -> Result<(), String> {
    let before = memory("VmRSS:");
    let result = std::thread::scope(|scope| {
        let run = || {
            let (start, processor) = (Instant::now(), processor_seconds());
            let checksum = run_one(program, contestant, size)?;
            let seconds = processor_seconds().zip(processor);
            let seconds = seconds.map(|(end, start)| end - start);
            let wall = start.elapsed().as_secs_f64();
            Ok((seconds.unwrap_or(wall), checksum))
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, run);
        let thread = thread.map_err(|error| error.to_string())?;
        thread.join().unwrap_or_else(|_| Err("panicked".to_owned()))
    });
    let (seconds, checksum) = result?;
    let peak = memory("VmHWM:").zip(before);
    let peak = peak.map_or_else(
        || "-".to_owned(),
        |(peak, before)| peak.saturating_sub(before).to_string(),
    );
    table::print(&format!("{seconds} {checksum} {peak}\n"))
}

fn sample(program: &str, contestant: &str, options: &Options) -> Result<Sample, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let size = if options.is_quick { "quick" } else { "full" };
    let output = Command::new(this)
        .args(["--child", program, contestant, size])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace();
    let mut parse = || {
        let seconds = words.next()?.parse().ok()?;
        let checksum = words.next()?.parse().ok()?;
        let peak_bytes = words.next()?.parse().ok();
        Some(Sample {
            seconds,
            checksum,
            peak_bytes,
        })
    };
    parse().ok_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        format!("{program} on {contestant}: {} {complaint}", output.status)
    })
}

fn check(program: &str, entries: &[Entry]) -> Result<(), String> {
    let mut samples = entries
        .iter()
        .flat_map(|entry| entry.samples.iter().map(move |sample| (entry, sample)));
    let Some((first, expected)) = samples.next() else {
        return Ok(());
    };
    match samples.find(|(_, sample)| sample.checksum != expected.checksum) {
        Some((entry, _)) => Err(format!(
            "{program}: {} and {} computed different things",
            first.contestant, entry.contestant
        )),
        None => Ok(()),
    }
}

/// Runs everything that is asked for, and prints the tables.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut is_first = true;
    for program in PROGRAMS {
        let wanted = contestants().filter(|contestant| options.wants(program, contestant));
        let mut entries: Vec<Entry> = wanted
            .map(|contestant| Entry {
                contestant,
                samples: Vec::new(),
            })
            .collect();
        for round in 0..options.rounds {
            for entry in &mut entries {
                table::progress(&format!("{program} {round} {}", entry.contestant));
                let sample = sample(program, &entry.contestant, options)?;
                entry.samples.push(sample);
            }
        }
        check(program, &entries)?;
        if !entries.is_empty() {
            table::progress("");
            table::program(program, &entries, is_first)?;
            is_first = false;
        }
    }
    let mut costs = Vec::new();
    for kind in CollectorKind::ALL {
        if options.wants("micro", &kind.to_string()) {
            table::progress(&format!("micro {kind}"));
            let measured = micro::measure(*kind, options);
            costs.push((
                kind.to_string(),
                measured.map_err(|error| error.to_string())?,
            ));
        }
    }
    table::progress("");
    table::costs(&costs)
}
