//! The cartonym program: command line, configuration, signals, HTTP surface.
