//! Ask the system how much memory the process takes.

/// The process's largest resident size so far, in bytes (Linux).
pub fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// The process's resident size, in bytes (Linux).
pub fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// Let [`peak`] begin anew, where the system can (Linux).
pub fn forget_peak() {
    // Elsewhere, and in some containers, the old peak stays.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn field(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes << 10)
}
