//! Writes a line for each query.
