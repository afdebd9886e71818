//! How many files this process may still open.

use std::fs;

/// Descriptors that stay free for what is not a client: files, upstreams, the API.
const RESERVE: usize = 32;
/// Connections that are always allowed: a server that may open very few files still serves some.
const LEAST: usize = 8;

/// Connections that may be open at once, given what the operator wants and what the process may open.
pub(crate) fn connections(wanted: usize) -> usize {
    match (limit(), open()) {
        (Some(limit), Some(open)) => wanted.min(limit.saturating_sub(open + RESERVE).max(LEAST)),
        _ => wanted,
    }
}

fn limit() -> Option<usize> {
    soft_limit(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn open() -> Option<usize> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count())
}

/// The soft limit on open files; none where there is none.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_figure_of_its_line() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files     96      4096     files\n";
        assert_eq!(soft_limit(limits), Some(96));
        assert_eq!(soft_limit("Max open files     unlimited   unlimited   files"), None);
    }

    #[test]
    fn a_process_that_may_open_little_serves_less_than_wanted() {
        assert!(connections(usize::MAX) < usize::MAX);
        assert_eq!(connections(3), 3);
    }
}
