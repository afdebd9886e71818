//! Checks over the network.

use std::time::Duration;

use cartonym_registry::HealthCheckType;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::http::{self, Answer};
use super::stream::{self, Kept, Stream, Trouble};
use super::{Check, Outcome, Probed, Prober, Target};
use crate::{Failure, Limits, Options};

/// Checks targets over the network.
#[derive(Clone)]
pub(crate) struct Network {
    limits: Limits,
    /// How long a connection is used again, if at all.
    keep: Option<Duration>,
    tls: TlsConnector,
}

impl Network {
    pub(crate) fn new(options: &Options) -> Self {
        let keep = Some(options.keep_alive).filter(|keep| *keep > options.interval());
        Self { limits: options.limits, keep, tls: stream::tls() }
    }

    async fn tcp(&self, target: &Target) -> Result<(), Trouble> {
        stream::connect(target.address, Instant::now() + self.limits.tcp_connect).await.map(drop)
    }

    async fn http(&self, target: &Target, kept: Option<Kept>) -> Result<Option<Kept>, Trouble> {
        let request = http::request(target, self.keep.is_some());
        if let Some(mut kept) = kept.and_then(Kept::take) {
            let end = Instant::now() + self.limits.answer;
            match self.ask(&mut kept.stream, &request, end).await {
                // It was closed while it was at rest, which says nothing: ask again.
                Err(Trouble::Failure(Failure::Broken(_))) => {}
                Err(trouble) => return Err(trouble),
                Ok(answer) => return judge(answer, target, kept, end).await,
            }
        }
        let tcp = stream::connect(target.address, Instant::now() + self.limits.connect).await?;
        let connected = Instant::now();
        let end = connected + self.limits.answer;
        let mut stream = match target.check.kind {
            HealthCheckType::Https => {
                let work = Stream::secure(&self.tls, tcp, &target.check.host);
                stream::until(end, Failure::AnswerTimeout, work).await?
            }
            _ => Stream::Plain(tcp),
        };
        let answer = self.ask(&mut stream, &request, end).await?;
        let kept = Kept { stream, until: connected + self.keep.unwrap_or_default() };
        judge(answer, target, kept, end).await
    }

    async fn ask(&self, stream: &mut Stream, request: &[u8], end: Instant) -> Result<Answer, Trouble> {
        stream::until(end, Failure::AnswerTimeout, http::ask(stream, request)).await
    }
}

impl Prober for Network {
    async fn probe(self, target: Target, kept: Option<Kept>) -> Probed {
        let Check { kind, .. } = *target.check;
        let result = match kind {
            HealthCheckType::Tcp => self.tcp(&target).await.map(|()| None),
            HealthCheckType::Http | HealthCheckType::Https => self.http(&target, kept).await,
        };
        match result {
            Ok(kept) => Probed { outcome: Outcome::Passed, kept },
            Err(Trouble::Failure(failure)) => Probed { outcome: Outcome::Failed(failure), kept: None },
            Err(Trouble::Ours) => Probed { outcome: Outcome::Inconclusive, kept: None },
        }
    }
}

/// The connection, if the answer is good; and to be used again, if the answer has come whole.
async fn judge(
    answer: Answer,
    target: &Target,
    mut kept: Kept,
    end: Instant,
) -> Result<Option<Kept>, Trouble> {
    if !(200..400).contains(&answer.status) {
        return Err(Trouble::Failure(Failure::Status(answer.status)));
    }
    if answer.location.as_deref().is_some_and(|location| http::leads_back(location, target)) {
        return Err(Trouble::Failure(Failure::RedirectLoop));
    }
    match timeout_at(answer.worth_waiting(end), answer.finish(&mut kept.stream)).await {
        Ok(Err(failure)) => Err(Trouble::Failure(failure)),
        Ok(Ok(true)) if Instant::now() < kept.until => Ok(Some(kept)),
        // A body that does not end in time says nothing against the status.
        Ok(Ok(_)) | Err(_) => Ok(None),
    }
}
