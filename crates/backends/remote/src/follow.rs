//! Three loops: one lists namespaces and services, which is dear; one, in `looking`, looks at the instances of those; and one, in
//! `watching`, hears when there is something to look at, where the other side tells.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cartonym_registry::Mirror;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Options;
use crate::chance::Pace;
use crate::cloud::{CallError, Cloud};
use crate::listing::Listing;
use crate::looking::Looking;
use crate::news::News;
use crate::watching;

/// Keeps `mirror` what the other side is, for ever.
pub(crate) async fn follow(options: Options, mirror: Arc<Mirror>) {
    let cloud = Cloud::new(&options).await;
    let (tell, heard) = watch::channel(Heard::default());
    let news = News::default();
    let looking = Looking::new(&cloud, &mirror, &news, options.poll());
    let watching = async {
        if let Some(endpoint) = options.endpoint.as_deref().filter(|_| !options.is_aws()) {
            watching::watch(endpoint, &cloud, &news).await;
        }
    };
    tokio::join!(list(&cloud, &options, &tell, &news), looking.run(heard), watching);
}

/// Why the other side is not followed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum FollowError {
    #[error("the other side does not answer")]
    Call(#[source] Arc<CallError>),
    #[error("the service {0} cannot be looked at")]
    Service(String, #[source] Arc<CallError>),
    #[error("the other side has no namespace, and had some before: they stay; see `allow_empty`")]
    Empty,
}

/// What was last listed, and what is wrong with listing since.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) listing: Option<Arc<Listing>>,
    pub(crate) problem: Option<FollowError>,
}

/// Lists namespaces and services again and again, and at once when there is `news` of them.
async fn list(cloud: &Cloud, options: &Options, tell: &watch::Sender<Heard>, news: &News) {
    // Until something is listed there is nothing else to ask for.
    let mut pace = Pace::new(options.poll());
    loop {
        let begin = Instant::now();
        let asked = Listing::ask(cloud, &options.namespaces).await;
        // Of many services a listing is dear: then it is not begun again as soon as something is told.
        let together = TOGETHER.max(begin.elapsed() * REST);
        let asked = asked.map_err(|error| FollowError::Call(Arc::new(error)));
        let asked = asked.and_then(|listing| {
            let had_some = tell.borrow().listing.as_ref().is_some_and(|before| !before.namespaces.is_empty());
            match listing.namespaces.is_empty() && had_some && !options.allow_empty {
                true => Err(FollowError::Empty),
                false => Ok(listing),
            }
        });
        pace.note(&asked);
        let is_followed = asked.is_ok();
        if is_followed {
            pace = Pace::new(options.listing());
        }
        // Who has no time for a start may have it soon.
        let is_busy =
            matches!(&asked, Err(FollowError::Call(error)) if matches!(**error, CallError::Throttled { .. }));
        if !is_busy || tell.borrow().listing.is_some() || pace.failures() >= START_FAILURES {
            tell.send_if_modified(|heard| heard.take(asked));
        }
        let wait = if is_followed { usual(&pace, news) } else { pace.wait() };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = async { tokio::time::sleep(together).await; news.listing(is_followed).await } => {}
        }
    }
}

/// The wait where all is well: a long one where the other side tells what changes.
pub(crate) fn usual(pace: &Pace, news: &News) -> Duration {
    let wait = pace.wait();
    if news.is_told() { wait.max(Pace::new(TOLD).wait()) } else { wait }
}

impl Heard {
    /// Whether that is news.
    fn take(&mut self, asked: Result<Listing, FollowError>) -> bool {
        match asked {
            Ok(listing) => {
                let was_well = self.problem.take().is_none();
                if was_well && self.listing.as_deref() == Some(&listing) {
                    return false;
                }
                let before = self.listing.as_ref().map(|before| &before.refused);
                warn_of(&listing.refused, before);
                self.listing = Some(Arc::new(listing));
                true
            }
            Err(problem) => self.problem.replace(problem).is_none(),
        }
    }
}

/// Says what is left out, if it was not `before`.
fn warn_of(refused: &BTreeSet<String>, before: Option<&BTreeSet<String>>) {
    warn_once(refused.iter().filter(|what| before.is_none_or(|before| !before.contains(*what))));
}

/// Says the first of what is not followed, and how many more there are: there may be thousands of one kind.
pub(crate) fn warn_once<'a>(mut news: impl Iterator<Item = &'a String>) {
    if let Some(first) = news.next() {
        tracing::warn!(more = news.count(), "not followed: {first}");
    }
}

/// The wait between two looks at what the other side tells of by itself: a net below what is told.
const TOLD: Duration = Duration::from_secs(30);
/// The wait in which what changes one after the other is looked at together: a change seldom comes alone.
pub(crate) const TOGETHER: Duration = Duration::from_millis(50);
/// How many times as long as a listing took none follows for what is told.
const REST: u32 = 4;
/// How often something may fail, one time after the other, before a start is told of it.
pub(crate) const START_FAILURES: u32 = 4;
