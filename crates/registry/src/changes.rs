//! What changes in the model, told to those who derive something from it.

use std::mem;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{InstanceId, ServiceId, Touched};

/// What changes in a registry's model, as one follower sees it.
///
/// What it has not yet taken is kept as a set and not as a queue, so a slow follower holds at most one note of each
/// thing that changed.
#[derive(Debug)]
pub struct Changes(Arc<Pending>);

impl Changes {
    /// Returns what was touched since it last did, when something was; at first, everything.
    ///
    /// What it tells is published: the model has it, and DNS answers it. Nothing is lost if it is dropped while waiting.
    pub async fn next(&mut self) -> Touched {
        loop {
            let touched = mem::take(&mut *self.0.touched.lock());
            if !touched.is_empty() {
                return touched;
            }
            self.0.wake.notified().await;
        }
    }
}

/// Those who follow a registry's changes.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    /// Guards a list of few, which changes when one comes or has gone.
    each: Mutex<Vec<Weak<Pending>>>,
}

impl Followers {
    pub(crate) fn follow(&self) -> Changes {
        let touched = Mutex::new(Touched { all: true, ..Touched::default() });
        let pending = Arc::new(Pending { touched, wake: Notify::new() });
        self.each.lock().push(Arc::downgrade(&pending));
        Changes(pending)
    }

    pub(crate) fn tell(&self, touched: &Touched) {
        self.note(|pending| pending.merge(touched));
    }

    /// Tells that somebody spoke for an instance, though nothing changed by it.
    pub(crate) fn tell_heard(&self, service: ServiceId, instance: &InstanceId) {
        self.note(|pending| _ = pending.heard.entry(service).or_default().insert(instance.clone()));
    }

    fn note(&self, mut note: impl FnMut(&mut Touched)) {
        self.each.lock().retain(|follower| {
            let Some(pending) = follower.upgrade() else { return false };
            note(&mut pending.touched.lock());
            pending.wake.notify_one();
            true
        });
    }
}

#[derive(Debug)]
struct Pending {
    /// Guards what the publisher adds to and the follower takes whole.
    touched: Mutex<Touched>,
    wake: Notify,
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn touched(id: &str) -> Touched {
        let mut touched = Touched::default();
        touched.heard.entry(ServiceId::derive(&["s"])).or_default().insert(id.parse().unwrap());
        touched
    }

    #[test]
    fn everything_comes_first_and_then_what_was_told() {
        let followers = Followers::default();
        let mut changes = followers.follow();
        assert!(changes.next().now_or_never().unwrap().all);
        assert!(changes.next().now_or_never().is_none());
        followers.tell(&touched("a"));
        followers.tell(&touched("b"));
        let heard = changes.next().now_or_never().unwrap().heard;
        assert_eq!(heard.values().next().unwrap().len(), 2);
        assert!(changes.next().now_or_never().is_none());
    }

    #[test]
    fn a_follower_that_is_gone_is_forgotten() {
        let followers = Followers::default();
        drop(followers.follow());
        followers.tell(&touched("a"));
        assert!(followers.each.lock().is_empty());
    }
}
