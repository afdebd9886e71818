//! What the checker has done, in numbers.

/// What a checker has done since it started, and is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instances that are checked.
    pub instances: usize,
    /// Checks that run now.
    pub running: usize,
    /// Checks that ended with a result.
    pub checks: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Checks that ended without a result, for a reason on this side.
    pub inconclusive: u64,
    /// Verdicts that changed.
    pub transitions: u64,
    /// Checks that began later than they were due, for want of room.
    pub postponed: u64,
}
