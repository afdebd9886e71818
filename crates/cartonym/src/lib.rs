//! Service discovery and an authoritative DNS responder, to embed.
//!
#![cfg_attr(all(feature = "server", feature = "registry"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "server", feature = "registry")), doc = "```ignore")]
//! use cartonym::{Chain, Records, Registry, Server};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let registry = Registry::in_memory();
//!     registry.register("web.svc.local", "web-1", "10.0.0.7:8080".parse()?).await?; // DNS answers it now
//!     let server = Server::new()
//!         .listen("127.0.0.1:5353")
//!         .zone("svc.local", Chain::new().then(Records::of(&registry)))
//!         .start()?;
//!     tokio::signal::ctrl_c().await?;
//!     server.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! Without any there is [`responder`]: bytes in, bytes out, for a program with an event loop of its own. It brings no
//! runtime, no socket and no plugin.
//!
//! | feature | what | brings |
//! |---|---|---|
//! | `server` | `Server`: UDP and TCP on threads of its own; on by default | tokio |
//! | `tls` | `server::Tls`: the same under TLS, and over HTTPS | rustls, hyper |
//! | `xdp` | `server::Xdp`: datagrams past the kernel's sockets (AF_XDP) | xdp |
//! | `records` | `Records` and `zone`: answers from a table of zones that the program writes | |
//! | `registry` | `Registry`: instances that are registered and answered; on by default | tokio |
//! | `cache` | `Cache`: responses kept for their time to live | |
//! | `forward` | `Forward`: what other servers say | tokio |
//! | `plugins` | `plugins`: every plugin, and Corefiles that ask for them | tokio |
//! | `embedded` | `backends::embedded`: a registry in one crash-safe file | redb |
//! | `etcd` | `backends::etcd`: a registry in etcd, for several nodes | hyper |
//! | `file` | `backends::file`: a registry that a YAML or JSON file says | serde-saphyr |
//! | `remote` | `backends::remote`: a registry that another Cloud Map keeps | AWS's SDK |
//! | `route53` | `plugins::route53`: answers from hosted zones of AWS Route 53 | AWS's SDK |
//! | `api` | `cloudmap`: the AWS Cloud Map API over HTTP | hyper |
//! | `health` | `health`: active checks of a registry's instances | tokio |

//!
//! # What is stable
//!
//! Nothing is before 1.0; a change of what is public says in the changelog what to write instead. What stands at the root of
//! this crate, and [`plugin`], changes last; what the modules re-export is as stable as the crates they are. The form of
//! what is kept on disk, the Corefile and the names of metrics do not change without a way over.

#[cfg(feature = "server")]
mod embed;

#[cfg(feature = "server")]
pub use embed::{Server, ServerError};

#[cfg(any(feature = "embedded", feature = "etcd", feature = "file", feature = "remote"))]
pub use cartonym_backends as backends;
#[cfg(feature = "api")]
pub use cartonym_cloudmap as cloudmap;
pub use cartonym_corefile as corefile;
#[cfg(feature = "health")]
pub use cartonym_health as health;
pub use cartonym_plugin as plugin;
#[cfg(feature = "plugins")]
pub use cartonym_plugins as plugins;
#[cfg(feature = "registry")]
pub use cartonym_registry as registry;
pub use cartonym_responder as responder;
#[cfg(feature = "server")]
pub use cartonym_server as server;
pub use cartonym_wire as wire;
#[cfg(feature = "records")]
pub use cartonym_zone as zone;

#[cfg(feature = "cache")]
pub use cartonym_plugin_cache::Cache;
#[cfg(feature = "forward")]
pub use cartonym_plugin_forward::Forward;
#[cfg(feature = "records")]
pub use cartonym_plugin_registry::Records;
#[cfg(feature = "registry")]
pub use cartonym_registry::Registry;
pub use cartonym_responder::{Chain, Responder};
