//! The places for connections: how many there are, who has them, and who gives one up for a newcomer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// All places of a server.
pub(crate) struct Connections {
    most: usize,
    most_per_client: usize,
    /// The origin of [`Place::idle_since`].
    start: Instant,
    /// Guards who has which place: taken when a connection comes or goes, never by a query.
    places: Mutex<Places>,
    left: Notify,
    accepted: AtomicU64,
    refused: AtomicU64,
    evicted: AtomicU64,
    panics: AtomicU64,
}

#[derive(Default)]
struct Places {
    taken: HashMap<u64, Taken>,
    /// How many each client has; no entry where it has none.
    by_client: HashMap<IpAddr, usize>,
    /// How many each listener has, by its address.
    by_listener: HashMap<SocketAddr, usize>,
    next: u64,
}

struct Taken {
    /// None where a balancer has still to say who it is.
    client: Option<IpAddr>,
    listener: SocketAddr,
    /// Milliseconds from the start until its owner last had something to do, or [`BUSY`].
    idle_since: Arc<AtomicU64>,
    task: Option<AbortHandle>,
}

/// One connection's place, given back when dropped.
pub(crate) struct Place {
    connections: Arc<Connections>,
    id: u64,
    idle_since: Arc<AtomicU64>,
}

/// Where a connection comes in.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    /// The listener's address.
    pub(crate) listener: SocketAddr,
    /// How many may be inside at once.
    pub(crate) most: usize,
    /// Whether those who come are not one client, though they have one address: who they are, [`Place::is_for`] is told.
    pub(crate) is_for_many: bool,
}

/// Why there is no place.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// The client has all that it may have, and uses them.
    Client,
    /// All of the server or of the listener are taken and in use.
    Server,
}

impl Connections {
    pub(crate) fn new(most: usize, most_per_client: usize) -> Arc<Connections> {
        Arc::new(Connections {
            most: most.max(1),
            most_per_client: most_per_client.max(1),
            start: Instant::now(),
            places: Mutex::default(),
            left: Notify::new(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        })
    }

    /// A place for a client at `address`: a free one, or that of the connection idle longest.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, door: Door) -> Result<Place, Full> {
        let client = (!door.is_for_many).then(|| client_of(address));
        let mut places = self.places.lock();
        if client.is_some_and(|client| !self.has_room_for(client, &mut places)) {
            return Err(Full::Client);
        }
        let inside = places.by_listener.get(&door.listener).copied().unwrap_or_default();
        if inside >= door.most.max(1) && !self.evict(&mut places, |taken| taken.listener == door.listener) {
            return Err(Full::Server);
        }
        if places.taken.len() >= self.most && !self.evict(&mut places, |_| true) {
            return Err(Full::Server);
        }
        let idle_since = Arc::new(AtomicU64::new(self.millis(Instant::now())));
        let id = places.next;
        places.next += 1;
        let (listener, since) = (door.listener, Arc::clone(&idle_since));
        places.taken.insert(id, Taken { client, listener, idle_since: since, task: None });
        if let Some(client) = client {
            *places.by_client.entry(client).or_default() += 1;
        }
        *places.by_listener.entry(listener).or_default() += 1;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Ok(Place { connections: Arc::clone(self), id, idle_since })
    }

    /// Says which task is to end when the place is wanted for another.
    pub(crate) fn seat(&self, id: u64, task: AbortHandle) {
        // A task that has ended by now has no place any more.
        if let Some(taken) = self.places.lock().taken.get_mut(&id) {
            taken.task = Some(task);
        }
    }

    /// Closes the connection idle longest, if any is idle.
    pub(crate) fn evict_one(&self) {
        self.evict(&mut self.places.lock(), |_| true);
    }

    /// Closes all, whatever they do.
    pub(crate) fn abort_all(&self) {
        for task in self.places.lock().taken.values().filter_map(|taken| taken.task.as_ref()) {
            task.abort();
        }
    }

    /// Counts one that was closed before it had a place.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends when a place has been left since the last call.
    pub(crate) async fn left(&self) {
        self.left.notified().await;
    }

    pub(crate) fn open(&self) -> u64 {
        self.places.lock().taken.len() as u64
    }

    /// Connections accepted, refused, evicted, and ended by a defect.
    pub(crate) fn counts(&self) -> [u64; 4] {
        [&self.accepted, &self.refused, &self.evicted, &self.panics]
            .map(|count| count.load(Ordering::Relaxed))
    }

    /// Whether a client may have one more place, if need be for one of its own that is idle.
    fn has_room_for(&self, client: IpAddr, places: &mut Places) -> bool {
        let has = places.by_client.get(&client).copied().unwrap_or_default();
        has < self.most_per_client || self.evict(places, |taken| taken.client == Some(client))
    }

    /// Takes the place of the connection that has been idle longest, of some.
    ///
    /// Looks at every connection: it is asked only when all are taken, and a newcomer costs more than that anyway.
    fn evict(&self, places: &mut Places, is_one: impl Fn(&Taken) -> bool) -> bool {
        let idle = places
            .taken
            .iter()
            .filter(|(_, taken)| taken.task.is_some() && is_one(taken))
            .map(|(&id, taken)| (taken.idle_since.load(Ordering::Relaxed), id))
            .filter(|&(since, _)| since != BUSY)
            .min();
        let Some((_, id)) = idle else { return false };
        if let Some(task) = places.remove(id).and_then(|taken| taken.task) {
            task.abort();
        }
        self.evicted.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn millis(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.start).as_millis()).unwrap_or(BUSY - 1)
    }
}

impl Places {
    fn remove(&mut self, id: u64) -> Option<Taken> {
        let taken = self.taken.remove(&id)?;
        if let Some(client) = taken.client {
            leave(&mut self.by_client, client);
        }
        leave(&mut self.by_listener, taken.listener);
        Some(taken)
    }
}

/// Counts one less.
fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl Place {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Says who has come, where many come from one address; false if that client has all that it may.
    pub(crate) fn is_for(&self, address: IpAddr) -> bool {
        let client = client_of(address);
        let mut places = self.connections.places.lock();
        if places.taken.get(&self.id).is_none_or(|taken| taken.client.is_some()) {
            return true;
        }
        if !self.connections.has_room_for(client, &mut places) {
            self.connections.refuse();
            return false;
        }
        if let Some(taken) = places.taken.get_mut(&self.id) {
            taken.client = Some(client);
            *places.by_client.entry(client).or_default() += 1;
        }
        true
    }

    /// Its owner has waited for the client since then; the place may be taken from it.
    pub(crate) fn idle_since(&self, since: Instant) {
        self.idle_since.store(self.connections.millis(since), Ordering::Relaxed);
    }

    /// Its owner waits for a plugin; the place is its own.
    pub(crate) fn busy(&self) {
        self.idle_since.store(BUSY, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.connections.panics.fetch_add(1, Ordering::Relaxed);
        }
        self.connections.places.lock().remove(self.id);
        self.connections.left.notify_one();
    }
}

/// Who counts as one client: an IPv4 address, or an IPv6 network, within which addresses cost nothing.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip => ip,
    }
}

const BUSY: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn door(port: u16, most: usize) -> Door {
        Door { listener: SocketAddr::new(A, port), most, is_for_many: false }
    }

    fn seated(connections: &Arc<Connections>, address: IpAddr) -> Place {
        let place = connections.admit(address, door(53, 9)).unwrap();
        connections.seat(place.id(), tokio::spawn(std::future::pending::<()>()).abort_handle());
        place
    }

    #[tokio::test]
    async fn the_connection_idle_longest_makes_room_for_a_newcomer() {
        let connections = Connections::new(2, 2);
        let (first, second) = (seated(&connections, A), seated(&connections, A));
        first.idle_since.store(9, Ordering::Relaxed);
        second.idle_since.store(5, Ordering::Relaxed);
        let _third = seated(&connections, B);
        assert!(connections.places.lock().taken.contains_key(&first.id));
        assert!(!connections.places.lock().taken.contains_key(&second.id));
        assert_eq!((connections.open(), connections.counts()), (2, [3, 0, 1, 0]));
    }

    #[tokio::test]
    async fn a_busy_connection_keeps_its_place() {
        let connections = Connections::new(1, 1);
        let busy = seated(&connections, A);
        busy.busy();
        assert_eq!(connections.admit(B, door(53, 9)).err(), Some(Full::Server));
        assert_eq!(connections.admit(A, door(53, 9)).err(), Some(Full::Client));
        busy.idle_since(Instant::now());
        assert!(connections.admit(B, door(53, 9)).is_ok());
    }

    #[tokio::test]
    async fn a_listener_may_have_fewer_than_all() {
        let connections = Connections::new(9, 9);
        let busy = connections.admit(A, door(443, 1)).unwrap();
        connections.seat(busy.id(), tokio::spawn(std::future::pending::<()>()).abort_handle());
        busy.busy();
        assert_eq!(connections.admit(B, door(443, 1)).err(), Some(Full::Server));
        assert!(connections.admit(B, door(853, 1)).is_ok());
        busy.idle_since(Instant::now());
        assert!(connections.admit(B, door(443, 1)).is_ok());
        assert_eq!(connections.counts(), [3, 0, 1, 0]);
        drop(busy);
        assert!(connections.places.lock().by_listener.is_empty());
    }

    #[tokio::test]
    async fn a_place_that_is_left_is_free_and_forgotten() {
        let connections = Connections::new(1, 1);
        drop(seated(&connections, A));
        assert_eq!((connections.open(), connections.places.lock().by_client.len()), (0, 0));
        connections.left().await;
    }

    #[tokio::test]
    async fn who_a_balancer_speaks_for_has_as_many_places_as_others() {
        let connections = Connections::new(9, 1);
        let balancer = Door { is_for_many: true, ..door(53, 9) };
        let come = || connections.admit(A, balancer).unwrap();
        let (first, second, third) = (come(), come(), come());
        assert!(connections.places.lock().by_client.is_empty(), "the balancer is nobody's client");
        first.busy();
        assert!(first.is_for(B));
        assert!(!second.is_for(B), "it has one, which is busy");
        assert!(third.is_for(A));
        drop(first);
        assert!(second.is_for(B));
        drop((second, third));
        assert!(connections.places.lock().by_client.is_empty());
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        assert_eq!(client_of("2001:db8::1".parse().unwrap()), client_of("2001:db8::ffff:2".parse().unwrap()));
        assert_ne!(client_of("2001:db8::1".parse().unwrap()), client_of("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(client_of("::ffff:192.0.2.1".parse().unwrap()), A);
    }
}
