//! What the system says of this process, as Linux tells it below `/proc`; elsewhere nothing is known.

use std::fs;

use serde::Serialize;

/// This process at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Footprint {
    /// Its number.
    pub pid: u32,
    /// Resident memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Files and sockets open.
    pub open_files: Option<u64>,
    /// How many may be.
    pub open_files_max: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

/// Looks at this process.
pub fn look() -> Footprint {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    Footprint {
        pid: std::process::id(),
        memory_bytes: field(&status, "VmRSS:").map(|kib| kib * 1_024),
        open_files: open_files(),
        open_files_max: field(&limits, "Max open files"),
        threads: field(&status, "Threads:"),
    }
}

/// Returns resident memory in bytes.
pub fn memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    field(&status, "VmRSS:").map(|kib| kib * 1_024)
}

/// Returns the first number of the line that begins so.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Linux 6.2 and later tell the number as a size; before, the entries are counted.
fn open_files() -> Option<u64> {
    let told = fs::metadata("/proc/self/fd").ok()?.len();
    if told > 0 {
        return Some(told);
    }
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_their_lines() {
        let text =
            "Name:\tp-8\nVmRSS:\t  1234 kB\nMax open files            1024     4096   files\n";
        assert_eq!(field(text, "VmRSS:"), Some(1_234));
        assert_eq!(field(text, "Max open files"), Some(1_024));
        assert_eq!(field(text, "Threads:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_known() {
        let process = look();
        assert!(process.memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(process.open_files.is_some_and(|files| files > 2));
        assert!(process.open_files <= process.open_files_max);
    }
}
