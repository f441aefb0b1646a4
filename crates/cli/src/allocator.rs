//! Tell the allocator to keep the memory that a step frees for the next one.

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
