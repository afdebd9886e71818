//! A server on loopback, and clients that behave, and others.

mod harness;
mod https;
mod life;
mod limits;
mod proxies;
mod tcp;
mod tls;
mod udp;
