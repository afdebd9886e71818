//! Service discovery and an authoritative DNS responder, to embed.
