//! Long work beside the queries.

use std::panic::resume_unwind;
use std::thread;

/// Does `work` on a thread that gives way to others where processors are few, and returns when it is done.
///
/// For what takes seconds of a processor and nobody waits for, such as to read a million records again: those who answer
/// go on nearly as if it were not there, and it takes as much longer. Threads that `work` starts are as patient. Blocks; from a task,
/// call it where blocking is allowed (`tokio::task::spawn_blocking`).
///
/// # Panics
///
/// Where `work` does, and where the system has no more threads.
pub fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let patient = move || {
        give_way();
        work()
    };
    thread::scope(|scope| scope.spawn(patient).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// Lets other threads have a processor first: of what this one had, a tenth is left while they want it all.
#[cfg(target_os = "linux")]
fn give_way() {
    // A thread has a niceness of its own on Linux, whatever POSIX says of processes. Without it the work is as fast as others'.
    let before = rustix::process::getpriority_process(None).unwrap_or_default();
    _ = rustix::process::setpriority_process(None, before.saturating_add(10).min(LEAST));
}

/// What the system has no less of.
#[cfg(target_os = "linux")]
const LEAST: i32 = 19;

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use super::aside;

    #[cfg(target_os = "linux")]
    #[test]
    fn work_gives_way_and_who_waits_for_it_does_not() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let inner = aside(|| (niceness(), std::thread::spawn(niceness).join().unwrap()));
        let after = (before + 10).min(19);
        assert_eq!(inner, (after, after));
        assert_eq!(niceness(), before);
    }

    #[test]
    #[should_panic(expected = "what was wrong")]
    fn a_panic_is_the_callers() {
        aside(|| panic!("what was wrong"));
    }
}
