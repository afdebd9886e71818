//! What the operator decides.

use std::time::Duration;

/// How checks are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// From the start of a check to the start of the next one of the same instance, at least; up to a twentieth
    /// longer, so that checks do not fall into step. Below [`Options::MIN_INTERVAL`] it counts as that.
    pub interval: Duration,
    /// How long a target may take.
    pub limits: Limits,
    /// The most checks that run at a time. Targets that were silent have half of these places, and new ones a quarter,
    /// so that they keep no other waiting.
    pub running: usize,
    /// The most checks of one address and port that run at a time.
    pub running_per_target: usize,
    /// How long an HTTP connection is used again, where the target lets it be. A new one now and then finds the target
    /// that only keeps old ones; none is kept when the interval is longer than this.
    pub keep_alive: Duration,
    /// The most connections that are kept for the next check: each holds a descriptor of this process meanwhile.
    pub kept: usize,
    /// How long after a recovery a failure counts as flapping; `None` to let instances flap.
    ///
    /// Each such failure doubles the successes that the next recovery takes, up to sixteen times the threshold. To fail
    /// is never delayed.
    pub damping: Option<Duration>,
    /// How long an instance with a `CARTONYM_TTL` stays registered after it was not spoken for that long; `None` where
    /// this node is to say of nobody that it has fallen silent.
    pub grace: Option<Duration>,
}

/// How long a target may take; the defaults are Route 53's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// HTTP and HTTPS: until it is connected.
    pub connect: Duration,
    /// HTTP and HTTPS: from there to the end of the answer's head, TLS included.
    pub answer: Duration,
    /// TCP: until it is connected.
    pub tcp_connect: Duration,
}

impl Options {
    /// The shortest interval.
    pub const MIN_INTERVAL: Duration = Duration::from_millis(200);

    pub(crate) fn interval(&self) -> Duration {
        self.interval.max(Self::MIN_INTERVAL)
    }
}

impl Limits {
    /// The same limits, none above `most`: a short interval finds a silent target no sooner than its limits end.
    #[must_use]
    pub fn at_most(self, most: Duration) -> Self {
        Self {
            connect: self.connect.min(most),
            answer: self.answer.min(most),
            tcp_connect: self.tcp_connect.min(most),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            limits: Limits::default(),
            running: 4096,
            running_per_target: 4,
            keep_alive: Duration::from_secs(10),
            kept: 16_384,
            damping: None,
            grace: Some(Duration::from_secs(600)),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(4),
            answer: Duration::from_secs(2),
            tcp_connect: Duration::from_secs(10),
        }
    }
}
