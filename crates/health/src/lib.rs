//! Active health checks, writing their verdicts to a registry.
