//! Passes queries to other servers.
