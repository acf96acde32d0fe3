//! Assembles what LLVM made, where there is an assembler for it, and says so with the configuration
//! `windrow_llvm_fixture`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// As LLVM writes it, and so that executables keep it and the loader can write addresses there.
const SECTION: &str = ".section\t.llvm_stackmaps,\"a\",@progbits";
const KEPT_SECTION: &str = ".section\t.llvm_stackmaps,\"awR\",@progbits";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(windrow_llvm_fixture)");
    println!("cargo::rerun-if-changed=fixture");
    match assemble() {
        Ok(()) => println!("cargo::rustc-cfg=windrow_llvm_fixture"),
        Err(reason) => println!("cargo::rustc-env=WINDROW_LLVM_SKIPPED={reason}"),
    }
}

/// Fails with the reason in one line.
fn assemble() -> Result<(), String> {
    let target = ["ARCH", "OS"].map(|key| env::var(format!("CARGO_CFG_TARGET_{key}")));
    if target != [Ok("x86_64".to_owned()), Ok("linux".to_owned())] {
        return Err("the fixture is for Linux on x86-64".to_owned());
    }
    let out = env::var_os("OUT_DIR").ok_or("cargo names no directory for output")?;
    let prepared = prepare(Path::new(&out)).map_err(|error| format!("cannot read it: {error}"))?;
    cc::Build::new()
        .files(prepared)
        .cargo_warnings(false)
        .try_compile("windrow_llvm_fixture")
        .map_err(|error| format!("cannot assemble it: {error}").replace('\n', " "))
}

fn prepare(out: &Path) -> io::Result<Vec<PathBuf>> {
    let mut prepared = Vec::new();
    for name in ["spilled.s", "registers.s", "exit.s"] {
        let source = fs::read_to_string(Path::new("fixture").join(name))?;
        let path = out.join(name);
        fs::write(&path, source.replace(SECTION, KEPT_SECTION))?;
        prepared.push(path);
    }
    Ok(prepared)
}
