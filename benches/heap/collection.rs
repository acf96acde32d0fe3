//! Collection of live data by form and size, and how well what survived lies in memory.

use crate::live::{Form, Live};
use crate::measure::{Group, operation, timed};
use std::fmt::Write as _;
use windrow::{CollectionKind, CollectorKind, Config, Error, Statistics};

/// Live nodes of 16 bytes: within the second-level cache, and far beyond it.
const SIZES: [u32; 2] = [10_000, 1_000_000];
/// What is allocated beside them to cause collections.
const GARBAGE_OBJECTS: u32 = (64 << 20) / 16;

/// A collection of everything, by live object.
pub(crate) fn collect(group: &mut Group<'_>) {
    for form in Form::ALL {
        for size in SIZES {
            for kind in CollectorKind::ALL {
                let config = Config::new().collector(*kind);
                let mut live = Live::make(&config, form, size).expect("there is room");
                let name = format!("{}, {size} objects", form.name());
                operation(group, &name, *kind, size, || {
                    timed(|| live.store.gc(CollectionKind::Full))
                });
            }
        }
    }
}

/// A walk over all objects where they were made, and where the collector put them.
pub(crate) fn traverse(group: &mut Group<'_>) {
    let [_, size] = SIZES;
    for form in Form::ALL {
        for kind in CollectorKind::ALL {
            // Nothing is collected before it is asked for.
            let config = Config::new().collector(*kind).heap_initial_bytes(1 << 30);
            let mut live = Live::make(&config, form, size).expect("there is room");
            let name = format!("{}, as made", form.name());
            operation(group, &name, *kind, size, || timed(|| live.walk()));
            live.store.gc(CollectionKind::Full).expect("it is whole");
            let name = format!("{}, collected", form.name());
            operation(group, &name, *kind, size, || timed(|| live.walk()));
        }
    }
}

/// Prints what live objects take, and how long collections hold the program up that allocates beside
/// them.
#[expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
pub(crate) fn memory_and_pauses() {
    let [_, size] = SIZES;
    let mut table = "\n| live | collector | live B an object | committed B an object | \
                     collections | median pause, ms | longest, ms |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for form in Form::ALL {
        for kind in CollectorKind::ALL {
            let stats = with_garbage(*kind, form, size).expect("there is room");
            let per_object = |bytes: u64| bytes as f64 / f64::from(size);
            let live = match stats.live_bytes {
                // Nobody looked.
                0 => String::new(),
                bytes => format!("{:.1}", per_object(bytes)),
            };
            let pause = |percentile| stats.pauses.percentile(percentile).as_secs_f64() * 1e3;
            let _ = writeln!(
                table,
                "| {} | {kind} | {live} | {:.1} | {} | {:.2} | {:.2} |",
                form.name(),
                per_object(stats.committed_bytes),
                stats.collections(),
                pause(50.0),
                pause(100.0),
            );
        }
    }
    println!("{table}");
}

/// What the heap did while live data were made and then garbage beside them.
fn with_garbage(kind: CollectorKind, form: Form, size: u32) -> Result<Statistics, Error> {
    let mut live = Live::make(&Config::new().collector(kind), form, size)?;
    for _ in 0..GARBAGE_OBJECTS / 256 {
        let mut scope = live.store.scope();
        for _ in 0..256 {
            live.nodes.leaf(&mut scope)?;
        }
    }
    Ok(live.store.stats())
}
