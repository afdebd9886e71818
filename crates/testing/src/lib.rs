//! Scenarios and a harness for plugin authors' tests.
