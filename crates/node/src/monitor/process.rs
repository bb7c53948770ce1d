//! What the system says about this process. Other users cannot look it up, since the process is not dumpable.

/// Bytes of memory that are resident; unknown where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Open descriptors; unknown where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn open_fds() -> Option<u64> {
    // Less the one that the listing itself opens.
    u64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1)).ok()
}

#[cfg(not(target_os = "linux"))]
pub fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub fn open_fds() -> Option<u64> {
    None
}
