//! Answers what a service registry holds.
