//! Scenarios, conformance and architecture tests.
