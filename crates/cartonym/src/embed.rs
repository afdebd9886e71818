//! A server in a few lines, for programs that have one inside.

use std::error::Error;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use cartonym_responder::{Chain, Responder};
use cartonym_server::{Running, StartError};
use cartonym_wire::{NameBuf, NameError};

/// A DNS server in the making: addresses to listen on, and zones that are answered on all of them.
#[derive(Debug, Default)]
pub struct Server {
    addresses: Vec<String>,
    zones: Vec<(String, Chain)>,
}

/// Why a server does not start.
///
/// Its `Debug` is for people, too: a `main` that returns it prints it so.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The text is no address with a port.
    #[error("`{address}` is no address with a port, such as 127.0.0.1:5353")]
    Address {
        /// As given.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no zone's name.
    #[error("`{zone}` is no domain name")]
    Zone {
        /// As given.
        zone: String,
        /// Why.
        source: NameError,
    },
    /// An address is not to be had.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Server {
    /// A server that listens nowhere, and answers nothing.
    pub fn new() -> Server {
        Server::default()
    }

    /// Listens on `address`, such as `127.0.0.1:5353`, over UDP and TCP. Port 0 takes one that is free.
    pub fn listen(mut self, address: impl Into<String>) -> Server {
        self.addresses.push(address.into());
        self
    }

    /// Answers names that are `zone` or below it with `chain`; the longest zone wins.
    pub fn zone(mut self, zone: impl Into<String>, chain: Chain) -> Server {
        self.zones.push((zone.into(), chain));
        self
    }

    /// Binds every address and serves, on threads of its own and the tokio runtime this is called from.
    ///
    /// # Errors
    ///
    /// [`ServerError`]; nothing listens then.
    pub fn start(self) -> Result<Running, ServerError> {
        let mut responder = Responder::builder();
        for (zone, chain) in self.zones {
            let name: NameBuf = zone.parse().map_err(|source| ServerError::Zone { zone, source })?;
            responder = responder.zone(&name, chain);
        }
        let responder = responder.build();
        let mut server = cartonym_server::Server::new();
        for address in self.addresses {
            for address in resolve(address)? {
                server = server.listen(address, responder.clone());
            }
        }
        Ok(server.start()?)
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn resolve(address: String) -> Result<Vec<SocketAddr>, ServerError> {
    match address.to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(source) => Err(ServerError::Address { address, source }),
    }
}
