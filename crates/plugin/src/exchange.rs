//! What this server asks others, for those who want to hear of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Transport;

/// A question to another server, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Who was asked.
    pub server: SocketAddr,
    /// How.
    pub transport: Transport,
    /// How long it took, up to now.
    pub took: Duration,
    /// The query, as it was sent.
    pub query: &'a [u8],
    /// The response, as it came; none if none did.
    pub response: Option<&'a [u8]>,
}

/// Hears of exchanges.
pub trait Listener: Send + Sync {
    /// One is over. Must come back at once.
    fn hear(&self, exchange: &Exchange<'_>);
}

/// Those who hear what the plugins of a server block ask other servers; in common to its plugins
/// ([`Setup::in_block`](crate::Setup::in_block)).
#[derive(Default)]
pub struct Listeners(
    // Taken while configuring only.
    Mutex<Vec<Arc<dyn Listener>>>,
);

impl Listeners {
    /// Adds one.
    pub fn add(&self, listener: Arc<dyn Listener>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// All that there are: those whose plugins come before, in the order of execution.
    pub fn all(&self) -> Vec<Arc<dyn Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listeners", self.all().len())
    }
}
