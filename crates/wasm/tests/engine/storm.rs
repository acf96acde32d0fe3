//! A storm of host values: made by the million from compiled code, few alive at a time.

use crate::unwinders;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use windrow::{CollectorKind, Config, ExternRef, FuncType, Val, ValType};
use windrow_wasm::{Error, Linker, Module};

/// Values of the table, which live for so many steps.
const KEPT: usize = 1000;

/// Values made between two collections: the first budget is 4 MiB, an object takes 16 bytes.
const EPOCH: usize = (4 << 20) / 16;

/// Counts its own drop.
struct Probe {
    drops: Arc<[AtomicU8]>,
    index: usize,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.drops[self.index].fetch_add(1, Ordering::Relaxed);
    }
}

/// `WINDROW_STORM` sets how many values there are.
fn values() -> usize {
    std::env::var("WINDROW_STORM")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1_000_000)
}

#[test]
fn each_value_is_dropped_once_and_few_wait_for_it() {
    let text = format!(
        r#"(module
        (import "host" "make" (func $make (param i32) (result externref)))
        (table $kept {KEPT} externref)
        (func (export "run") (param $n i32) (local $i i32) (local $old externref)
            (loop $again
                (local.set $old (call $make (local.get $i)))
                (table.set $kept (i32.rem_u (local.get $i) (i32.const {KEPT})) (local.get $old))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (local.get $n))))))"#
    );
    for &kind in CollectorKind::ALL {
        if !kind.instance().properties().collects {
            continue;
        }
        let count = values();
        let drops: Arc<[AtomicU8]> = (0..count).map(|_| AtomicU8::new(0)).collect();
        let most = Arc::new(AtomicUsize::new(0));
        let engine = unwinders::engine(&Config::new().collector(kind)).unwrap();
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = engine.new_store().unwrap();
        let mut linker = Linker::new(&engine);
        let ty = FuncType::new([ValType::I32], [ValType::EXTERNREF]);
        let (ledger, waiting) = (Arc::clone(&drops), Arc::clone(&most));
        linker.define_func("host", "make", ty, move |mut caller, args, results| {
            let [Val::I32(index)] = args else {
                panic!("the types were checked")
            };
            let probe = Probe {
                drops: Arc::clone(&ledger),
                index: usize::try_from(*index).unwrap(),
            };
            let store = caller.store();
            let mut scope = store.scope();
            let value = ExternRef::new(&mut scope, probe).map_err(Error::host)?;
            waiting.fetch_max(scope.isolate().host_values(), Ordering::Relaxed);
            results[0] = Val::Ref(value.own(&mut scope).into());
            Ok(())
        });
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.func(&mut store, "run").unwrap();
        run.call(&mut store, &[Val::I32(i32::try_from(count).unwrap())])
            .unwrap();
        let most = most.load(Ordering::Relaxed);
        assert!(most <= EPOCH + KEPT + 2, "{kind}: {most} values at a time");
        let dropped = |times| {
            let is = |drops: &&AtomicU8| drops.load(Ordering::Relaxed) == times;
            drops.iter().filter(is).count()
        };
        assert!(dropped(1) >= count - most, "{kind}: {} dropped", dropped(1));
        assert_eq!(dropped(0) + dropped(1), count, "{kind}: some dropped twice");
        drop(store);
        assert_eq!(dropped(1), count, "{kind}");
    }
}
