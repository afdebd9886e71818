//! A query that waits: the same chain, run on when the promise is kept.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cartonym_plugin::{BoxFuture, Client, Deferred, Messages, OwnedQuery, Resumed, Stopwatch};
use cartonym_wire::{Ede, Edns, Options, Rcode};

use crate::adopt::adopt;
use crate::chain::{Chain, Progress};
use crate::faults::{Care, Fault, guard};
use crate::reply::{Ending, begin, end_first, fail, finish};
use crate::responder::Responder;

/// A query whose response a plugin has promised.
#[must_use]
pub struct Suspended {
    place: Place,
    chain: Chain,
    at: usize,
    query: OwnedQuery,
    promise: BoxFuture<'static, Resumed>,
    ending: Ending,
    timer: Option<Timer>,
}

/// Times a query that waits, for who wants to know.
pub struct Timer {
    pub(crate) stopwatch: Arc<dyn Stopwatch>,
    pub(crate) route: usize,
    /// The name of the one that promised.
    pub(crate) plugin: &'static str,
    /// Time since the Unix epoch.
    pub(crate) came: Duration,
}

/// What a suspended query came to.
#[must_use]
pub enum Reply {
    /// Send this message.
    Message(Vec<u8>),
    /// Send these messages, one after the other, over the stream.
    Stream(Messages),
    /// Say nothing.
    Nothing,
}

/// A place among the queries that may wait; given back when dropped.
struct Place(Arc<Responder>);

/// What a promise came to, seen from the loop.
enum Kept {
    Resumed(Resumed),
    Broken,
    Expired,
}

impl Suspended {
    pub(crate) fn new(
        responder: Arc<Responder>,
        chain: Chain,
        at: usize,
        query: OwnedQuery,
        deferred: Deferred,
        ending: Ending,
        timer: Option<Timer>,
    ) -> Suspended {
        Suspended {
            place: Place(responder),
            chain,
            at,
            query,
            promise: deferred.into_future(),
            ending,
            timer,
        }
    }

    /// What is to be stopped when the response is sent; none where nobody wants to know, or it was taken before.
    pub fn timer(&mut self) -> Option<Timer> {
        self.timer.take()
    }

    /// Who asked.
    pub fn client(&self) -> Client {
        self.query.client()
    }

    /// Runs the chain on until it comes to a reply; SERVFAIL if `deadline` comes first.
    pub async fn resume(mut self, deadline: impl Future<Output = ()>) -> Reply {
        let mut deadline = pin!(deadline);
        loop {
            let kept = keep(self.promise.as_mut(), deadline.as_mut()).await;
            let stepped = self.step(kept);
            let (next, reply) = match stepped {
                Ok(reply) => (Box::pin(std::future::pending()) as BoxFuture<'static, Resumed>, Some(reply)),
                Err(deferred) => (deferred.into_future(), None),
            };
            self.let_go(next);
            if let Some(reply) = reply {
                return reply;
            }
        }
    }

    /// Drops the promise, which is the plugin's code as well, for another.
    fn let_go(&mut self, next: BoxFuture<'static, Resumed>) {
        let promise = std::mem::replace(&mut self.promise, next);
        if guard(|| drop(promise)).is_none() {
            self.note(|fault| fault.panics += 1);
        }
    }

    fn note(&self, note: impl FnOnce(&mut Fault)) {
        self.place.0.faults().note(self.chain.name_at(self.at), note);
    }

    /// One round: what a promise came to leads to a reply, or to the next promise.
    fn step(&mut self, kept: Kept) -> Result<Reply, Deferred> {
        let kept = match kept {
            Kept::Resumed(Resumed::Drop) => return Ok(Reply::Nothing),
            Kept::Resumed(Resumed::Stream(messages)) => return Ok(self.stream(messages)),
            kept => kept,
        };
        match kept {
            Kept::Broken => self.note(|fault| fault.panics += 1),
            Kept::Expired => self.note(|fault| fault.expired += 1),
            Kept::Resumed(_) => {}
        }
        let responder = Arc::clone(&self.place.0);
        // Nobody waits for this thread.
        let care = Care { faults: responder.faults(), clock: None };
        let Ok(mut query) = self.query.view() else { return Ok(Reply::Nothing) };
        let edns = query.edns().copied();
        let limit = self.place.0.size_limit(query.client().transport, edns.as_ref());
        let reserved = self.ending.room(edns.is_some());
        let (mut out, mut options) = (vec![0; limit + reserved], Vec::new());
        let mut response = begin(query.message(), query.question(), limit, reserved, &mut options, &mut out);
        let progress = match kept {
            Kept::Resumed(Resumed::Next) => self.chain.run(self.at + 1, &mut query, &mut response, care),
            Kept::Resumed(Resumed::Answered(message)) => {
                if adopt(&message, &mut response).is_err() {
                    fail(&mut response, Rcode::SERVFAIL, Some(Ede::INVALID_DATA));
                }
                self.chain.finish(self.at, &query, &mut response, care);
                Progress::Answered
            }
            broken => {
                let expired = matches!(broken, Kept::Expired);
                let ede = if expired { Ede::NO_REACHABLE_AUTHORITY } else { Ede::OTHER };
                fail(&mut response, Rcode::SERVFAIL, Some(ede));
                self.chain.finish(self.at, &query, &mut response, care);
                Progress::Answered
            }
        };
        match progress {
            Progress::Answered => {}
            Progress::Dropped => return Ok(Reply::Nothing),
            Progress::Deferred(at, deferred) => {
                self.at = at;
                // What plugins have changed in the query holds for those that follow.
                let query = query.to_owned();
                self.query = query;
                return Err(deferred);
            }
        }
        let len = finish(&mut response, edns.as_ref(), &self.ending);
        let Some(len) = self.ending.sign(&mut out, len) else { return Ok(Reply::Nothing) };
        out.truncate(len);
        Ok(Reply::Message(out))
    }

    /// Many messages: OPT goes into the first, and each is signed where the query was. One without room for its
    /// signature ends them.
    fn stream(&mut self, mut messages: Messages) -> Reply {
        let plugin = self.chain.name_at(self.at);
        let Ok(query) = self.query.view() else { return Reply::Nothing };
        // Plugins that look at responses see that there is one; nobody has all of it in one place.
        let (mut out, mut options) = ([0; 512], Vec::new());
        let mut response = begin(query.message(), query.question(), 512, 0, &mut options, &mut out);
        response.set_authoritative(true);
        let responder = Arc::clone(&self.place.0);
        self.chain.finish(self.at, &query, &mut response, Care { faults: responder.faults(), clock: None });
        let mut first = query.edns().map(|edns| Edns { options: Options::new(&[]), ..*edns });
        let Ending { cookie, mut session, now, padded: _, keepalive: _ } = self.ending.clone();
        Reply::Stream(Box::new(std::iter::from_fn(move || {
            let Some(message) = guard(|| messages.next()) else {
                responder.faults().note(plugin, |fault| fault.panics += 1);
                // What was said is said; the client sees that it is not all.
                messages = Box::new(std::iter::empty());
                return None;
            };
            let mut message = message?;
            if let Some(edns) = first.take() {
                end_first(&mut message, &edns, cookie.as_ref());
            }
            if let Some(session) = &mut session {
                session.sign_vec(&mut message, now)?;
            }
            Some(message)
        })))
    }
}

/// Waits for the promise, or the deadline; a promise that panics is broken.
async fn keep(
    mut promise: Pin<&mut (dyn Future<Output = Resumed> + Send + 'static)>,
    mut deadline: Pin<&mut impl Future<Output = ()>>,
) -> Kept {
    poll_fn(|context| {
        match guard(|| promise.as_mut().poll(context)) {
            Some(Poll::Ready(resumed)) => return Poll::Ready(Kept::Resumed(resumed)),
            Some(Poll::Pending) => {}
            None => return Poll::Ready(Kept::Broken),
        }
        deadline.as_mut().poll(context).map(|()| Kept::Expired)
    })
    .await
}

impl Timer {
    /// Says that the response was sent at `now`, in time since the Unix epoch.
    pub fn stop(self, now: Duration) {
        let time = now.saturating_sub(self.came);
        self.stopwatch.took(self.route, 1, time);
        self.stopwatch.waited(self.plugin, time);
    }
}

impl Reply {
    /// The message, if the reply is a single one.
    pub fn into_message(self) -> Option<Vec<u8>> {
        match self {
            Reply::Message(message) => Some(message),
            Reply::Stream(_) | Reply::Nothing => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.resume();
    }
}

impl fmt::Debug for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspended").field("at", &self.at).field("query", &self.query).finish_non_exhaustive()
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("route", &self.route).field("came", &self.came).finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Message(message) => write!(f, "Message({} octets)", message.len()),
            Reply::Stream(_) => f.write_str("Stream"),
            Reply::Nothing => f.write_str("Nothing"),
        }
    }
}
