//! Ask the system how much memory the process takes, and how it is to hand it out.

/// The process's largest resident size so far, in bytes (Linux).
pub(crate) fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// The process's resident size, in bytes (Linux).
pub(crate) fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// Let [`peak`] begin anew, where the system can (Linux).
pub(crate) fn forget_peak() {
    // Elsewhere, and in some containers, the old peak stays.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Let freed memory stay with the process, where the allocator can (glibc).
///
/// Every step asks for tensors as large as those that the last one freed. By default the large ones
/// come from the system each time, which fills every page with zeros.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, 32 << 20), // the most that glibc takes
        (libc::M_TRIM_THRESHOLD, i32::MAX),
        (libc::M_TOP_PAD, 64 << 20), // a heap of a thread, so that the last one stays
    ] {
        // SAFETY: the function sets a parameter of the allocator, and takes any value.
        unsafe { libc::mallopt(parameter, value) };
    }
}

fn field(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes << 10)
}
