//! Where it was measured.

use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine, as the system tells.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) system: String,
    /// What waited for a processor when the contest began, in a minute's mean: others' work.
    pub(crate) load: Option<f64>,
    /// When the contest began, in seconds since 1970.
    pub(crate) time_seconds: u64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let unknown = || "unknown".to_owned();
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.and_then(|text| text.strip_suffix(" kB")?.trim().parse::<u64>().ok());
        let version = read("/proc/sys/kernel/osrelease");
        let load = read("/proc/loadavg");
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kib.map(|kib| kib << 10),
            system: format!("Linux {}", version.trim()),
            load: load.split(' ').next().and_then(|text| text.parse().ok()),
            time_seconds: since.map_or(0, |since| since.as_secs()),
        }
    }
}
