//! A zone's life: fetched, asked about, given up (RFC 1034 §4.3.5).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cartonym_wire::{Hasher, Message, NameBuf, Rcode, Type, expand_rdata};
use cartonym_zone::Zone;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::conversation::Conversation;
use crate::incoming::{Incoming, TransferError, Update, is_newer, serial_of};
use crate::secondary::Primaries;

/// A zone and where it comes from.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) origin: NameBuf,
    pub(crate) primaries: Primaries,
    /// Rings when a primary has sent NOTIFY.
    bell: Notify,
    /// Who sent it last. Taken for a moment at a NOTIFY, and when primaries are asked.
    caller: Mutex<Option<IpAddr>>,
}

/// The version that is here, and for how long it may be served.
#[derive(Debug)]
struct Held {
    zone: Arc<Zone>,
    timers: Timers,
    confirmed: Instant,
    is_published: bool,
}

/// What an SOA says of its secondaries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Timers {
    refresh: Duration,
    retry: Duration,
    expire: Duration,
}

/// The least time between two rounds of questions, however often NOTIFY comes.
const PAUSE: Duration = Duration::from_millis(200);
/// The waits before the first version.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(10);

impl Upkeep {
    pub(crate) fn new(origin: NameBuf, primaries: Primaries) -> Upkeep {
        Upkeep { origin, primaries, bell: Notify::new(), caller: Mutex::new(None) }
    }

    /// A primary says that there is something new.
    pub(crate) fn call(&self, caller: IpAddr) {
        *self.caller.lock() = Some(caller);
        self.bell.notify_one();
    }

    /// Keeps the zone until the end. `publish` is told of each version, and of none when it may not be served any more.
    pub(crate) async fn run(&self, hasher: Hasher, publish: impl Fn(Option<Arc<Zone>>)) {
        let mut held: Option<Held> = None;
        let mut backoff = FIRST_RETRY;
        loop {
            let is_well = self.ask_all(hasher, &mut held).await;
            if let Some(held) = held.as_mut().filter(|held| is_well && !held.is_published) {
                held.is_published = true;
                publish(Some(Arc::clone(&held.zone)));
            }
            let asked = Instant::now();
            let due = match &held {
                None => {
                    let wait = backoff;
                    backoff = (backoff * 2).min(LAST_RETRY);
                    asked + wait
                }
                Some(held) if is_well => asked + spread(held.timers.refresh),
                Some(held) => asked + held.timers.retry,
            };
            self.wait(due, &mut held, &publish).await;
            tokio::time::sleep_until(asked + PAUSE).await;
        }
    }

    /// Waits until it is time to ask again, or somebody calls; gives the zone up when its time is over.
    async fn wait(&self, due: Instant, held: &mut Option<Held>, publish: &impl Fn(Option<Arc<Zone>>)) {
        let called = self.bell.notified();
        tokio::pin!(called);
        if let Some(held) = held.as_mut().filter(|held| held.is_published) {
            let end = held.confirmed + held.timers.expire;
            if timeout_at(due.min(end), called.as_mut()).await.is_ok() {
                return;
            }
            if Instant::now() >= end {
                tracing::error!(zone = %self.origin, "no primary has confirmed the zone in time: it is not served");
                held.is_published = false;
                publish(None);
            }
        }
        let _ = timeout_at(due, called).await;
    }

    /// Asks the primaries in turn, until one answers; whether one did.
    async fn ask_all(&self, hasher: Hasher, held: &mut Option<Held>) -> bool {
        let caller = self.caller.lock().take();
        let (mut first, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
            self.primaries.addresses().iter().partition(|primary| Some(primary.ip()) == caller);
        first.extend(others);
        for primary in first {
            let before = held.as_ref().map(|held| Arc::clone(&held.zone));
            match self.ask(primary, hasher, before).await {
                Ok(Update::Current) => {
                    if let Some(held) = held {
                        held.confirmed = Instant::now();
                    }
                    return true;
                }
                Ok(Update::Zone(zone)) => {
                    let (names, serial) = (zone.len(), zone.soa().map(|(_, serial)| serial));
                    tracing::info!(zone = %self.origin, %primary, names, serial, "transferred");
                    *held = Held::new(zone);
                    return true;
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(zone = %self.origin, %primary, %error, source, "not transferred");
                }
            }
        }
        false
    }

    /// Asks one primary: for differences where there is a version, and for all where there is none, or it knows no
    /// differences.
    async fn ask(
        &self,
        primary: SocketAddr,
        hasher: Hasher,
        before: Option<Arc<Zone>>,
    ) -> Result<Update, TransferError> {
        let Some(zone) = before else { return self.transfer(primary, hasher, None).await };
        match self.transfer(primary, hasher, Some(Arc::clone(&zone))).await {
            Err(error @ (TransferError::Io(_) | TransferError::Signature(_))) => Err(error),
            Err(error) => {
                tracing::debug!(zone = %self.origin, %primary, %error, "no differences; asking for the whole zone");
                let here = zone.soa().map_or(0, |(_, serial)| serial);
                match is_newer(self.serial(primary).await?, here) {
                    true => self.transfer(primary, hasher, None).await,
                    false => Ok(Update::Current),
                }
            }
            update => update,
        }
    }

    async fn transfer(
        &self,
        primary: SocketAddr,
        hasher: Hasher,
        before: Option<Arc<Zone>>,
    ) -> Result<Update, TransferError> {
        let soa = before.as_ref().and_then(|zone| zone.soa()).map(|(rdata, _)| rdata.to_vec());
        let qtype = if soa.is_some() { Type::IXFR } else { Type::AXFR };
        let key = self.primaries.key();
        let mut conversation = Conversation::begin(primary, &self.origin, qtype, soa.as_deref(), key).await?;
        let mut incoming = Incoming::new(&self.origin, hasher, before);
        while !incoming.take(&conversation.next().await?)? {}
        conversation.finish()?;
        incoming.finish()
    }

    /// The serial of the version that a primary has.
    async fn serial(&self, primary: SocketAddr) -> Result<u32, TransferError> {
        let key = self.primaries.key();
        let mut conversation = Conversation::begin(primary, &self.origin, Type::SOA, None, key).await?;
        let octets = conversation.next().await?;
        conversation.finish()?;
        let message = Message::new(&octets).map_err(|_| TransferError::Malformed("no message"))?;
        match message.header().flags.rcode() {
            Rcode::NOERROR => {}
            rcode => return Err(TransferError::Refused(rcode)),
        }
        soa_serial(message, &self.origin).ok_or(TransferError::Malformed("no SOA"))
    }
}

/// The serial of the zone's SOA in the answer section.
pub(crate) fn soa_serial(message: Message<'_>, origin: &NameBuf) -> Option<u32> {
    let mut records = message.records().map_while(Result::ok);
    let soa =
        records.find(|record| record.section == 0 && record.rtype == Type::SOA && record.owner == *origin)?;
    let mut rdata = [0; 2 * cartonym_wire::MAX_NAME_LEN + 20];
    let len = soa.rdata.len();
    let len = expand_rdata(message.as_bytes(), Type::SOA, soa.rdata_start, len, &mut rdata).ok()?;
    serial_of(rdata.get(..len)?)
}

impl Held {
    fn new(zone: Arc<Zone>) -> Option<Held> {
        let timers = Timers::of(zone.soa()?.0)?;
        Some(Held { zone, timers, confirmed: Instant::now(), is_published: false })
    }
}

impl Timers {
    /// Those of an SOA's RDATA; a second at least, lest a primary be asked without end.
    fn of(rdata: &[u8]) -> Option<Timers> {
        let [_, refresh, retry, expire, _] = rdata.get(rdata.len().checked_sub(20)?..)?.as_chunks::<4>().0
        else {
            return None;
        };
        let secs = |octets: &[u8; 4]| Duration::from_secs(u64::from(u32::from_be_bytes(*octets).max(1)));
        Some(Timers { refresh: secs(refresh), retry: secs(retry), expire: secs(expire) })
    }
}

/// A little earlier, by lot, so that many zones of one primary are not asked about at once.
fn spread(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let eighth = u32::try_from(RandomState::new().hash_one(wait) % 1024).unwrap_or_default();
    wait - wait / 8 * eighth / 1024
}
