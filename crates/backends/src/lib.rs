//! The standard set of registry backends.
