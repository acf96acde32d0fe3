//! Stores: made and dropped, with a pool and without; filled from small to large; many alive at once.

use crate::live::{Form, Live};
use crate::measure::{Group, operation, timed};
use crate::nodes::Nodes;
use std::fmt::Write as _;
use std::sync::Arc;
use windrow::{CollectorKind, Config, Error, MemoryPool, Store};

const STORES: u32 = 1000;
/// Live nodes when a heap is done growing, 16 MiB of them.
const GROWN: u32 = 1 << 20;

pub(crate) fn bench(group: &mut Group<'_>) {
    for kind in CollectorKind::ALL {
        let cold = Config::new().collector(*kind);
        let pooled = cold.clone().pool(Arc::new(MemoryPool::new(1)));
        for (name, config) in [
            ("make, use and drop, cold", &cold),
            ("make, use and drop, from a pool", &pooled),
        ] {
            let (first, nodes) = Nodes::store(config).expect("there is address space");
            drop(first);
            operation(group, name, *kind, STORES, || {
                timed(|| {
                    for _ in 0..STORES {
                        let mut store = Store::new(config)?;
                        nodes.leaf(&mut store.scope())?;
                    }
                    Ok(())
                })
            });
        }
        let config = cold.heap_initial_bytes(256 << 10);
        operation(group, "grow, per live object", *kind, GROWN, || {
            timed(|| Live::make(&config, Form::List, GROWN))
        });
    }
}

/// Prints what stores with one object each take of the system's memory, alive at once.
#[expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
pub(crate) fn resident() {
    let mut table = "| collector | KiB a store |\n|---|---|\n".to_owned();
    for kind in CollectorKind::ALL {
        let bytes = resident_bytes(&Config::new().collector(*kind)).expect("address space");
        let per_store = bytes as f64 / 1024.0 / f64::from(STORES);
        let _ = writeln!(table, "| {kind} | {per_store:.1} |");
    }
    println!("{table}");
}

fn resident_bytes(config: &Config) -> Result<u64, Error> {
    let (first, nodes) = Nodes::store(config)?;
    drop(first);
    let before = process_bytes();
    let mut stores = Vec::new();
    for _ in 0..STORES {
        let mut store = Store::new(config)?;
        nodes.leaf(&mut store.scope())?;
        stores.push(store);
    }
    Ok(process_bytes().saturating_sub(before))
}

/// Memory that this process has of the system.
fn process_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0) * 1024
}
