#![doc = include_str!("../README.md")]

mod counters;
mod item;
mod key;
mod options;
mod read;
mod refresh;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{BoxFuture, Configure, Place, Plugin, Query, Response, Setup, Step, Transport};
use cartonym_wire::{Ede, Flags, OptionCode, Rcode, Ttl, Type};

use counters::Counters;
use item::{Item, Kind, Ttls};
use key::{Key, Keys};
use refresh::Refresher;
use store::Store;

pub use options::{Options, Prefetch, Stale, StaleMode};

/// Keeps responses for their time to live.
#[derive(Debug)]
pub struct Cache {
    options: Options,
    keys: Keys,
    answers: Store,
    denials: Store,
    refresher: Refresher,
    /// The latest second that a query has brought: queries from within bring none.
    clock: AtomicU64,
    counters: Counters,
}

/// What has been counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Answers that are kept.
    pub answers: usize,
    /// Denials and failures that are kept.
    pub denials: usize,
    /// Queries answered with a kept answer.
    pub answer_hits: u64,
    /// Queries answered with a kept denial or failure.
    pub denial_hits: u64,
    /// Queries that went on.
    pub misses: u64,
    /// Answers that went to make room, and denials and failures.
    pub evictions: [u64; 2],
    /// Responses asked for again in the background.
    pub refreshes: u64,
    /// Responses sent after they had expired.
    pub stale: u64,
}

impl Cache {
    /// A cache as `options` say.
    pub fn new(options: Options) -> Cache {
        Cache {
            keys: Keys::default(),
            answers: Store::new(options.answers.capacity),
            denials: Store::new(options.denials.capacity),
            refresher: Refresher::default(),
            clock: AtomicU64::new(0),
            counters: Counters::default(),
            options,
        }
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        let Counters { answer_hits, denial_hits, misses, refreshes, stale, .. } = &self.counters;
        Counts {
            answers: self.answers.len(),
            denials: self.denials.len(),
            answer_hits: answer_hits.sum(),
            denial_hits: denial_hits.sum(),
            misses: misses.sum(),
            evictions: [&self.answers, &self.denials].map(Store::evictions),
            refreshes: refreshes.sum(),
            stale: stale.sum(),
        }
    }

    /// The second it is, as far as queries have told: one that has waited is from before others. A clock that was put back is followed.
    fn now(&self, query: &Query<'_>) -> u64 {
        let (now, latest) = (query.now().as_secs(), self.clock.load(Ordering::Relaxed));
        if (now..now + LONGEST_WAIT).contains(&latest) {
            return latest;
        }
        // A race between two seconds costs at most one of them.
        self.clock.store(now, Ordering::Relaxed);
        now
    }

    fn takes(&self, query: &Query<'_>) -> bool {
        let is_plain = !query.qtype().is_query_only() || query.qtype() == Type::ANY;
        // What depends on the client's subnet is no answer for others (RFC 7871 §7.3).
        let has_subnet =
            || query.edns().is_some_and(|edns| edns.options.find(OptionCode::CLIENT_SUBNET).is_some());
        is_plain && self.options.zones.iter().any(|zone| query.name().is_within(zone)) && !has_subnet()
    }

    fn find(&self, key: &Key<'_>) -> Option<Arc<Item>> {
        self.denials.get(key).or_else(|| self.answers.get(key))
    }

    /// Answers with `item`, if it may still be used.
    fn serve(&self, item: &Arc<Item>, now: u64, query: &Query<'_>, response: &mut Response<'_>) -> Step {
        let is_refresh = query.client().transport == Transport::Internal && item.is_refreshing();
        if is_refresh {
            return Step::Next;
        }
        let age = item.age(now);
        if age < item.lifetime {
            self.prefetch(item, now, age, query);
            let elapsed = if self.options.keep_ttl { 0 } else { age };
            item.write(query, response, Ttls::Less(elapsed));
            self.count_hit(item.kind, query);
            return Step::Answered;
        }
        match self.options.stale {
            Some(Stale { period, mode: StaleMode::Immediate(ttl) })
                if age < item.lifetime + period.as_secs() =>
            {
                self.refresh(item, query);
                self.write_stale(item, ttl, query, response);
                self.count_hit(item.kind, query);
                Step::Answered
            }
            _ => Step::Next,
        }
    }

    fn prefetch(&self, item: &Arc<Item>, now: u64, age: u64, query: &Query<'_>) {
        let Some(prefetch) = self.options.prefetch else { return };
        let hits = item.hit(now, prefetch.gap.as_secs());
        let left = item.lifetime - age;
        let is_late = left <= 1 || left * 100 <= item.lifetime * u64::from(prefetch.percentage);
        if hits >= prefetch.amount && is_late {
            self.refresh(item, query);
        }
    }

    /// Asks for an item again in the background, unless that is being done.
    fn refresh(&self, item: &Arc<Item>, query: &Query<'_>) {
        if item.begin_refresh() {
            self.counters.refreshes.add_for(query.route());
            self.refresher.request(item, query);
        }
    }

    fn write_stale(&self, item: &Item, ttl: Ttl, query: &Query<'_>, response: &mut Response<'_>) {
        item.write(query, response, Ttls::All(ttl));
        response.set_ede(Ede::STALE_ANSWER);
        self.counters.stale.add_for(query.route());
    }

    /// The answer that has expired, where sending it is better than a failure.
    fn instead_of(&self, rcode: Rcode, key: &Key<'_>, now: u64) -> Option<Arc<Item>> {
        let Stale { period, .. } = self.options.stale?;
        if rcode != Rcode::SERVFAIL {
            return None;
        }
        let item = [&self.answers, &self.denials].into_iter().find_map(|store| store.get(key))?;
        let is_good = item.kind != Kind::Failure && item.age(now) < item.lifetime + period.as_secs();
        is_good.then_some(item)
    }

    fn keep(&self, key: &Key<'_>, now: u64, query: &Query<'_>, response: &mut Response<'_>) {
        let Some(item) = Item::of(key, now, query, response, &self.options) else { return };
        let is_answer = item.kind == Kind::Answer;
        if self.options.disabled(is_answer, query.name()) || self.is_worse(&item, key, now) {
            return;
        }
        item.bound(response);
        let (store, other) =
            if is_answer { (&self.answers, &self.denials) } else { (&self.denials, &self.answers) };
        store.put(key.hash, Arc::new(item), query.random());
        other.remove(key);
    }

    /// Whether what is kept already is better than `item`: anything is better than a failure, and an answer that has
    /// expired may be better than a denial.
    fn is_worse(&self, item: &Item, key: &Key<'_>, now: u64) -> bool {
        let is_better = |old: Arc<Item>| match item.kind {
            Kind::Failure => old.kind != Kind::Failure && self.is_usable(&old, now),
            Kind::Denial => {
                self.options.prefer_positive && old.kind == Kind::Answer && self.is_usable(&old, now)
            }
            Kind::Answer => false,
        };
        self.find(key).is_some_and(is_better)
    }

    fn is_usable(&self, item: &Item, now: u64) -> bool {
        let stale = self.options.stale.map_or(0, |stale| stale.period.as_secs());
        item.age(now) < item.lifetime + stale
    }

    fn count_hit(&self, kind: Kind, query: &Query<'_>) {
        let counter = match kind {
            Kind::Answer => &self.counters.answer_hits,
            Kind::Denial | Kind::Failure => &self.counters.denial_hits,
        };
        counter.add_for(query.route());
    }
}

impl Default for Cache {
    /// All names, as a directive without arguments in a block of the root zone.
    fn default() -> Cache {
        Cache::new(Options::default())
    }
}

impl Plugin for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if !self.takes(query) {
            return Step::Next;
        }
        self.counters.requests.add_for(query.route());
        let now = self.now(query);
        let found = self.find(&self.keys.of(query));
        let step = found.map_or(Step::Next, |item| self.serve(&item, now, query, response));
        if matches!(step, Step::Next) {
            self.counters.misses.add_for(query.route());
        }
        step
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        if !self.takes(query) || response.flags().has(Flags::TC) {
            return;
        }
        let (now, key) = (self.now(query), self.keys.of(query));
        if let Some(item) = self.instead_of(response.rcode(), &key, now) {
            response.clear_records();
            let ttl = match self.options.stale {
                Some(Stale { mode: StaleMode::Immediate(ttl), .. }) => ttl,
                _ => Ttl::ZERO,
            };
            self.write_stale(&item, ttl, query, response);
            return;
        }
        self.keep(&key, now, query, response);
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let refreshes = self.options.prefetch.is_some() || self.options.stale.is_some();
        refreshes.then(|| Box::pin(refresh::run(self)) as BoxFuture<'static, ()>)
    }
}

impl Configure for Cache {
    const NAME: &'static str = "cache";
    const PLACE: Place = Place::Before("file");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let options = read::options(setup)?;
        let counters = Counters::shown_by(&setup.metrics(), &options.zones);
        let cache = Arc::new(Cache { counters, ..Cache::new(options) });
        counters::show(&cache, &setup.metrics(), setup.zones);
        setup.shared_plugin(cache);
        Ok(())
    }
}

/// Seconds by which a query that has waited may be older than those after it.
const LONGEST_WAIT: u64 = 60;

/// The time that `secs` seconds are.
const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
