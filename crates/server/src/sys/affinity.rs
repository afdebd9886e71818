//! Which processors a thread may run on.

/// The processors that this process may use, in order; empty where the system does not tell.
pub(crate) fn allowed_cpus() -> Vec<usize> {
    // SAFETY: a `cpu_set_t` is an array of integers, for which all zeros is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the size is that of `set`, which outlives the call.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) } != 0 {
        return Vec::new();
    }
    let all = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: `cpu` is below `CPU_SETSIZE`, so its bit lies within `set`.
    all.filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Keeps the calling thread on `cpu`; a thread that may not be pinned runs where it did.
pub(crate) fn pin_to(cpu: usize) {
    if cpu >= libc::CPU_SETSIZE as usize {
        return;
    }
    // SAFETY: as in `allowed_cpus`; `cpu` is below `CPU_SETSIZE`, as checked above.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_use_one_processor() {
        let cpu = *allowed_cpus().last().unwrap();
        let seen = std::thread::spawn(move || {
            pin_to(cpu);
            allowed_cpus()
        });
        assert_eq!(seen.join().unwrap(), [cpu]);
    }
}
