//! What the system knows of this process, as far as Linux tells in `/proc`.

use std::fs;

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
