//! Service discovery and an authoritative DNS responder, to embed.
//!
//! ```no_run
//! use cartonym::{Chain, Records, Registry, Server};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let registry = Registry::in_memory();
//!     registry.register("web.svc.local", "web-1", "10.0.0.7:8080".parse()?).await?; // DNS answers it now
//!     let server = Server::new()
//!         .listen("127.0.0.1:5353")
//!         .zone("svc.local", Chain::new().then(Records::new(registry.table().clone())))
//!         .start()?;
//!     tokio::signal::ctrl_c().await?;
//!     server.shutdown().await;
//!     Ok(())
//! }
//! ```

mod embed;

pub use embed::{Server, ServerError};

pub use cartonym_backends as backends;
#[cfg(feature = "api")]
pub use cartonym_cloudmap as cloudmap;
pub use cartonym_corefile as corefile;
#[cfg(feature = "health")]
pub use cartonym_health as health;
pub use cartonym_plugin as plugin;
pub use cartonym_plugins as plugins;
pub use cartonym_registry as registry;
pub use cartonym_responder as responder;
pub use cartonym_server as server;
pub use cartonym_wire as wire;
pub use cartonym_zone as zone;

pub use cartonym_plugins::registry::Records;
pub use cartonym_registry::Registry;
pub use cartonym_responder::{Chain, Responder};
