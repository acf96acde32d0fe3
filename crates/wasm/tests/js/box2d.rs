//! A physics simulation in Java, compiled by J2CL: a program for a JavaScript host as it comes.
//!
//! It lies beside the checkout (`../shared/wasm`, or where `WINDROW_PROGRAMS` says).

use super::{Program, configs, name};
use std::path::{Path, PathBuf};
use windrow::{Config, Val, Zeal};
use windrow_wasm::{Engine, Error, Module};

/// The program, or `None` with the reason printed.
fn program() -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wasm");
    let folder = std::env::var_os("WINDROW_PROGRAMS").map_or(beside, PathBuf::from);
    let path = folder.join("j2cl-box2d.wasm");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("skipped: {}: {error}", path.display());
            return None;
        }
    };
    match Module::new(&Engine::new(&Config::new()).unwrap(), &bytes) {
        Err(error @ Error::Unsupported { .. }) => {
            eprintln!("skipped: {}: {error}", path.display());
            None
        }
        Err(error) => panic!("{error}"),
        Ok(_) => Some(bytes),
    }
}

#[test]
fn box2d_runs_on_every_collector_and_memory() {
    let Some(bytes) = program() else { return };
    for config in configs() {
        let mut program = Program::new(&config, &bytes).unwrap();
        let ended = program.call("runFixedCount", &[Val::I32(1)]);
        assert!(ended.is_ok(), "{}: {ended:?}", name(&config));
        program.store.verify().unwrap();
    }
}

#[test]
fn box2d_runs_under_zeal() {
    let Some(bytes) = program() else { return };
    for config in configs() {
        if !config.chosen_collector().properties().collects {
            continue;
        }
        let config = config.zeal(Zeal::every(5000));
        let mut program = Program::new(&config, &bytes).unwrap();
        let ended = program.call("runFixedCount", &[Val::I32(1)]);
        assert!(ended.is_ok(), "{}: {ended:?}", name(&config));
    }
}
