//! Short-lived strings by the thousand, on every collector and memory.

use super::{MEMORIES, Program, configs, name};
use windrow::{CollectionKind, CollectorKind, Config, Val, Zeal};
use windrow_wasm::js::{self, JsString};

/// What the program returns, by its own account of strings.
fn expected(n: i32) -> i64 {
    let mut hash = 0_i64;
    let mut mix = |value: i64| hash = hash.wrapping_mul(31).wrapping_add(value);
    let mut ring: Vec<Option<String>> = vec![None; 256];
    let start = |text: &str| text[..text.len().min(2)].to_owned();
    for index in 0..n {
        let new = index.to_string();
        let slot = &mut ring[index as usize % 256];
        if let Some(old) = slot {
            mix(new.cmp(old) as i64);
            mix((start(&new) == start(old)).into());
        }
        mix(i64::try_from(new.len()).unwrap());
        mix(new.as_bytes()[0].into());
        *slot = Some(new);
    }
    let joined: usize = ring.iter().flatten().map(String::len).sum();
    mix(i64::try_from(joined).unwrap());
    mix(1);
    hash
}

/// Runs the program and checks what it returns.
fn run(config: &Config, n: i32) -> Program {
    let mut program = Program::new(config, include_bytes!("strings.wat")).unwrap();
    match program.call("run", &[Val::I32(n)]) {
        Ok(Val::I64(hash)) => assert_eq!(hash, expected(n), "{}", name(config)),
        other => panic!("{}: {other:?}", name(config)),
    }
    program
}

#[test]
fn strings_agree_on_every_collector_and_memory() {
    for config in configs() {
        let collects = config.chosen_collector().properties().collects;
        let mut program = run(&config.clone().heap_initial_bytes(1 << 20), 20_000);
        if collects {
            let automatic = program.store.stats().collections();
            assert!(automatic > 0, "{}", name(&config));
            program.store.gc(CollectionKind::Full).unwrap();
            // The constant is all that is left.
            assert_eq!(
                program.store.isolate().host_values(),
                1,
                "{}",
                name(&config)
            );
        }
        program.store.verify().unwrap();
    }
}

#[test]
fn strings_agree_under_zeal() {
    for config in configs() {
        if !config.chosen_collector().properties().collects {
            continue;
        }
        let mut program = run(&config.zeal(Zeal::every(3)), 700);
        let collections = program.store.stats().collections();
        assert!(collections > 1000, "{collections} collections");
    }
}

#[test]
fn memory_outside_the_heap_causes_collections() {
    for memory in MEMORIES {
        let config = Config::new()
            .collector(CollectorKind::Copying)
            .memory(memory);
        let mut program = Program::new(&config, include_bytes!("builtins.wat")).unwrap();
        let units = vec![0x6c; 1 << 20];
        for _ in 0..200 {
            let string = JsString::from_units(&units);
            drop(js::new_string(&mut program.store, string).unwrap());
            let bytes = program.store.isolate().host_value_bytes();
            assert!(bytes <= 70 << 20, "{bytes} bytes");
        }
        assert!(program.store.stats().collections() >= 5);
    }
}
