//! What stores cost where there are thousands of them: time to make and drop one, with a pool of
//! reservations and without, and memory of one that is nearly empty.
//!
//! ```sh
//! cargo run --release --example many_stores
//! ```

#![expect(clippy::print_stdout, reason = "an example prints what it measured")]

use std::sync::Arc;
use std::time::Instant;
use windrow::{
    CollectorKind, Config, FieldType, MemoryPool, OwnedRooted, Store, StructRef, StructType,
    TypeId, ValType,
};

/// Objects in each store.
const OBJECTS: usize = 100;
/// Stores alive at once.
const STORES: usize = 1000;
/// Stores made and dropped, one after the other, in so many batches.
const BATCH: u32 = 50;
const BATCHES: u32 = 200;

fn main() -> Result<(), windrow::Error> {
    for kind in CollectorKind::ALL {
        let config = Config::new().collector(*kind);
        let pair = config.types().register_struct(StructType::new([
            FieldType::mutable(ValType::I32),
            FieldType::mutable(ValType::ANYREF),
        ]))?;

        let alone = create_and_drop(&config, pair)?;
        let pool = Arc::new(MemoryPool::new(4));
        let pooled = create_and_drop(&config.clone().pool(pool), pair)?;

        let before = resident_kib();
        let mut stores = Vec::new();
        for _ in 0..STORES {
            let mut store = Store::new(&config)?;
            let objects = fill(&mut store, pair)?;
            stores.push((store, objects));
        }
        let resident = resident_kib().saturating_sub(before) as f64 / STORES as f64;
        println!(
            "{kind}: make and drop {alone:.1} us, from a pool {pooled:.1} us; \
             {resident:.1} KiB resident with {OBJECTS} objects, of {STORES} stores"
        );
    }
    Ok(())
}

/// Microseconds to make a store, put an object into it and drop it: the median of many batches.
fn create_and_drop(config: &Config, pair: TypeId) -> Result<f64, windrow::Error> {
    let mut batches = Vec::new();
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..BATCH {
            let mut store = Store::new(config)?;
            StructRef::new_default(&mut store.scope(), pair)?;
        }
        batches.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH));
    }
    batches.sort_by(f64::total_cmp);
    Ok(batches[batches.len() / 2])
}

fn fill(store: &mut Store, pair: TypeId) -> Result<Vec<OwnedRooted<StructRef>>, windrow::Error> {
    let mut scope = store.scope();
    let fill = |_| Ok(StructRef::new_default(&mut scope, pair)?.own(&mut scope));
    (0..OBJECTS).map(fill).collect()
}

/// What the system says this process has in memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
