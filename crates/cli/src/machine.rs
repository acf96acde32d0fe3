//! What this machine and this process are, as far as Linux tells in `/proc`; elsewhere little is known.

use serde::Serialize;
use std::fs;

/// The machine a measurement was made on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) processor: Option<String>,
    /// How many of its threads this process may use.
    pub(crate) cores: Option<usize>,
    /// Main memory.
    pub(crate) memory_bytes: Option<u64>,
    /// Operating system and architecture.
    pub(crate) system: String,
    /// How many processes wanted to run, on average over the last minute.
    pub(crate) load: Option<f64>,
}

impl Machine {
    /// This one, now.
    pub(crate) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let processor = read("/proc/cpuinfo").and_then(|text| {
            let name = text
                .lines()
                .find_map(|line| line.strip_prefix("model name"))?;
            Some(name.trim_start_matches([' ', '\t', ':']).to_owned())
        });
        let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let load = read("/proc/loadavg");
        Self {
            processor,
            cores: std::thread::available_parallelism().ok().map(usize::from),
            memory_bytes: kibibytes("/proc/meminfo", "MemTotal:"),
            system: format!("{os} {} {arch}", release.trim()).replace("  ", " "),
            load: load.and_then(|text| text.split(' ').next()?.parse().ok()),
        }
    }
}

/// The most memory this process ever had in use, code and compiler included.
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

/// The number of bytes in a line such as `VmHWM:    2048 kB`.
fn kibibytes(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1 << 10)
}
