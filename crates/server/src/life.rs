//! From serving to the end: what each thread and task of a server looks at, and by which its owner knows that it lives.

use std::convert::Infallible;

use tokio::sync::{mpsc, watch};

/// How far a server's shutdown is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum Phase {
    Serving,
    /// Nothing new is taken; what has begun is finished.
    Draining,
    /// What has not finished by now is given up.
    Ended,
}

/// One thread's or task's view of the phase. While any exists, the server is not done.
#[derive(Clone)]
pub(crate) struct Life {
    phase: watch::Receiver<Phase>,
    _alive: mpsc::Sender<Infallible>,
}

/// The owner's end.
pub(crate) struct Reaper {
    phase: watch::Sender<Phase>,
    alive: mpsc::Receiver<Infallible>,
    #[cfg(feature = "xdp")]
    token: mpsc::WeakSender<Infallible>,
}

/// A server's life, and who ends it.
pub(crate) fn begin() -> (Life, Reaper) {
    let (phase, seen) = watch::channel(Phase::Serving);
    let (token, alive) = mpsc::channel(1);
    let reaper = Reaper {
        phase,
        alive,
        #[cfg(feature = "xdp")]
        token: token.downgrade(),
    };
    (Life { phase: seen, _alive: token }, reaper)
}

impl Life {
    /// Whether it is time to stop taking new work; one atomic load.
    pub(crate) fn is_draining(&self) -> bool {
        self.phase.has_changed().unwrap_or(true)
    }

    /// Ends when it is time to stop taking new work.
    pub(crate) async fn draining(&mut self) {
        self.reaches(Phase::Draining).await;
    }

    /// Ends when it is time to give up.
    pub(crate) async fn ended(&mut self) {
        self.reaches(Phase::Ended).await;
    }

    async fn reaches(&mut self, phase: Phase) {
        // An owner that is gone has ended its server.
        let _ = self.phase.wait_for(|now| *now >= phase).await;
    }
}

impl Reaper {
    /// For one more thread; none if all have ended.
    #[cfg(feature = "xdp")]
    pub(crate) fn life(&self) -> Option<Life> {
        Some(Life { phase: self.phase.subscribe(), _alive: self.token.upgrade()? })
    }

    /// Moves on to `phase`; never back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = *now < phase;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// Ends when the last thread and task has.
    pub(crate) async fn all_done(&mut self) {
        self.alive.recv().await;
    }
}
