//! What the heap's own operations cost on every collector, `null` beside them.
//!
//! ```sh
//! cargo bench -p windrow-bench-heap [-- FILTER]
//! ```
//!
//! Every figure is the processor time of one operation (or one live object, one root, one store), from
//! rounds of many. Without a filter two tables follow, of what is no time of an operation: memory and
//! pauses. It takes a few minutes.

mod measure;
mod nodes;
mod live;
mod allocation;
mod barriers;
mod collection;
mod roots;
mod program;
mod stores;
mod externs;

use criterion::{Criterion, SamplingMode};
use measure::Group;
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(10)
        .without_plots()
        .configure_from_args();
    let mut run = |name: &str, bench: fn(&mut Group<'_>)| {
        let mut group = criterion.benchmark_group(name);
        // The shortest measurement is one round, however many operations that has.
        group.sampling_mode(SamplingMode::Flat);
        bench(&mut group);
        group.finish();
    };
    run("allocation", allocation::bench);
    run("barrier", barriers::bench);
    run("collection", collection::collect);
    run("traversal", collection::traverse);
    run("roots", roots::bench);
    run("program roots", program::bench);
    run("store", stores::bench);
    run("externref", externs::bench);
    criterion.final_summary();
    if std::env::args()
        .skip(1)
        .all(|argument| argument == "--bench")
    {
        collection::memory_and_pauses();
        stores::resident();
    }
}
