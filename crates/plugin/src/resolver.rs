//! Asking this server's own chains: for a CNAME that leaves its zone, or an alias.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use cartonym_wire::{Name, Type};

use crate::BoxFuture;

/// Answers a question from within; implemented by whoever routes queries.
pub trait Resolve: Send + Sync {
    /// Resolves `name` as a client of the server would see it: a whole response message, or none where nothing
    /// came or the question went round more than 8 times.
    fn resolve(&self, name: &Name, qtype: Type, behalf: Behalf) -> BoxFuture<'static, Option<Vec<u8>>>;

    /// Whether any chain is for `name`: asking for another is not worth the while. Looks, and does not wait.
    fn serves(&self, _name: &Name) -> bool {
        true
    }
}

/// What a question from within has of the query that it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behalf {
    /// How many questions it is away from a client's.
    pub depth: u8,
    /// When the query came, since the Unix epoch.
    pub now: Duration,
    /// Chance of its own.
    pub random: u64,
}

/// A handle on this server's own chains, bounded against loops.
#[derive(Clone)]
pub struct Resolver {
    server: Weak<dyn Resolve>,
    behalf: Behalf,
}

impl Resolver {
    /// How deep one question may lead to another.
    pub const MAX_DEPTH: u8 = 8;

    /// A handle for a query that is `depth` questions away from a client's.
    pub fn new(server: Weak<dyn Resolve>, depth: u8) -> Resolver {
        Resolver { server, behalf: Behalf { depth, now: Duration::ZERO, random: 0 } }
    }

    /// The same, on behalf of a query that came at `now` with this chance.
    pub(crate) fn at(&self, now: Duration, random: u64) -> Resolver {
        Resolver { server: self.server.clone(), behalf: Behalf { now, random, ..self.behalf } }
    }

    /// Asks for `name`: a whole response message, or none where nothing came.
    pub fn resolve(&self, name: &Name, qtype: Type) -> BoxFuture<'static, Option<Vec<u8>>> {
        match self.server.upgrade() {
            Some(server) if self.behalf.depth < Self::MAX_DEPTH => {
                server.resolve(name, qtype, self.behalf.next())
            }
            _ => Box::pin(std::future::ready(None)),
        }
    }

    /// Whether this server has a chain for `name`, and the question has not gone round too often.
    pub fn serves(&self, name: &Name) -> bool {
        self.behalf.depth < Self::MAX_DEPTH && self.server.upgrade().is_some_and(|server| server.serves(name))
    }
}

impl Behalf {
    /// That of the next question: what one chooses says nothing of what the next does.
    fn next(self) -> Behalf {
        let random = self.random.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
        Behalf { depth: self.depth + 1, random, ..self }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolver {{ depth: {} }}", self.behalf.depth)
    }
}
