//! Hears from another cartonym what changes there, so that nobody has to look often.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use cartonym_aws::PATIENCE;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::chance::Pace;
use crate::cloud::Cloud;
use crate::news::{Line, News, Touched};

/// Hears at `endpoint` what changes, for ever, as far as it tells.
pub(crate) async fn watch(endpoint: &str, cloud: &Cloud, news: &News) {
    let watching = Watching { connector: cartonym_aws::connector(endpoint), endpoint, cloud, news };
    let mut failing = Pace::new(RECONNECT);
    loop {
        let begin = Instant::now();
        let Err(error) = watching.hear().await;
        news.end();
        tracing::debug!(error = &error as &dyn Error, "the other side does not tell what changes");
        let wait = match error {
            WatchError::Nothing(_) => Pace::new(SELDOM).wait(),
            _ => {
                // What comes and goes is asked for as seldom as what does not come.
                let lasted = if begin.elapsed() > SILENCE { Ok(()) } else { Err(()) };
                failing.note(&lasted);
                failing.wait()
            }
        };
        tokio::time::sleep(wait).await;
    }
}

struct Watching<'a> {
    connector: SharedHttpConnector,
    endpoint: &'a str,
    cloud: &'a Cloud,
    news: &'a News,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error("it has no such stream: status {0}")]
    Nothing(u16),
    #[error("status {0}")]
    Refused(u16),
    #[error("it is away")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    #[error("it is silent")]
    Silent,
    #[error("it ended")]
    Ended,
    #[error("what it says makes no sense")]
    Nonsense(#[from] Nonsense),
}

/// Why a line is none.
#[derive(Debug, thiserror::Error)]
enum Nonsense {
    #[error("a line has no end")]
    Endless,
    #[error("a line is no JSON")]
    Json(#[from] serde_json::Error),
    #[error("a line has no revision")]
    NoRevision,
    #[error("a line names no services")]
    NoServices,
    #[error("`{0}` is no id of a service")]
    Service(Value),
}

impl Watching<'_> {
    /// Takes note of what is told, until the stream breaks: it has no good end.
    async fn hear(&self) -> Result<Infallible, WatchError> {
        let mut body = self.open().await?.into_body();
        let mut lines = Lines::default();
        let mut has_begun = false;
        loop {
            let frame = timeout(SILENCE, body.frame()).await.map_err(|_| WatchError::Silent)?;
            let frame = frame.ok_or(WatchError::Ended)?.map_err(WatchError::Away)?;
            // What is no data are trailers.
            let Ok(part) = frame.into_data() else { continue };
            for line in lines.take(&part)? {
                // A beginning says that it may be anything, whatever the first line does.
                match has_begun {
                    true => self.news.add(line),
                    false => self.news.begin(),
                }
                has_begun = true;
            }
        }
    }

    async fn open(&self) -> Result<HttpResponse, WatchError> {
        let url = format!("{}/changes", self.endpoint.trim_end_matches('/'));
        let call = async { Ok(self.connector.call(self.cloud.get(&url).await?).await?) };
        let response = timeout(PATIENCE, call).await.map_err(|_| WatchError::Silent)?;
        let response = response.map_err(WatchError::Away)?;
        let status = response.status().as_u16();
        match (status, response.headers().get("content-type")) {
            (200, Some(JSON_LINES)) => Ok(response),
            (200 | 404 | 405 | 501, _) => Err(WatchError::Nothing(status)),
            _ => Err(WatchError::Refused(status)),
        }
    }
}

/// Lines out of parts of any length.
#[derive(Default)]
struct Lines {
    /// The beginning of a line: shorter than [`LONGEST_LINE`].
    begun: Vec<u8>,
}

impl Lines {
    /// The lines that `part` completes.
    fn take(&mut self, part: &[u8]) -> Result<Vec<Line>, Nonsense> {
        let mut complete = Vec::new();
        for piece in part.split_inclusive(|octet| *octet == b'\n') {
            if self.begun.len() + piece.len() > LONGEST_LINE {
                return Err(Nonsense::Endless);
            }
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                complete.push(read(&self.begun)?);
                self.begun.clear();
            }
        }
        Ok(complete)
    }
}

fn read(line: &[u8]) -> Result<Line, Nonsense> {
    let line: Value = serde_json::from_slice(line)?;
    if !line["revision"].is_u64() {
        return Err(Nonsense::NoRevision);
    }
    if line["all"] == true {
        return Ok(Line { touched: Touched::All, listing: true });
    }
    let services = line["services"].as_array().ok_or(Nonsense::NoServices)?;
    let service = |id: &Value| {
        let parsed = id.as_str().and_then(|id| id.parse().ok());
        parsed.ok_or_else(|| Nonsense::Service(id.clone()))
    };
    let services = services.iter().map(service).collect::<Result<_, _>>()?;
    Ok(Line { touched: Touched::These(services), listing: line["listing"] == true })
}

/// What a stream is.
const JSON_LINES: &str = "application/jsonl";
/// More than the longest line of a cartonym.
const LONGEST_LINE: usize = 64 << 10;
/// Three times as long as a cartonym is silent.
const SILENCE: Duration = Duration::from_secs(30);
/// Half of the first wait after a stream broke.
const RECONNECT: Duration = Duration::from_millis(500);
/// The wait after which somebody who has no stream may have one: another program, perhaps.
const SELDOM: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_whatever_parts() {
        let text = b"{\"revision\":1,\"all\":true}\n\
                     {\"revision\":2,\"services\":[\"srv-abcdefghijklmnop\"],\"listing\":true}\n\
                     {\"revision\":3,\"services\":[]}\n{";
        let all = Line { touched: Touched::All, listing: true };
        let services = ["srv-abcdefghijklmnop".parse().unwrap()].into();
        let some = Line { touched: Touched::These(services), listing: true };
        let expected = [all, some, Line { touched: Touched::none(), listing: false }];
        for len in 1..=text.len() {
            let mut lines = Lines::default();
            let taken: Vec<Line> = text.chunks(len).flat_map(|part| lines.take(part).unwrap()).collect();
            assert_eq!(taken, expected);
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        let said = |text: &str| Lines::default().take(text.as_bytes()).unwrap_err();
        assert!(matches!(said("hello\n"), Nonsense::Json(_)));
        assert!(matches!(said("\n"), Nonsense::Json(_)));
        assert!(matches!(said("[]\n"), Nonsense::NoRevision));
        assert!(matches!(said("{\"revision\":1}\n"), Nonsense::NoServices));
        assert!(matches!(said("{\"revision\":1,\"services\":[7]}\n"), Nonsense::Service(_)));
        assert!(matches!(said("{\"revision\":1,\"services\":[\"ns-x\"]}\n"), Nonsense::Service(_)));
        assert!(matches!(said(&" ".repeat(LONGEST_LINE + 1)), Nonsense::Endless));
    }
}
