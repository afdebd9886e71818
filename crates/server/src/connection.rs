//! One connection: messages with their length before them, in and out (RFC 7766 §8).
//!
//! A turn reads what there is, answers every whole message in it, and writes all answers at once. It works on
//! memory of the thread; the connection itself holds only what is left over: the head of a message whose end has
//! not come, and answers that the client has not taken. An idle connection so holds nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwap;
use cartonym_plugin::{BoxFuture, Client, Messages};
use cartonym_responder::{Reply, Responder, Scratch, Suspended, Verdict};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::connections::Place;
use crate::counters::{Tally, Traffic};
use crate::life::Life;
use crate::limits::Limits;
use crate::moments::{self, Moments};
use crate::proxies::Proxies;

/// What all connections of a listener share.
pub(crate) struct Service {
    pub(crate) responder: Arc<ArcSwap<Responder>>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) limits: Limits,
    /// Who speaks for others; nobody if there is none.
    pub(crate) proxies: Option<Arc<Proxies>>,
}

/// What is said to a message that came alone.
#[cfg(feature = "tls")]
pub(crate) enum Answer {
    Now(Vec<u8>),
    Later(Box<Suspended>),
    Never,
}

/// One client's connection over any stream of octets.
pub(crate) struct Connection<S: AsyncWrite + Unpin> {
    stream: S,
    client: Client,
    place: Place,
    service: Arc<Service>,
    /// Octets read and not answered; begins with a message's length.
    input: Vec<u8>,
    /// Octets for the client to take.
    output: Output,
    /// Queries that wait for a plugin; answered in the order in which they are ready.
    waiting: FuturesUnordered<BoxFuture<'static, Reply>>,
    /// Responses of many messages, of which the first is being told.
    streams: VecDeque<Messages>,
    /// Messages received.
    received: u64,
    /// Whether more may come from the client.
    open: bool,
    /// Whether a message was finished or answered since the last [`Connection::mark`].
    moved: bool,
    times: Times,
}

/// Octets on their way to the client: those from `written` on.
#[derive(Default)]
struct Output {
    octets: Vec<u8>,
    written: usize,
    /// Octets written since [`Connection::mark`] last looked.
    taken: usize,
    /// Whether the stream itself may hold octets that the client has not taken, as one under TLS does.
    held: bool,
}

/// What the limits in time are measured from.
struct Times {
    born: Instant,
    /// Whether a whole message has come.
    spoken: bool,
    /// When a message was last finished or answered.
    active: Instant,
    /// When the message began whose end has not come.
    began: Option<Instant>,
    /// When the client last took a fair part of what is ready for it, while there is more.
    blocked: Option<Instant>,
}

/// A thread's own memory, shared by its connections turn by turn.
struct Desk {
    input: Box<[u8]>,
    pen: Pen,
}

/// What answers are written with, and onto.
struct Pen {
    output: Box<[u8]>,
    /// Octets of `output` in use.
    used: usize,
    scratch: Scratch,
    moments: Moments,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::new(Desk::new());
}

#[cfg(feature = "tls")]
impl Service {
    /// Answers a message that is not one of a stream's.
    pub(crate) fn answer(&self, message: &[u8], client: Client) -> Answer {
        let mut traffic = Traffic { received: 1, ..Traffic::default() };
        let responder = self.responder.load();
        let answer = DESK.with_borrow_mut(|Desk { pen: Pen { output, scratch, moments, .. }, .. }| {
            moments.tick();
            let answer = match responder.respond(scratch, message, client, moments.next(), output) {
                Verdict::Send(len) => {
                    output.get(..len).map_or(Answer::Never, |said| Answer::Now(said.to_vec()))
                }
                Verdict::Drop => Answer::Never,
                Verdict::Wait(suspended) => Answer::Later(suspended),
            };
            if scratch.is_timed() {
                responder.took(scratch, moments.elapsed());
            }
            answer
        });
        match answer {
            Answer::Now(_) => traffic.sent = 1,
            Answer::Later(_) => traffic.deferred = 1,
            Answer::Never => traffic.dropped = 1,
        }
        self.tally.add(&traffic);
        answer
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, client: Client, place: Place, service: Arc<Service>) -> Connection<S> {
        let now = Instant::now();
        Connection {
            stream,
            client,
            place,
            service,
            input: Vec::new(),
            output: Output::default(),
            waiting: FuturesUnordered::new(),
            streams: VecDeque::new(),
            received: 0,
            open: true,
            moved: false,
            times: Times { born: now, spoken: false, active: now, began: None, blocked: None },
        }
    }

    /// Counts its time from an earlier moment: when it was accepted, before it was found out whose it is, and under
    /// which keys.
    pub(crate) fn since(mut self, born: Instant) -> Connection<S> {
        self.times.born = born;
        self
    }

    /// Serves the client until it leaves, goes past a limit, or the server drains and all is answered.
    pub(crate) async fn run(self, mut life: Life) {
        // Dropped before `life`: when the server counts as done, its sockets are closed.
        let mut connection = self;
        let mut timer = pin!(sleep_until(connection.due()));
        let mut draining = pin!(life.draining());
        let mut serving = true;
        poll_fn(|context| {
            if serving && draining.as_mut().poll(context).is_ready() {
                serving = false;
            }
            // An error is the client's going; there is no one to tell.
            if let Poll::Ready(_gone) = connection.poll_serve(context, serving) {
                return Poll::Ready(());
            }
            connection.poll_overdue(context, timer.as_mut())
        })
        .await;
    }

    /// Does all that can be done now; ready when nothing is left to do, ever.
    fn poll_serve(&mut self, context: &mut Context<'_>, serving: bool) -> Poll<io::Result<()>> {
        loop {
            let emptied = self.output.poll_flush(&mut self.stream, context)?;
            self.moved |= emptied;
            let mut moved = self.collect(context);
            moved |= self.tell();
            moved |= self.exchange(context)?;
            self.moved |= moved;
            if !moved {
                break;
            }
        }
        self.mark();
        // What had come when the server began to drain has been read above.
        self.open &= serving;
        let answered = self.output.is_done() && self.waiting.is_empty() && self.streams.is_empty();
        if answered && !self.open { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Queues the replies that have become ready.
    fn collect(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.has_room()
            && let Poll::Ready(Some(reply)) = self.waiting.poll_next_unpin(context)
        {
            moved = true;
            match reply {
                Reply::Message(message) => self.queue(&message),
                Reply::Stream(messages) => self.streams.push_back(messages),
                Reply::Nothing => self.count(Traffic { dropped: 1, ..Traffic::default() }),
            }
        }
        moved
    }

    /// Queues the next messages of a long response, as far as there is room.
    fn tell(&mut self) -> bool {
        let mut moved = false;
        while self.has_room()
            && let Some(messages) = self.streams.front_mut()
        {
            moved = true;
            match messages.next() {
                Some(message) => self.queue(&message),
                None => drop(self.streams.pop_front()),
            }
        }
        moved
    }

    /// Answers what has been read, or else reads and answers; false if neither can be done now.
    fn exchange(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        if !self.has_room() || self.waiting.len() >= self.service.limits.pipelined {
            return Ok(false);
        }
        DESK.with_borrow_mut(|Desk { input, pen }| {
            pen.used = 0;
            if split_message(&self.input).is_some() {
                self.answer_input(pen);
            } else if !self.open || !self.read(input, pen, context)? {
                return Ok(false);
            }
            self.send(pen, context)?;
            Ok(true)
        })
    }

    /// Reads once, and answers what is whole; false if there is nothing to read.
    fn read(&mut self, room: &mut [u8], pen: &mut Pen, context: &mut Context<'_>) -> io::Result<bool> {
        let mut room = ReadBuf::new(room);
        let Poll::Ready(()) = Pin::new(&mut self.stream).poll_read(context, &mut room)? else {
            return Ok(false);
        };
        let octets = room.filled();
        if octets.is_empty() {
            // The client has said all it will; what it asked is still answered.
            self.open = false;
        } else if self.input.is_empty() {
            let answered = self.answer(pen, octets);
            self.input.extend_from_slice(octets.get(answered..).unwrap_or_default());
        } else {
            self.input.extend_from_slice(octets);
            self.answer_input(pen);
        }
        Ok(true)
    }

    /// Answers what waits in `input`.
    fn answer_input(&mut self, pen: &mut Pen) {
        let mut input = std::mem::take(&mut self.input);
        let answered = self.answer(pen, &input);
        input.drain(..answered);
        if !input.is_empty() {
            self.input = input;
        }
    }

    /// Answers the whole messages that `octets` begin with, as far as there is room; gives their length.
    fn answer(&mut self, pen: &mut Pen, octets: &[u8]) -> usize {
        let service = Arc::clone(&self.service);
        let limits = &service.limits;
        let responder = service.responder.load();
        let mut traffic = Traffic::default();
        let mut rest = octets;
        pen.moments.tick();
        while self.output.len() + pen.used < limits.queued
            && self.waiting.len() < limits.pipelined
            && self.received + traffic.received < limits.messages
            && let Some(room) = pen.output.get_mut(pen.used + PREFIX..).filter(|room| room.len() >= LONGEST)
            && let Some((message, after)) = split_message(rest)
        {
            rest = after;
            traffic.received += 1;
            match responder.respond(&mut pen.scratch, message, self.client, pen.moments.next(), room) {
                Verdict::Send(len) => {
                    traffic.sent += 1;
                    pen.frame(len);
                }
                Verdict::Drop => traffic.dropped += 1,
                Verdict::Wait(suspended) => {
                    traffic.deferred += 1;
                    self.waiting.push(Box::pin(resume(suspended, limits.deadline)));
                }
            }
        }
        if pen.scratch.is_timed() {
            responder.took(&mut pen.scratch, pen.moments.elapsed());
        }
        self.times.spoken |= traffic.received > 0;
        self.moved |= traffic.received > 0;
        self.received += traffic.received;
        self.count(traffic);
        if self.received >= limits.messages {
            self.open = false;
            return octets.len();
        }
        octets.len() - rest.len()
    }

    /// Writes what the pen has written, unless older answers wait; what the client does not take waits with them.
    fn send(&mut self, pen: &Pen, context: &mut Context<'_>) -> io::Result<()> {
        let mut octets = pen.output.get(..pen.used).unwrap_or_default();
        if self.output.is_empty() {
            let n = write(&mut self.stream, octets, context)?;
            octets = octets.get(n..).unwrap_or_default();
            self.output.held |= n > 0;
        }
        self.output.push(octets);
        self.output.poll_release(&mut self.stream, context)
    }

    /// Queues one message with its length before it.
    fn queue(&mut self, message: &[u8]) {
        // A message that has no length for its prefix is a plugin's mistake.
        let Ok(len) = u16::try_from(message.len()) else {
            self.count(Traffic { dropped: 1, ..Traffic::default() });
            return;
        };
        self.output.push(&len.to_be_bytes());
        self.output.push(message);
        self.count(Traffic { sent: 1, ..Traffic::default() });
    }

    /// Notes what the limits in time are measured from, and whether another may have the place.
    fn mark(&mut self) {
        let now = Instant::now();
        let (moved, taken) = (std::mem::take(&mut self.moved), self.output.taken);
        let times = &mut self.times;
        // The end of one message is the beginning of the next, if that has begun.
        let began = if moved { None } else { times.began };
        times.began = (!self.input.is_empty()).then(|| began.unwrap_or(now));
        let blocked = if taken >= FAIR_PART { None } else { times.blocked };
        times.blocked = (!self.output.is_done()).then(|| blocked.unwrap_or(now));
        if times.blocked.is_none_or(|since| since == now) {
            self.output.taken = 0;
        }
        if moved {
            times.active = now;
        }
        match self.waiting.is_empty() {
            true => self.place.idle_since(times.active.into_std()),
            false => self.place.busy(),
        }
    }

    /// When the client's time is up, if nothing happens until then.
    fn due(&self) -> Instant {
        let (limits, times) = (&self.service.limits, &self.times);
        let end = times.born + limits.life;
        let due = match (times.blocked, times.began) {
            (Some(blocked), _) => blocked + limits.stall,
            _ if !self.waiting.is_empty() || !self.streams.is_empty() => end,
            _ if !times.spoken => times.born + limits.first_message,
            (None, Some(began)) => began + limits.message,
            (None, None) => times.active + limits.idle,
        };
        due.min(end)
    }

    /// Ready when the time is up. The timer is set anew only where it would ring too late, or has rung too early:
    /// most messages do not touch it.
    fn poll_overdue(&self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let due = self.due();
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    fn has_room(&self) -> bool {
        self.output.len() < self.service.limits.queued
    }

    fn count(&self, traffic: Traffic) {
        self.service.tally.add(&traffic);
    }
}

impl Output {
    /// Writes what the client takes; whether this emptied what was there.
    fn poll_flush(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> io::Result<bool> {
        if self.is_empty() {
            self.poll_release(stream, context)?;
            return Ok(false);
        }
        let n = write(stream, self.octets.get(self.written..).unwrap_or_default(), context)?;
        self.written += n;
        self.taken += n;
        self.held |= n > 0;
        if !self.is_empty() {
            return Ok(false);
        }
        self.octets = Vec::new();
        self.written = 0;
        self.poll_release(stream, context)?;
        Ok(true)
    }

    /// Lets the stream pass on what it holds, as far as the client takes it.
    fn poll_release(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        if self.held
            && let Poll::Ready(released) = Pin::new(stream).poll_flush(context)
        {
            self.held = false;
            released?;
        }
        Ok(())
    }

    fn push(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        // What has been taken makes room for what comes, so that the bound on what waits bounds memory.
        self.octets.drain(..std::mem::take(&mut self.written));
        self.octets.extend_from_slice(octets);
    }

    fn len(&self) -> usize {
        self.octets.len() - self.written
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the client has taken all.
    fn is_done(&self) -> bool {
        self.is_empty() && !self.held
    }
}

impl<S: AsyncWrite + Unpin> Drop for Connection<S> {
    /// Says goodbye, which TLS wants said, whoever ends the connection; a client that takes nothing is not waited for.
    fn drop(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.stream).poll_shutdown(&mut context);
    }
}

impl Desk {
    fn new() -> Desk {
        Desk {
            input: vec![0; INPUT].into(),
            pen: Pen {
                output: vec![0; OUTPUT].into(),
                used: 0,
                scratch: Scratch::with_clock(moments::now),
                moments: Moments::new(),
            },
        }
    }
}

impl Pen {
    /// Puts the length before the message just written behind it.
    fn frame(&mut self, len: usize) {
        if let (Some(prefix), Ok(octets)) =
            (self.output.get_mut(self.used..self.used + PREFIX), u16::try_from(len))
        {
            prefix.copy_from_slice(&octets.to_be_bytes());
            self.used += PREFIX + len;
        }
    }
}

/// Waits for a reply, and says how long that took.
pub(crate) async fn resume(mut suspended: Box<Suspended>, deadline: Duration) -> Reply {
    let timer = suspended.timer();
    let reply = suspended.resume(sleep(deadline)).await;
    if let Some(timer) = timer {
        timer.stop(moments::now());
    }
    reply
}

/// The first message of `octets` and what is behind it; none while its end has not come.
fn split_message(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = octets.split_first_chunk::<PREFIX>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

/// Writes as much of `octets` as the stream takes now, and gives how much that is.
fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    octets: &[u8],
    context: &mut Context<'_>,
) -> io::Result<usize> {
    let mut written = 0;
    while let Some(left) = octets.get(written..).filter(|left| !left.is_empty())
        && let Poll::Ready(n) = Pin::new(&mut *stream).poll_write(context, left)?
    {
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        written += n;
    }
    Ok(written)
}

/// Octets of a message's length.
const PREFIX: usize = 2;
/// Octets of the longest message.
pub(crate) const LONGEST: usize = 65_535;
/// Octets read at once.
const INPUT: usize = 16 * 1024;
/// Octets answered at once: a whole queue, and one message more.
const OUTPUT: usize = 64 * 1024 + PREFIX + LONGEST;
/// Octets that a client takes in [`Limits::stall`], or it has stalled.
pub(crate) const FAIR_PART: usize = 4096;

#[cfg(test)]
mod tests;
