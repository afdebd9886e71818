//! Asking this server's own chains: for a CNAME that leaves its zone, or an alias.

use std::fmt;
use std::sync::Weak;

use cartonym_wire::{Name, Type};

use crate::BoxFuture;

/// Answers a question from within; implemented by whoever routes queries.
pub trait Resolve: Send + Sync {
    /// Resolves `name` as a client of the server would see it: a whole response message, or none where nothing
    /// came or the question went round more than 8 times.
    fn resolve(&self, name: &Name, qtype: Type, depth: u8) -> BoxFuture<'static, Option<Vec<u8>>>;
}

/// A handle on this server's own chains, bounded against loops.
#[derive(Clone)]
pub struct Resolver {
    server: Weak<dyn Resolve>,
    depth: u8,
}

impl Resolver {
    /// How deep one question may lead to another.
    pub const MAX_DEPTH: u8 = 8;

    /// A handle for a query that is `depth` questions away from a client's.
    pub fn new(server: Weak<dyn Resolve>, depth: u8) -> Resolver {
        Resolver { server, depth }
    }

    /// Asks for `name`: a whole response message, or none where nothing came.
    pub fn resolve(&self, name: &Name, qtype: Type) -> BoxFuture<'static, Option<Vec<u8>>> {
        match self.server.upgrade() {
            Some(server) if self.depth < Self::MAX_DEPTH => server.resolve(name, qtype, self.depth + 1),
            _ => Box::pin(std::future::ready(None)),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolver {{ depth: {} }}", self.depth)
    }
}
