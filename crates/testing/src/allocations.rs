//! Counting allocations.

/// How many times this thread allocates while `run` runs.
///
/// Counts in the allocator itself, which the feature `allocations` replaces for the whole program: a program with an
/// allocator of its own cannot have the feature.
///
/// ```
/// let mut words = Vec::with_capacity(1);
/// assert_eq!(cartonym_testing::allocations(|| words.push("one")), 0);
/// assert_eq!(cartonym_testing::allocations(|| words.push("two")), 1);
/// ```
pub fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}
