//! What is known of an instance, for people.

use std::io;
use std::time::Duration;

use cartonym_registry::{Timestamp, Verdict};

/// What is known of a checked instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What counts; [`Verdict::Unset`], which counts as healthy, as long as nothing spoke against it.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
    /// The last check that had a result.
    pub last: Option<Report>,
    /// The last check that failed.
    pub last_failure: Option<Report>,
    /// How many results in a row speak against the verdict.
    pub contrary: u16,
    /// How many it takes to change it.
    pub threshold: u16,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// What was wrong, if something was.
    pub failure: Option<Failure>,
}

/// What was wrong with a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It cannot be connected to.
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// It did not accept the connection in time.
    #[error("no connection in time")]
    ConnectTimeout,
    /// It did not agree on TLS.
    #[error("no TLS: {0}")]
    Tls(Box<str>),
    /// It did not answer in time, or not to the end of the head.
    #[error("no answer in time")]
    AnswerTimeout,
    /// It broke the connection off before the end of the answer's head.
    #[error("connection broken off: {0}")]
    Broken(io::ErrorKind),
    /// It does not speak HTTP/1.
    #[error("the answer is not HTTP/1")]
    NotHttp,
    /// The answer's head has more than 16 KiB, or more than a hundred fields.
    #[error("the answer's head is too long")]
    HeadTooLong,
    /// The answer's status is none of 200 to 399.
    #[error("status {0}")]
    Status(u16),
    /// The answer sends back to what was asked.
    #[error("redirected to itself")]
    RedirectLoop,
    /// The answer's body has more than 1 MiB.
    #[error("the answer's body is too long")]
    BodyTooLong,
}

impl Failure {
    /// Whether the target said nothing: who does so once may do so again.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::AnswerTimeout)
    }
}
