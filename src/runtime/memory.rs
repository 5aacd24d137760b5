//! The peak of resident memory.

/// The process's highest resident set so far in bytes (`VmHWM` on Linux, `ru_maxrss` elsewhere); 0 where unknown.
pub fn peak_bytes() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmHWM:"));
        line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        0
    }
}
