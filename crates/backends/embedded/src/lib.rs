//! A registry backend in one crash-safe file.
