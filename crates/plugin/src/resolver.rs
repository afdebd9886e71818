//! Asking this server's own chains: for a CNAME that leaves its zone, or an alias.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use cartonym_wire::{Flags, Name, Type};

use crate::{BoxFuture, Client, Query, Transport};

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

/// What a question from within has of the query that it is asked for: all that decides which chain is for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behalf {
    /// How many questions it is away from a client's.
    pub depth: u8,
    /// Who asked that, and how.
    pub client: Client,
    /// The id of what was asked.
    pub id: u16,
    /// Whether signatures are not to be checked: [`Flags::CD`].
    pub checking_disabled: bool,
    /// What the client takes, if it said so.
    pub takes: Option<Takes>,
    /// The number of the route that is to answer, whatever its views say; if there is none, the views decide.
    pub route: Option<usize>,
    /// When the query came, since the Unix epoch.
    pub now: Duration,
    /// Chance of its own.
    pub random: u64,
}

/// What a client says in its OPT record that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// Octets of a datagram.
    pub udp_size: u16,
    /// Whether it wants DNSSEC's records.
    pub dnssec_ok: bool,
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

    /// A handle for the queries of clients.
    pub fn new(server: Weak<dyn Resolve>) -> Resolver {
        let behalf = Behalf {
            depth: 0,
            client: Client::INTERNAL,
            id: 0,
            checking_disabled: false,
            takes: None,
            route: None,
            now: Duration::ZERO,
            random: 0,
        };
        Resolver::within(server, behalf)
    }

    /// A handle for a question from within.
    pub fn within(server: Weak<dyn Resolve>, behalf: Behalf) -> Resolver {
        Resolver { server, behalf }
    }

    /// The same, on behalf of this query.
    pub(crate) fn of(&self, query: &Query<'_>) -> Resolver {
        let takes = query.edns().map(|edns| Takes { udp_size: edns.udp_size, dnssec_ok: edns.dnssec_ok });
        let behalf = Behalf {
            depth: self.behalf.depth,
            client: Client { transport: query.asked_over(), ..query.client() },
            id: query.id(),
            checking_disabled: query.flags().has(Flags::CD),
            takes,
            route: None,
            now: query.now(),
            random: query.random(),
        };
        Resolver { server: self.server.clone(), behalf }
    }

    /// Asks the route of this number, and no other, from here on: whatever its views would say.
    pub fn by(mut self, route: usize) -> Resolver {
        self.behalf.route = Some(route);
        self
    }

    /// How the client's query came that is behind one which came by `transport`.
    pub(crate) fn asked_over(&self, transport: Transport) -> Transport {
        if transport == Transport::Internal { self.behalf.client.transport } else { transport }
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
