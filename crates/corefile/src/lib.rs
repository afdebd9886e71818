//! Corefile text to a typed tree, with file, line and column in every error.
