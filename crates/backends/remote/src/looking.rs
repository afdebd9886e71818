//! Looks at the instances of the services that were listed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cartonym_registry::{
    BackendError, Instance, InstanceId, Key, Mirror, Namespace, Record, Service, ServiceId, Timestamp,
};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chance::Pace;
use crate::cloud::{CallError, Cloud, Discovered};
use crate::follow::{FollowError, Heard, START_FAILURES, TOGETHER, usual, warn_once};
use crate::listing::{Listed, Listing};
use crate::news::{News, Touched};
use crate::records;

/// Looks at instances.
pub(crate) struct Looking<'a> {
    cloud: &'a Cloud,
    mirror: &'a Mirror,
    /// Says what to look at, and is told when a service that was listed is gone.
    news: &'a News,
    poll: Duration,
    /// The services whose instances are known.
    seen: HashMap<ServiceId, Seen>,
    /// The services that could not be looked at when they were last asked for.
    missed: HashMap<ServiceId, Missed>,
    /// The listing that the mirror was told of.
    told: Option<Arc<Listing>>,
    /// Looks, one after the other, that found no other service before the mirror was told of any.
    fruitless: u32,
    is_away: bool,
}

/// A service and its instances, as they were last seen.
struct Seen {
    /// None where the other side does not tell.
    revision: Option<i64>,
    service: Service,
    instances: BTreeMap<InstanceId, Instance>,
    /// What is left out, and why.
    refused: BTreeSet<String>,
    /// When it was looked at.
    at: Instant,
}

/// A service that fails, and does not slow the others.
struct Missed {
    pace: Pace,
    /// When it is asked for again.
    due: Instant,
    problem: FollowError,
}

/// What became of a look at a service: None where it is what it was.
type Answer = Result<Option<Seen>, CallError>;

impl<'a> Looking<'a> {
    pub(crate) fn new(cloud: &'a Cloud, mirror: &'a Mirror, news: &'a News, poll: Duration) -> Self {
        let (seen, missed) = (HashMap::new(), HashMap::new());
        Self { cloud, mirror, news, poll, seen, missed, told: None, fruitless: 0, is_away: false }
    }

    pub(crate) async fn run(mut self, mut heard: watch::Receiver<Heard>) {
        let mut pace = Pace::new(self.poll);
        let (mut touched, mut next) = (Touched::All, Instant::now());
        loop {
            let Heard { listing, problem } = heard.borrow_and_update().clone();
            let is_start = listing.is_some() && self.told.is_none();
            let looked = match &listing {
                Some(listing) => self.look(listing, &touched).await,
                None => Ok(()),
            };
            pace.note(&looked);
            let is_well = looked.is_ok() && self.told.is_some();
            match (looked.and(problem.map_or(Ok(()), Err)), &listing) {
                // A start goes on where it was, as long as that leads somewhere.
                (Err(error), _) if is_start && self.fruitless < START_FAILURES => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "not everything is seen yet");
                }
                (Err(error), _) => {
                    self.is_away = true;
                    self.mirror.fail(BackendError::Unavailable(error.into()));
                }
                // Nothing is wrong any more.
                (Ok(()), Some(listing)) if self.is_away => self.tell(listing),
                _ => {}
            }
            let is_all_well = is_well && self.missed.is_empty();
            let due = Instant::now() + if is_all_well { usual(&pace, self.news) } else { pace.wait() };
            // What is told between two looks at all does not put the second off.
            let is_of_all = !is_well || touched == Touched::All;
            next = if is_of_all { due } else { due.min(next) };
            touched = tokio::select! {
                () = tokio::time::sleep_until(next), if listing.is_some() => Touched::All,
                touched = self.touched(is_well), if listing.is_some() => touched,
                changed = heard.changed() => match changed {
                    Ok(()) if is_well && self.news.is_told() => Touched::none(),
                    Ok(()) => Touched::All,
                    Err(_) => return,
                },
            };
        }
    }

    /// What the other side tells of by itself, after a look not at once.
    async fn touched(&self, is_well: bool) -> Touched {
        tokio::time::sleep(TOGETHER).await;
        self.news.touched(is_well).await
    }

    /// Looks at the instances of each service that was touched or is not known, and tells what is new.
    ///
    /// The first time everything has to be there; later, a service is told of when its instances are known, and what cannot
    /// be looked at stays as it was.
    ///
    /// # Errors
    ///
    /// The other side is away, or no service can be looked at; the first time, one that cannot be is enough.
    async fn look(&mut self, listing: &Arc<Listing>, touched: &Touched) -> Result<(), FollowError> {
        let answers = self.ask(listing, touched).await;
        let known = self.seen.len();
        let (mut is_news, mut away, mut gone, mut left_out) = (false, None, HashSet::new(), BTreeSet::new());
        for (within, service, answer) in answers {
            match answer {
                Ok(seen) => {
                    self.missed.remove(&service.id);
                    is_news |= seen.is_some();
                    left_out.extend(self.note(service.id, seen));
                }
                // Removed since it was listed, or about to be.
                Err(CallError::Gone { .. }) => {
                    gone.insert(service.id);
                    self.news.is_stale();
                }
                Err(error) => {
                    let (error, name) = (Arc::new(error), within.name_of(&service.name).to_string());
                    if error.is_of_all() {
                        away = Some(FollowError::Call(Arc::clone(&error)));
                    }
                    // Who is late may be so alone.
                    if !error.is_of_all() || matches!(*error, CallError::Late { .. }) {
                        left_out.extend(self.miss(service.id, FollowError::Service(name, error)));
                    }
                }
            }
        }
        warn_once(left_out.iter());
        let is_whole = listing
            .each()
            .all(|(_, service)| self.seen.contains_key(&service.id) || gone.contains(&service.id));
        self.fruitless =
            if self.seen.len() > known || is_whole { 0 } else { self.fruitless.saturating_add(1) };
        let problem = away.or_else(|| self.problem(listing));
        is_news |= self.told.as_ref().is_none_or(|told| !Arc::ptr_eq(told, listing));
        if is_news && (is_whole || self.told.is_some()) {
            self.tell(listing);
        }
        problem.map_or(Ok(()), Err)
    }

    /// Asks for each service that is due, until the other side has no time or is not there: what would come then fails, too.
    async fn ask<'l>(
        &self,
        listing: &'l Listing,
        touched: &Touched,
    ) -> Vec<(&'l Namespace, &'l Service, Answer)> {
        let now = Instant::now();
        // Where all of them fail, it is not them.
        let is_all = listing.each().all(|(_, service)| self.missed.contains_key(&service.id));
        let is_touched = |service: &Service| {
            touched.has(service.id) || self.seen.get(&service.id).is_none_or(|seen| seen.service != *service)
        };
        let is_due = |service: &Service| {
            is_touched(service) && self.missed.get(&service.id).is_none_or(|missed| missed.due <= now)
        };
        let mut due: Vec<_> = listing.each().filter(|(_, service)| is_all || is_due(service)).collect();
        // Who was not come to last time goes first.
        due.sort_by_key(|(_, service)| self.seen.get(&service.id).map(|seen| seen.at));
        let looks = due.into_iter().map(|(within, service)| {
            async move { (within, service, self.look_at(within, service).await) }.boxed()
        });
        let looks: Vec<_> = looks.collect();
        let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
        let mut answers = Vec::new();
        while let Some(answer) = looks.next().await {
            let is_over = matches!(&answer.2, Err(error) if error.is_of_all());
            answers.push(answer);
            if is_over {
                break;
            }
        }
        answers
    }

    /// The instances of a service, if they are not what they were.
    async fn look_at(&self, within: &Namespace, service: &Service) -> Answer {
        let before = self.seen.get(&service.id).filter(|seen| seen.service == *service);
        let http_name = &within.http_name;
        // A revision says nothing about health: where that counts, there is nothing cheaper than to ask for it.
        if let Some(Seen { revision: Some(before), .. }) = before
            && !service.health.is_custom()
            && self.cloud.revision(http_name, &service.name).await? == Some(*before)
        {
            return Ok(None);
        }
        let discovered = self.cloud.discover(http_name, &service.name, service.id.as_str()).await?;
        let seen = Seen::new(discovered, service, within);
        Ok(Some(seen).filter(|seen| before.is_none_or(|before| !seen.is(before))))
    }

    /// Takes note of what was seen, if it was not what it was before; returns what is left out now and was not before.
    fn note(&mut self, service: ServiceId, seen: Option<Seen>) -> Vec<String> {
        let Some(seen) = seen else {
            if let Some(before) = self.seen.get_mut(&service) {
                before.at = Instant::now();
            }
            return Vec::new();
        };
        let refused = seen.refused.clone();
        let before = self.seen.insert(service, seen);
        let is_news = |what: &String| before.as_ref().is_none_or(|before| !before.refused.contains(what));
        refused.into_iter().filter(is_news).collect()
    }

    /// Takes note of a service that cannot be looked at; returns what is to be said of that, the first time.
    fn miss(&mut self, service: ServiceId, problem: FollowError) -> Option<String> {
        let (is_first, now) = (!self.missed.contains_key(&service), Instant::now());
        let (pace, due) = (Pace::new(self.poll), now);
        let missed = self.missed.entry(service).or_insert(Missed { pace, due, problem: problem.clone() });
        missed.pace.note(&Err::<(), ()>(()));
        missed.due = now + missed.pace.wait();
        missed.problem = problem;
        let FollowError::Service(_, cause) = &missed.problem else { return None };
        is_first.then(|| format!("{}: {cause}", missed.problem))
    }

    /// What is wrong with all services, or at a start with any.
    fn problem(&self, listing: &Listing) -> Option<FollowError> {
        let missed = listing.each().map(|(_, service)| self.missed.get(&service.id));
        let (is_start, mut found) = (self.told.is_none(), None);
        for missed in missed {
            if missed.is_none() && !is_start {
                return None;
            }
            found = found.or(missed);
        }
        found.map(|missed| missed.problem.clone())
    }

    fn tell(&mut self, listing: &Arc<Listing>) {
        let mut records = BTreeMap::new();
        let mut add = |record: Record| records.insert(record.key(), record);
        for Listed { namespace, services } in &listing.namespaces {
            add(Record::HttpName { name: namespace.http_name.clone(), namespace: namespace.id });
            add(Record::Namespace(namespace.clone()));
            for seen in services.iter().filter_map(|service| self.seen.get(&service.id)) {
                let service = seen.service.id;
                add(Record::Service(seen.service.clone()));
                for instance in seen.instances.values() {
                    add(Record::Instance { service, instance: instance.clone() });
                }
            }
        }
        self.seen.retain(|id, seen| records.contains_key(&Key::Service(seen.service.namespace, *id)));
        let listed: HashSet<_> = listing.each().map(|(_, service)| service.id).collect();
        self.missed.retain(|id, _| listed.contains(id));
        self.mirror.replace(records);
        self.told = Some(Arc::clone(listing));
        self.is_away = false;
    }
}

impl Seen {
    fn new(discovered: Discovered, service: &Service, within: &Namespace) -> Self {
        let now = Timestamp::now();
        let (mut instances, mut refused) = (BTreeMap::new(), BTreeSet::new());
        for told in discovered.instances {
            let id = told.id.clone();
            match records::instance(told, service, within, now) {
                Ok(instance) => instances.extend(instance.map(|instance| (instance.id().clone(), instance))),
                Err(error) => {
                    let service = within.name_of(&service.name);
                    refused.insert(format!("the instance {id} of {service}: {error}"));
                }
            }
        }
        let (revision, service, at) = (discovered.revision, service.clone(), Instant::now());
        Self { revision, service, instances, refused, at }
    }

    /// Whether both are the same, but for when they were seen.
    fn is(&self, other: &Self) -> bool {
        let is = |(a, b): (&Instance, &Instance)| {
            (a.id(), a.attributes(), a.health().verdict) == (b.id(), b.attributes(), b.health().verdict)
        };
        self.revision == other.revision
            && self.refused == other.refused
            && self.instances.len() == other.instances.len()
            && self.instances.values().zip(other.instances.values()).all(is)
    }
}

/// Services whose instances are looked at together.
const AT_ONCE: usize = 16;

#[cfg(test)]
mod tests {
    use cartonym_registry::Registry;

    use super::*;

    #[tokio::test]
    async fn what_is_left_out_anew_is_noted_though_nothing_else_is_different() {
        let registry = Registry::in_memory();
        registry.register("web.svc.example", "i1", ([192, 0, 2, 1], 80).into()).await.unwrap();
        let service = registry.model().services().next().unwrap().service.clone();
        let seen = |refused: &[&str]| Seen {
            revision: None,
            service: service.clone(),
            instances: BTreeMap::new(),
            refused: refused.iter().map(|what| (*what).to_owned()).collect(),
            at: Instant::now(),
        };
        assert!(seen(&["i2"]).is(&seen(&["i2"])));
        assert!(!seen(&["i2"]).is(&seen(&[])) && !seen(&["i2"]).is(&seen(&["i3"])));
    }
}
