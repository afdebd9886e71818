//! Sockets, threads and the runtime around a responder.
//!
//! UDP is served by plain threads, one for each core and listener, that move datagrams in batches and allocate
//! nothing between receive and send. TCP, plain or under TLS, and queries that wait for a plugin, are served by tokio. All of them are
//! loops around the same [`Responder::respond`](cartonym_responder::Responder::respond). With the feature `xdp`, an
//! interface's queues can bring datagrams past the kernel's sockets, which stay open for what comes elsewhere.
//!
//! Linux only: receiving and sending in batches, and replying from the address asked, are its system calls.

mod background;
mod begun;
mod bind;
mod connection;
mod connections;
mod counters;
mod descriptors;
mod holder;
#[cfg(feature = "tls")]
mod https;
mod life;
mod limits;
mod listener;
mod moments;
mod proxies;
mod running;
mod server;
mod sys;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod udp;
#[cfg(feature = "xdp")]
mod xdp;

pub use bind::{Protocol, StartError};
pub use counters::{Counters, Traffic};
pub use holder::Holder;
pub use limits::{Limits, Patience};
pub use listener::Listener;
#[cfg(feature = "xdp")]
pub use listener::Xdp;
pub use proxies::{Others, Proxies};
pub use running::Running;
pub use server::{Reserved, Server};
#[cfg(feature = "tls")]
pub use tls::{ClientCertificates, Tls, TlsError, Unreadable};
