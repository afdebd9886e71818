//! A zone's life: fetched, asked about, given up (RFC 1034 §4.3.5).

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cartonym_tsig::Key;
use cartonym_wire::{Hasher, Message, NameBuf, Rcode, Type, expand_rdata};
use cartonym_zone::Zone;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::conversation::Conversation;
use crate::incoming::{Incoming, TransferError, Update, is_newer, serial_of};
use crate::secondary::Primaries;

/// A zone and where it comes from; one for all that have it from there.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) origin: NameBuf,
    primaries: Vec<SocketAddr>,
    /// The name of the key that is asked with: a primary may have another version for each.
    key: Option<NameBuf>,
    /// Rings when a primary has sent NOTIFY.
    bell: Notify,
    /// Who sent it last. Taken for a moment at a NOTIFY, and when primaries are asked.
    caller: Mutex<Option<IpAddr>>,
    /// Locked by the one who keeps the zone, for as long as he does; others wait for their turn.
    held: tokio::sync::Mutex<Option<Held>>,
    published: watch::Sender<Option<Arc<Zone>>>,
}

/// The zones that this process keeps, so that another configuration goes on with what is there. Taken while configuring.
static KEPT: Mutex<Vec<Weak<Upkeep>>> = Mutex::new(Vec::new());

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
    /// The upkeep of a zone from these primaries, which may be there already.
    pub(crate) fn of(origin: NameBuf, primaries: &Primaries) -> Arc<Upkeep> {
        let key = primaries.key().map(|key| key.name().to_buf());
        let primaries = primaries.addresses();
        let mut kept = KEPT.lock();
        kept.retain(|upkeep| upkeep.strong_count() > 0);
        let mut all = kept.iter().filter_map(Weak::upgrade);
        let is_same = |upkeep: &Arc<Upkeep>| {
            upkeep.origin == origin && upkeep.primaries == primaries && upkeep.key == key
        };
        if let Some(upkeep) = all.find(is_same) {
            return upkeep;
        }
        let upkeep = Arc::new(Upkeep {
            origin,
            primaries: primaries.to_vec(),
            key,
            bell: Notify::new(),
            caller: Mutex::new(None),
            held: tokio::sync::Mutex::new(None),
            published: watch::Sender::new(None),
        });
        kept.push(Arc::downgrade(&upkeep));
        upkeep
    }

    /// The version that may be served.
    pub(crate) fn published(&self) -> Option<Arc<Zone>> {
        self.published.borrow().clone()
    }

    /// Tells `publish` of each version, and of none when it may not be served any more, until the end.
    pub(crate) async fn follow(&self, publish: impl Fn(Option<Arc<Zone>>)) {
        let mut published = self.published.subscribe();
        published.mark_changed();
        while published.changed().await.is_ok() {
            let zone = published.borrow_and_update().clone();
            publish(zone);
        }
    }

    /// A primary says that there is something new.
    pub(crate) fn call(&self, caller: IpAddr) {
        *self.caller.lock() = Some(caller);
        self.bell.notify_one();
    }

    /// Keeps the zone until the end, when it is its turn. What is asked is signed with `key`.
    pub(crate) async fn run(&self, hasher: Hasher, key: Option<&Arc<Key>>) {
        let mut held = self.held.lock().await;
        let mut backoff = FIRST_RETRY;
        loop {
            let is_well = self.ask_all(hasher, key, &mut held).await;
            if let Some(held) = held.as_mut().filter(|held| is_well && !held.is_published) {
                held.is_published = true;
                self.published.send_replace(Some(Arc::clone(&held.zone)));
            }
            let asked = Instant::now();
            let due = match &*held {
                None => {
                    let wait = backoff;
                    backoff = (backoff * 2).min(LAST_RETRY);
                    asked + wait
                }
                Some(held) if is_well => asked + spread(held.timers.refresh),
                Some(held) => asked + held.timers.retry,
            };
            self.wait(due, &mut held).await;
            tokio::time::sleep_until(asked + PAUSE).await;
        }
    }

    /// Waits until it is time to ask again, or somebody calls; gives the zone up when its time is over.
    async fn wait(&self, due: Instant, held: &mut Option<Held>) {
        let called = self.bell.notified();
        tokio::pin!(called);
        if let Some(held) = held.as_mut().filter(|held| held.is_published) {
            let end = held.confirmed + held.timers.expire;
            // Whoever calls does not put the end off.
            if Instant::now() < end && timeout_at(due.min(end), called.as_mut()).await.is_ok() {
                return;
            }
            if Instant::now() >= end {
                tracing::error!(zone = %self.origin, "no primary has confirmed the zone in time: it is not served");
                held.is_published = false;
                self.published.send_replace(None);
            }
        }
        let _ = timeout_at(due, called).await;
    }

    /// Asks the primaries in turn, until one answers; whether one did.
    async fn ask_all(&self, hasher: Hasher, key: Option<&Arc<Key>>, held: &mut Option<Held>) -> bool {
        let caller = self.caller.lock().take();
        let (mut first, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
            self.primaries.iter().partition(|primary| Some(primary.ip()) == caller);
        first.extend(others);
        for primary in first {
            let before = held.as_ref().map(|held| Arc::clone(&held.zone));
            match self.ask(primary, hasher, key, before).await {
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
        key: Option<&Arc<Key>>,
        before: Option<Arc<Zone>>,
    ) -> Result<Update, TransferError> {
        let Some(zone) = before else { return self.transfer(primary, hasher, key, None).await };
        match self.transfer(primary, hasher, key, Some(Arc::clone(&zone))).await {
            Err(error @ (TransferError::Io(_) | TransferError::Signature(_))) => Err(error),
            Err(error) => {
                tracing::debug!(zone = %self.origin, %primary, %error, "no differences; asking for the whole zone");
                let here = zone.soa().map_or(0, |(_, serial)| serial);
                match is_newer(self.serial(primary, key).await?, here) {
                    true => self.transfer(primary, hasher, key, None).await,
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
        key: Option<&Arc<Key>>,
        before: Option<Arc<Zone>>,
    ) -> Result<Update, TransferError> {
        let soa = before.as_ref().and_then(|zone| zone.soa()).map(|(rdata, _)| rdata.to_vec());
        let qtype = if soa.is_some() { Type::IXFR } else { Type::AXFR };
        let mut conversation = Conversation::begin(primary, &self.origin, qtype, soa.as_deref(), key).await?;
        let mut incoming = Incoming::new(&self.origin, hasher, before);
        while !incoming.take(&conversation.next().await?)? {}
        conversation.finish()?;
        incoming.finish()
    }

    /// The serial of the version that a primary has.
    async fn serial(&self, primary: SocketAddr, key: Option<&Arc<Key>>) -> Result<u32, TransferError> {
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

#[cfg(test)]
mod tests {
    use cartonym_tsig::Algorithm;

    use super::*;

    #[test]
    fn a_zone_is_kept_once_for_the_same_primaries_and_key() {
        let primaries = |port| Primaries::new([SocketAddr::from(([192, 0, 2, 1], port))]);
        let with_key = |name: &str| {
            let name: NameBuf = name.parse().unwrap();
            let key = Key::new(&name, Algorithm::HmacSha256, b"secret");
            primaries(53).with_key(Arc::new(key.unwrap()))
        };
        let of = |primaries| Upkeep::of("example.".parse().unwrap(), &primaries);
        let plain = of(primaries(53));
        assert!(Arc::ptr_eq(&plain, &of(primaries(53))));
        assert!(!Arc::ptr_eq(&plain, &of(primaries(54))));
        let inside = of(with_key("inside."));
        assert!(!Arc::ptr_eq(&plain, &inside));
        assert!(!Arc::ptr_eq(&inside, &of(with_key("outside."))), "a primary may choose its view by the key");
        assert!(Arc::ptr_eq(&inside, &of(with_key("inside."))));
    }
}
