//! The peak of resident memory.
#![allow(unsafe_code)]

/// The process's highest resident set so far in bytes (`VmHWM` on Linux, `ru_maxrss` on other Unix); 0 where unknown.
pub fn peak_bytes() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmHWM:"));
        line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
    {
        // Apple counts bytes, the others KB.
        let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to memory for one struct, of which all zero is a value already.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        u64::try_from(usage.ru_maxrss).unwrap_or(0) * unit
    }
    #[cfg(not(unix))]
    {
        0
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(unix)]
    fn the_peak_is_that_of_a_process() {
        let memory = vec![1u8; 32 << 20];
        assert!((32 << 20..1 << 40).contains(&super::peak_bytes()), "{}", memory[memory.len() / 2]);
    }
}
