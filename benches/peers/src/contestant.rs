//! Who takes part, and how their processes are started.

use crate::error::Error;
use crate::job::Job;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wasmtime::Collector;
use windrow::CollectorKind;

/// Whoever the others are compared with.
pub(crate) const BASE: CollectorKind = CollectorKind::Copying;

/// wasmtime's collectors, as its own configuration names them.
const WASMTIME: [(&str, Collector); 3] = [
    ("null", Collector::Null),
    ("drc", Collector::DeferredReferenceCounting),
    ("copying", Collector::Copying),
];

/// How to get the JavaScript engines.
const ADVICE: &str = "run `npm ci` in benches/peers, or put it on the PATH";

/// What runs programs.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    /// This program, with one of windrow's collectors.
    Windrow(CollectorKind),
    /// This program, with one of wasmtime's.
    Wasmtime(Collector),
    /// Node, at this place.
    Node(PathBuf),
    /// Bun, at this place.
    Bun(PathBuf),
}

/// One column of the table.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) version: String,
    engine: Engine,
}

impl Engine {
    /// The contestant that a child of this name is to be.
    pub(crate) fn of_child(name: &str) -> Option<Self> {
        let (engine, collector) = name.split_once('-')?;
        match engine {
            "windrow" => collector.parse().ok().map(Self::Windrow),
            "wasmtime" => WASMTIME
                .iter()
                .find(|(name, _)| *name == collector)
                .map(|(_, collector)| Self::Wasmtime(*collector)),
            _ => None,
        }
    }
}

impl Contestant {
    /// The command that runs a job.
    ///
    /// # Errors
    /// [`Error::System`] where the system does not say what this program is.
    pub(crate) fn command(&self, job: &Job) -> Result<Command, Error> {
        let text = serde_json::to_string(job)?;
        let script = directory().join("peer.mjs");
        let mut command = match &self.engine {
            Engine::Windrow(_) | Engine::Wasmtime(_) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--child", &self.name]);
                command
            }
            Engine::Node(node) => {
                let mut command = on_stack(node, job.stack_bytes);
                if let Some(bytes) = job.stack_bytes {
                    command.arg(format!("--stack-size={}", bytes >> 10));
                }
                command.arg(script);
                command
            }
            Engine::Bun(bun) => {
                let mut command = on_stack(bun, job.stack_bytes);
                if let Some(bytes) = job.stack_bytes {
                    command.env("BUN_JSC_maxPerThreadStackUsage", bytes.to_string());
                }
                command.arg(script);
                command
            }
        };
        command.arg(text).stdin(Stdio::null());
        Ok(command)
    }

    /// Whether it is whom the others are compared with.
    pub(crate) fn is_base(&self) -> bool {
        matches!(self.engine, Engine::Windrow(BASE))
    }
}

/// A command whose main thread has more stack than usual, where that is asked for: the shell can ask
/// the system for it.
fn on_stack(program: &Path, stack_bytes: Option<u64>) -> Command {
    /// For the engine itself.
    const MORE_KIB: u64 = 8 << 10;
    let Some(bytes) = stack_bytes else {
        return Command::new(program);
    };
    let kib = (bytes >> 10) + MORE_KIB;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -s {kib} && exec \"$0\" \"$@\"")]);
    command.arg(program);
    command
}

/// Everyone who can be found, and a line on each of those who cannot.
pub(crate) fn find() -> (Vec<Contestant>, Vec<String>) {
    let mut missing = Vec::new();
    let mut kinds = CollectorKind::ALL.to_vec();
    kinds.sort_by_key(|kind| *kind != BASE);
    let windrows = kinds.into_iter().map(|kind| Contestant {
        name: format!("windrow-{kind}"),
        version: version_of_windrow(),
        engine: Engine::Windrow(kind),
    });
    let mut found: Vec<Contestant> = windrows.collect();
    found.extend(WASMTIME.map(|(name, collector)| Contestant {
        name: format!("wasmtime-{name}"),
        version: version_of_wasmtime(),
        engine: Engine::Wasmtime(collector),
    }));
    let engines = [
        ("node", Engine::Node as fn(PathBuf) -> Engine),
        ("bun", Engine::Bun),
    ];
    for (name, engine) in engines {
        match javascript(name) {
            Ok((path, version)) => found.push(Contestant {
                name: name.to_owned(),
                version,
                engine: engine(path),
            }),
            Err(reason) => missing.push(format!("{name}: {reason}; {ADVICE}")),
        }
    }
    (found, missing)
}

/// What a JavaScript engine says of itself.
#[derive(Deserialize)]
struct Probe {
    version: String,
    garbage_collection: bool,
}

/// A JavaScript engine that can run the programs: the one of this directory, else that of the PATH.
fn javascript(name: &str) -> Result<(PathBuf, String), String> {
    let own = directory().join("node_modules/.bin").join(name);
    let places = [own, PathBuf::from(name)];
    let mut reason = "not found".to_owned();
    for path in places {
        let script = directory().join("peer.mjs");
        let Ok(output) = Command::new(&path).arg(script).arg("--probe").output() else {
            continue;
        };
        match serde_json::from_slice::<Probe>(&output.stdout) {
            Ok(Probe {
                version,
                garbage_collection: true,
            }) => return Ok((path, version)),
            Ok(Probe { version, .. }) => {
                reason = format!("{version} has no garbage collection for WebAssembly");
            }
            Err(_) => reason = format!("`{}` does not run peer.mjs", path.display()),
        }
    }
    Err(reason)
}

/// Where `package.json` is.
fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commit, where there is one.
fn version_of_windrow() -> String {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short", "HEAD"])
        .current_dir(directory());
    let output = git.output().ok().filter(|output| output.status.success());
    let commit = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    commit.map_or_else(
        || "windrow".to_owned(),
        |commit| format!("windrow {commit}"),
    )
}

/// The version that was built in.
fn version_of_wasmtime() -> String {
    let lock = include_str!("../Cargo.lock");
    let mut lines = lock
        .lines()
        .skip_while(|line| *line != "name = \"wasmtime\"");
    let version = lines.nth(1).and_then(|line| line.split('"').nth(1));
    format!("wasmtime {}", version.unwrap_or("?"))
}
