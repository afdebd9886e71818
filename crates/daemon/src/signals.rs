//! What a daemon is told by signals.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Result;
use crate::failure::Failure;

/// The signals that mean something; listened to before anybody is told that there is a daemon.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    reload: Signal,
    /// Whether the configuration is to be read again as soon as there is one.
    is_reload_owed: bool,
    // Terminals that close must not end a daemon, and CoreDNS's upgrade in place is no reason to end either.
    _ignored: [Signal; 2],
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Read the configuration again.
    Reload,
    /// End, and answer everybody before: SIGINT and SIGTERM.
    Stop,
    /// End at once: SIGQUIT.
    Quit,
}

impl Signals {
    pub(crate) fn listen() -> Result<Signals> {
        let listen = |kind| signal(kind).map_err(|error| Failure::Start(error.to_string()));
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            quit: listen(SignalKind::quit())?,
            reload: listen(SignalKind::user_defined1())?,
            is_reload_owed: false,
            _ignored: [listen(SignalKind::hangup())?, listen(SignalKind::user_defined2())?],
        })
    }

    /// The next order.
    pub(crate) async fn next(&mut self) -> Order {
        if std::mem::take(&mut self.is_reload_owed) {
            return Order::Reload;
        }
        self.signal().await
    }

    async fn signal(&mut self) -> Order {
        tokio::select! {
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.terminate.recv() => Order::Stop,
            _ = self.quit.recv() => Order::Quit,
            _ = self.reload.recv() => Order::Reload,
        }
    }

    /// How the daemon is to end, when it is; never [`Order::Reload`], which is the next order then.
    pub(crate) async fn end(&mut self) -> Order {
        loop {
            match self.signal().await {
                Order::Reload => self.is_reload_owed = true,
                end => return end,
            }
        }
    }

    /// Ends when somebody has no patience with a daemon that stops: SIGINT or SIGQUIT.
    pub(crate) async fn impatience(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}
