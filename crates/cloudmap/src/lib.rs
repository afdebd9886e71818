//! The AWS Cloud Map dialect of HTTP over a registry.
