//! Benchmarks, load programs and their records.
