//! WASI programs that other people's compilers produced print what they must, on every collector.
//!
//! They lie outside the repository: in the directory `WINDROW_PROGRAMS` names, or in `shared/wasm`
//! beside the checkout. Where they are missing the tests say so and pass; so they do while the
//! engine lacks a feature that a program needs.

#![expect(clippy::print_stdout, reason = "says that it skips")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/unwinders.rs"]
mod unwinders;

use std::path::{Path, PathBuf};
use windrow::{CollectorKind, Config, MemoryKind, Statistics, Zeal};
use windrow_wasm::wasi::{self, Captured, WasiBuilder};
use windrow_wasm::{Error, Linker, Module, bench};

/// A program of this name, with a directory of what it reads and prints.
#[derive(Clone, Copy)]
struct Program {
    name: &'static str,
    /// What it reads under zeal, so that not too much is alive.
    zeal_input: &'static str,
    /// How many allocations there are then from one collection to the next.
    zeal_every: u32,
}

const SPLAY: Program = Program {
    name: "splay",
    zeal_input: "100,20,2",
    zeal_every: 5,
};

const KOTLIN_RICHARDS: Program = Program {
    name: "kotlin-richards",
    zeal_input: "120",
    zeal_every: 1,
};

/// A run that came to its end.
struct Ran {
    stdout: String,
    stats: Statistics,
}

fn directory() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wasm");
    let programs = std::env::var_os("WINDROW_PROGRAMS").map_or_else(beside, PathBuf::from);
    let found = programs.join("splay.wasm").is_file();
    if !found {
        let programs = programs.display();
        println!("skipped: there are no programs in {programs}; set WINDROW_PROGRAMS");
    }
    found.then_some(programs)
}

impl Program {
    /// Runs the program to its end on what is in a directory. `None` where it cannot be run, which
    /// is said.
    fn run(self, config: &Config, inputs: &Path) -> Option<Ran> {
        let engine = unwinders::engine(config).unwrap();
        let bytes = std::fs::read(directory()?.join(self.name).with_extension("wasm")).unwrap();
        let module = match Module::new(&engine, &bytes) {
            Err(Error::Unsupported { feature, .. }) => {
                println!("skipped: {} needs {feature}", self.name);
                return None;
            }
            module => module.unwrap(),
        };
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let ctx = WasiBuilder::new()
            .args([self.name])
            .directory(inputs, ".")
            .stdout(&stdout)
            .stderr(&stderr)
            .build()
            .unwrap();
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker, ctx);
        bench::add_to_linker(&mut linker);
        let mut store = engine.new_store().unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let start = instance.func(&mut store, "_start").unwrap();
        let ended = start.call(&mut store, &[]);
        let text = |buffer: &Captured| String::from_utf8(buffer.contents()).unwrap();
        assert!(
            matches!(ended, Ok(_) | Err(Error::Exit(0))),
            "{}: {ended:?}\n{}",
            self.name,
            text(&stderr)
        );
        Some(Ran {
            stdout: text(&stdout),
            stats: store.stats(),
        })
    }

    /// Runs it on every collector; it prints what it is known to.
    fn check(self, memory: MemoryKind) {
        let Some(programs) = directory() else { return };
        let inputs = programs.join("inputs").join(self.name);
        let expected = std::fs::read_to_string(inputs.join("expected.stdout")).unwrap();
        for collector in CollectorKind::ALL {
            let config = Config::new().collector(*collector).memory(memory);
            if let Some(ran) = self.run(&config, &inputs) {
                assert_eq!(ran.stdout, expected, "{collector}");
            }
        }
    }

    /// Runs it with thousands of collections; it prints what it does without any.
    fn check_zeal(self, memory: MemoryKind) {
        if directory().is_none() {
            return;
        }
        let inputs = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{memory}", self.name));
        std::fs::create_dir_all(&inputs).unwrap();
        std::fs::write(inputs.join("default.input"), self.zeal_input).unwrap();
        let null = Config::new().collector(CollectorKind::Null);
        let Some(expected) = self.run(&null, &inputs) else {
            return;
        };
        assert!(expected.stdout.contains("verified"), "{}", expected.stdout);
        for collector in CollectorKind::ALL {
            let config = Config::new().collector(*collector).memory(memory);
            let config = config.zeal(Zeal::every(self.zeal_every));
            let ran = self.run(&config, &inputs).unwrap();
            assert_eq!(ran.stdout, expected.stdout, "{collector}");
            let collections = ran.stats.collections();
            let never = *collector == CollectorKind::Null;
            assert!(never || collections >= 2000, "{collections} collections");
        }
    }
}

#[test]
fn splay_guarded() {
    SPLAY.check(MemoryKind::Guarded);
}

#[test]
fn splay_checked() {
    SPLAY.check(MemoryKind::Checked);
}

#[test]
fn splay_under_zeal_guarded() {
    SPLAY.check_zeal(MemoryKind::Guarded);
}

#[test]
fn splay_under_zeal_checked() {
    SPLAY.check_zeal(MemoryKind::Checked);
}

#[test]
fn kotlin_richards_guarded() {
    KOTLIN_RICHARDS.check(MemoryKind::Guarded);
}

#[test]
fn kotlin_richards_checked() {
    KOTLIN_RICHARDS.check(MemoryKind::Checked);
}

#[test]
fn kotlin_richards_under_zeal_guarded() {
    KOTLIN_RICHARDS.check_zeal(MemoryKind::Guarded);
}

#[test]
fn kotlin_richards_under_zeal_checked() {
    KOTLIN_RICHARDS.check_zeal(MemoryKind::Checked);
}
