//! What the other side tells by itself, until somebody has looked.

use std::collections::HashSet;
use std::mem;

use cartonym_registry::ServiceId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What the other side tells by itself, until somebody has looked.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Guards what one adds to and another takes whole.
    untaken: Mutex<Untaken>,
    /// Wakes who looks at instances.
    instances: Notify,
    /// Wakes who lists namespaces and services, if all is well.
    listing: Notify,
    /// Wakes who lists, whatever is wrong.
    begun: Notify,
}

#[derive(Debug, Default)]
struct Untaken {
    /// Whether it tells at all: between the first line of a stream and its end.
    is_told: bool,
    /// Whether it has begun or ended to tell: what happened meanwhile is not known.
    has_turned: bool,
    touched: Touched,
}

/// The services whose instances may have changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    All,
    These(HashSet<ServiceId>),
}

/// What one line tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) touched: Touched,
    /// Whether namespaces or services themselves may have changed.
    pub(crate) listing: bool,
}

impl News {
    /// Takes note that the other side tells from now on what changes.
    pub(crate) fn begin(&self) {
        self.turn(true);
        self.begun.notify_one();
    }

    /// Takes note that the other side tells nothing any more.
    pub(crate) fn end(&self) {
        // Who lists seldom is to list as often as before.
        if self.turn(false) {
            self.listing.notify_one();
        }
    }

    pub(crate) fn add(&self, line: Line) {
        if line.listing {
            self.listing.notify_one();
        }
        self.untaken.lock().touched.merge(line.touched);
        self.instances.notify_one();
    }

    /// Whether the other side tells what changes.
    pub(crate) fn is_told(&self) -> bool {
        self.untaken.lock().is_told
    }

    /// Takes what there is, when there is something; unless all `is_well`, when it is told again or no more.
    pub(crate) async fn touched(&self, is_well: bool) -> Touched {
        loop {
            if let Some(touched) = self.untaken.lock().take(is_well) {
                return touched;
            }
            self.instances.notified().await;
        }
    }

    /// Waits until there may be other namespaces and services; unless all `is_well`, until it is told again.
    pub(crate) async fn listing(&self, is_well: bool) {
        tokio::select! {
            () = self.begun.notified() => {}
            () = self.listing.notified(), if is_well => {}
        }
    }

    /// Takes note that what was listed is not there.
    pub(crate) fn is_stale(&self) {
        self.listing.notify_one();
    }

    /// Whether that is another state.
    fn turn(&self, is_told: bool) -> bool {
        let has_turned = {
            let mut untaken = self.untaken.lock();
            let has_turned = untaken.is_told != is_told;
            untaken.is_told = is_told;
            untaken.has_turned |= has_turned;
            has_turned
        };
        self.instances.notify_one();
        has_turned
    }
}

impl Untaken {
    fn take(&mut self, is_well: bool) -> Option<Touched> {
        let touched = mem::take(&mut self.touched);
        if mem::take(&mut self.has_turned) {
            return Some(Touched::All);
        }
        if is_well && !touched.is_none() {
            return Some(touched);
        }
        self.touched = touched;
        None
    }
}

impl Touched {
    /// No service but those that are not known, or known otherwise.
    pub(crate) fn none() -> Touched {
        Touched::These(HashSet::new())
    }

    pub(crate) fn has(&self, service: ServiceId) -> bool {
        match self {
            Touched::All => true,
            Touched::These(services) => services.contains(&service),
        }
    }

    fn is_none(&self) -> bool {
        matches!(self, Touched::These(services) if services.is_empty())
    }

    fn merge(&mut self, later: Touched) {
        match (&mut *self, later) {
            (Touched::These(services), Touched::These(later)) => {
                services.extend(later);
                if services.len() > MOST_SERVICES {
                    *self = Touched::All;
                }
            }
            _ => *self = Touched::All,
        }
    }
}

impl Default for Touched {
    fn default() -> Self {
        Touched::none()
    }
}

/// Of more, all are looked at: the other side could tell of any number that it does not have.
const MOST_SERVICES: usize = 10_000;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn service(name: &str) -> ServiceId {
        format!("srv-{name:0>16}").parse().unwrap()
    }

    fn line(names: &[&str]) -> Line {
        Line { touched: Touched::These(names.iter().map(|name| service(name)).collect()), listing: false }
    }

    #[test]
    fn what_is_told_is_taken_once_and_together() {
        let news = News::default();
        assert!(news.touched(true).now_or_never().is_none());
        news.add(line(&["a"]));
        news.add(line(&["a", "b"]));
        assert_eq!(news.touched(true).now_or_never(), Some(line(&["a", "b"]).touched));
        assert!(news.touched(true).now_or_never().is_none());
        let many: Vec<String> = (0..=MOST_SERVICES).map(|number| number.to_string()).collect();
        news.add(line(&many.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(news.touched(true).now_or_never(), Some(Touched::All));
    }

    #[test]
    fn while_something_is_wrong_only_a_beginning_or_an_end_counts() {
        let news = News::default();
        news.add(line(&["a"]));
        news.is_stale();
        assert!(news.touched(false).now_or_never().is_none());
        assert!(news.listing(false).now_or_never().is_none());
        news.begin();
        assert!(news.is_told());
        assert_eq!(news.touched(false).now_or_never(), Some(Touched::All));
        assert!(news.listing(false).now_or_never().is_some());
        news.end();
        news.end();
        assert_eq!(news.touched(false).now_or_never(), Some(Touched::All));
        assert!(news.touched(true).now_or_never().is_none());
    }
}
