//! What is run: the repository's own programs, and those of other people's compilers.
//!
//! Sizes and results come from the lists beside the programs, so that a program that is added there is
//! run here.

use crate::error::Error;
use crate::job::{Job, Work};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A program and what it must compute.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// Its size, as people say it.
    pub(crate) size: String,
    /// What it must return or print.
    pub(crate) expected: String,
    pub(crate) job: Job,
}

/// A row of the repository's own list.
#[derive(Deserialize)]
struct Bundled {
    program: String,
    n: i32,
    result: String,
    size: String,
    stack_max: Option<String>,
}

/// A row of the MoonBit programs' list.
#[derive(Deserialize)]
struct Moonbit {
    module: String,
    export: String,
    args: Vec<i32>,
    result: Option<Value>,
    size: String,
}

/// Iterations of the physics simulation, which has no list.
const BOX2D: (i32, i32) = (30, 2);

/// All programs that can be found, of large sizes or small ones, and a line on those that cannot.
///
/// # Errors
/// Lists and texts that cannot be read.
pub(crate) fn find(is_quick: bool) -> Result<(Vec<Program>, Vec<String>), Error> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = repository.join("../shared/wasm");
    let foreign = std::env::var_os("WINDROW_PROGRAMS").map_or(beside, PathBuf::from);
    let mut programs = bundled(&repository.join("crates/wasm/programs"), is_quick)?;
    let mut missing = Vec::new();
    if foreign.join("moonbit/expected.json").is_file() {
        programs.extend(moonbit(&foreign, is_quick)?);
    } else {
        missing.push(format!(
            "programs of other compilers: not in {}; set WINDROW_PROGRAMS",
            foreign.display()
        ));
    }
    for name in ["splay", "kotlin-richards"] {
        programs.extend(sightglass(&foreign, name)?);
    }
    programs.extend(box2d(&foreign, is_quick));
    Ok((programs, missing))
}

/// The largest row of each program among those of a size.
fn bundled(folder: &Path, is_quick: bool) -> Result<Vec<Program>, Error> {
    let mut rows: Vec<Bundled> = list(&folder.join("expected.json"))?;
    // What needs a large stack at one size needs it in JavaScript engines at smaller ones.
    let stacks: HashMap<String, u64> = rows
        .iter()
        .filter_map(|row| Some((row.program.clone(), bytes(row.stack_max.as_deref()?)?)))
        .collect();
    rows.retain(|row| row.size == wanted(is_quick));
    rows.sort_by(|a, b| (&a.program, a.n).cmp(&(&b.program, b.n)));
    let mut programs: Vec<Program> = Vec::new();
    for row in rows {
        if programs.last().is_some_and(|last| last.name == row.program) {
            programs.pop();
        }
        programs.push(Program {
            job: Job {
                file: folder.join(&row.program).with_extension("wat"),
                work: Work::Call {
                    export: "run".to_owned(),
                    args: vec![row.n],
                    javascript: false,
                },
                stack_bytes: stacks.get(&row.program).copied(),
            },
            name: row.program,
            size: row.n.to_string(),
            expected: row.result,
        });
    }
    Ok(programs)
}

fn moonbit(foreign: &Path, is_quick: bool) -> Result<Vec<Program>, Error> {
    let folder = foreign.join("moonbit");
    let rows: Vec<Moonbit> = list(&folder.join("expected.json"))?;
    let programs = rows.into_iter().filter_map(|row| {
        let expected = match row.result? {
            Value::String(text) => text,
            number => number.to_string(),
        };
        let args: Vec<String> = row.args.iter().map(i32::to_string).collect();
        let stem = row.module.trim_end_matches(".wasm");
        (row.size == wanted(is_quick)).then(|| Program {
            name: format!("moonbit/{stem}"),
            size: args.join(" "),
            expected,
            job: Job {
                file: folder.join(&row.module),
                work: Work::Call {
                    export: row.export,
                    args: row.args,
                    javascript: false,
                },
                stack_bytes: None,
            },
        })
    });
    Ok(programs.collect())
}

fn sightglass(foreign: &Path, name: &str) -> Result<Option<Program>, Error> {
    let file = foreign.join(name).with_extension("wasm");
    if !file.is_file() {
        return Ok(None);
    }
    let directory = foreign.join("inputs").join(name);
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path).map_err(Error::file(path))
    };
    Ok(Some(Program {
        name: format!("sightglass/{name}"),
        size: read("default.input")?.trim().to_owned(),
        expected: read("expected.stdout")?,
        job: Job {
            file,
            work: Work::Command { directory },
            stack_bytes: None,
        },
    }))
}

fn box2d(foreign: &Path, is_quick: bool) -> Option<Program> {
    let file = foreign.join("j2cl-box2d.wasm");
    let (large, small) = BOX2D;
    let n = if is_quick { small } else { large };
    file.is_file().then(|| Program {
        name: "j2cl-box2d".to_owned(),
        size: n.to_string(),
        // It returns nothing: that it ends is all there is to see.
        expected: String::new(),
        job: Job {
            file,
            work: Work::Call {
                export: "runFixedCount".to_owned(),
                args: vec![n],
                javascript: true,
            },
            stack_bytes: None,
        },
    })
}

const fn wanted(is_quick: bool) -> &'static str {
    if is_quick { "small" } else { "large" }
}

fn list<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    serde_json::from_slice(&bytes).map_err(|reason| Error::Expected {
        path: path.to_owned(),
        reason,
    })
}

/// A size such as `1GiB`.
fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
        .unwrap_or((text, 0));
    number.parse::<u64>().ok()?.checked_shl(shift)
}

impl Program {
    /// Makes the file binary: the JavaScript engines read no text, and all are to have the same bytes.
    ///
    /// # Errors
    /// A text that is no module, or files that the system refuses.
    pub(crate) fn assemble(&mut self) -> Result<(), Error> {
        if self.job.file.extension() != Some(OsStr::new("wat")) {
            return Ok(());
        }
        let binary = wat::parse_file(&self.job.file)?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs");
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let file = folder.join(&self.name).with_extension("wasm");
        if std::fs::read(&file).ok().as_ref() != Some(&binary) {
            std::fs::write(&file, binary).map_err(Error::file(&file))?;
        }
        self.job.file = file;
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_bundled_program_is_there_once_at_its_largest() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/wasm/programs");
        for is_quick in [true, false] {
            let programs = bundled(&folder, is_quick).unwrap();
            let size = |name: &str| {
                let mut sizes = programs.iter().filter(|program| program.name == name);
                let size = sizes.next().unwrap().size.clone();
                assert!(sizes.next().is_none(), "{name} is there twice");
                size
            };
            assert_eq!(size("alloc"), if is_quick { "100000" } else { "100000000" });
            assert_eq!(size("binary-trees"), if is_quick { "12" } else { "18" });
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("1GiB"), Some(1 << 30));
        assert_eq!(bytes("64KiB"), Some(64 << 10));
        assert_eq!(bytes("12"), Some(12));
        assert_eq!(bytes("much"), None);
    }
}
