//! Engines to test with, and a short way to run a program.

use crate::unwinders;
use windrow::{CollectorKind, Config, Store, Val, Zeal};
use windrow_wasm::{Engine, Error, Instance, Linker, Module, Trap};

/// An engine of each kind that matters: every collector, zeal, both memories.
pub(crate) fn engines() -> Vec<Engine> {
    let copying = Config::new().collector(CollectorKind::Copying);
    let null = Config::new().collector(CollectorKind::Null);
    let zeal = copying.clone().zeal(Zeal::every(1));
    let checked = zeal.clone().memory(windrow::MemoryKind::Checked);
    let counting = zeal.clone().collector(CollectorKind::Drc);
    let checked_counting = checked.clone().collector(CollectorKind::Drc);
    [copying, null, zeal, checked, counting, checked_counting]
        .iter()
        .map(|config| unwinders::engine(config).unwrap())
        .collect()
}

/// An instance alone in a store.
pub(crate) struct Program {
    pub(crate) store: Store,
    pub(crate) instance: Instance,
}

impl Program {
    pub(crate) fn new(engine: &Engine, text: &str) -> Self {
        let module = Module::new(engine, text.as_bytes()).unwrap();
        let mut store = engine.new_store().unwrap();
        let instance = Linker::new(engine)
            .instantiate(&mut store, &module)
            .unwrap();
        Self { store, instance }
    }

    /// Calls a function of integers.
    pub(crate) fn call(&mut self, name: &str, args: &[i32]) -> Result<i32, Error> {
        let args: Vec<Val> = args.iter().map(|arg| Val::I32(*arg)).collect();
        let func = self.instance.func(&mut self.store, name).unwrap();
        let results = func.call(&mut self.store, &args)?;
        match results[..] {
            [Val::I32(result)] => Ok(result),
            ref other => panic!("one i32 expected, not {other:?}"),
        }
    }

    /// The trap that a call must end in.
    pub(crate) fn trap(&mut self, name: &str, args: &[i32]) -> Trap {
        match self.call(name, args) {
            Err(Error::Trap(trap)) => trap,
            other => panic!("a trap expected, not {other:?}"),
        }
    }
}
