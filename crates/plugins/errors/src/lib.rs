//! Writes a line for each failed query.
