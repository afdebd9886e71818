//! Balancers that say whom they speak for, in a header of the PROXY protocol.
//!
//! ```text
//! v1   PROXY TCP4 192.0.2.1 198.51.100.1 40000 53\r\n                       in front of a stream
//! v2   \r\n\r\n\0\r\nQUIT\n  21  11  000C  source, destination, ports        in front of a stream, or of a datagram
//! ```

use std::collections::HashMap;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use cartonym_plugin::{Client, Network};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::begun::Begun;

/// Who speaks for others, and what becomes of those who say so and may not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proxies {
    /// Those who may; everybody if there are none.
    pub allowed: Vec<Network>,
    /// What happens to the others.
    pub others: Others,
    /// For how long a datagram without a header is from where the one before it from the same address and port was; and
    /// of how many addresses this is known at most, by each worker. More than 2^20 are as many.
    pub sessions: Option<(Duration, usize)>,
}

/// What happens to headers of those who may not speak for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// They are believed all the same.
    Use,
    /// They are read over.
    Ignore,
    /// Connections and datagrams that have one are dropped.
    Reject,
    /// They are no headers, but data.
    Skip,
}

/// Whom balancers have spoken for in datagrams: a worker's own memory.
///
/// What is used goes to the young ones. When these are half of all there may be, they become the old ones, and the old
/// ones go: each step costs the same however many there are, and who was heard of lately stays. Nothing is taken out
/// alone, so that a table never grows past the room it was given.
#[derive(Default)]
pub(crate) struct Sessions {
    young: Generation,
    old: Generation,
}

/// When a peer was last heard, and for whom it spoke.
type Generation = HashMap<SocketAddr, (Duration, SocketAddr)>;

/// What octets begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Start {
    /// No header.
    Data,
    /// Perhaps a header, of which more has to come.
    Part,
    /// A header of so many octets, and whom it speaks for.
    Header(usize, Option<SocketAddr>),
    /// What begins like a header and is none.
    Malformed,
}

/// The header is not to be believed, or not to be read: what came with it is dropped.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Dropped;

impl Proxies {
    /// Whether a peer may speak for others.
    pub(crate) fn include(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.allowed.is_empty() || self.allowed.iter().any(|network| network.contains(peer))
    }

    fn policy(&self, peer: IpAddr) -> Others {
        if self.include(peer) { Others::Use } else { self.others }
    }

    /// Finds out who sends a datagram; gives the length of its header.
    pub(crate) fn unwrap(
        &self,
        datagram: &[u8],
        client: &mut Client,
        now: Duration,
        sessions: &mut Sessions,
    ) -> Result<usize, Dropped> {
        let peer = client.address;
        let policy = self.policy(peer.ip());
        match (policy, read_datagram(datagram)) {
            (Others::Skip, _) => Ok(0),
            (Others::Use, Start::Header(len, source)) => {
                client.address = source.unwrap_or(peer);
                if let (Some(source), Some((_, most))) = (source, self.sessions) {
                    sessions.remember(peer, source, now, most);
                }
                Ok(len)
            }
            (Others::Use, Start::Data | Start::Part) => {
                if let Some((time, most)) = self.sessions
                    && let Some(source) = sessions.recall(peer, now, time, most)
                {
                    client.address = source;
                }
                Ok(0)
            }
            (_, Start::Data | Start::Part) => Ok(0),
            (Others::Ignore, Start::Header(len, _)) => Ok(len),
            (Others::Reject, Start::Header(..)) | (_, Start::Malformed) => Err(Dropped),
        }
    }

    /// Finds out who opened a connection, and reads its header.
    pub(crate) async fn greet(&self, mut stream: TcpStream, client: &mut Client) -> Result<Begun, Dropped> {
        let policy = self.policy(client.address.ip());
        if policy == Others::Skip {
            return Ok(Begun::new(stream, &[]));
        }
        let (mut room, mut len) = ([0; LONGEST], 0);
        loop {
            let seen = room.get(..len).unwrap_or_default();
            match (policy, read(seen)) {
                (_, Start::Data) => return Ok(Begun::new(stream, seen)),
                (Others::Use | Others::Ignore, Start::Header(header, source)) => {
                    if policy == Others::Use {
                        client.address = source.unwrap_or(client.address);
                    }
                    return Ok(Begun::new(stream, seen.get(header..).unwrap_or_default()));
                }
                (_, Start::Part) => {
                    let rest = room.get_mut(len..).unwrap_or_default();
                    // Nothing comes where the client has gone, or said all that a header may be.
                    match stream.read(rest).await {
                        Ok(more @ 1..) => len += more,
                        _ => return Err(Dropped),
                    }
                }
                _ => return Err(Dropped),
            }
        }
    }
}

impl Sessions {
    /// Knows from now on for whom a peer speaks, and of `most` peers at most.
    fn remember(&mut self, peer: SocketAddr, source: SocketAddr, now: Duration, most: usize) {
        let half = most.min(MOST_SESSIONS).div_ceil(2);
        if self.young.len() >= half && !self.young.contains_key(&peer) {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        if self.young.capacity() < half {
            self.make_room(half);
        }
        self.young.insert(peer, (now, source));
    }

    /// For whom a peer speaks, if it was heard less than `time` ago.
    fn recall(&mut self, peer: SocketAddr, now: Duration, time: Duration, most: usize) -> Option<SocketAddr> {
        let (seen, source) = *self.young.get(&peer).or_else(|| self.old.get(&peer))?;
        if now.saturating_sub(seen) >= time {
            return None;
        }
        self.remember(peer, source, now, most);
        Some(source)
    }

    /// All the room that a generation will need, with the first header for each of the two.
    #[cold]
    fn make_room(&mut self, half: usize) {
        self.young.reserve(half.saturating_sub(self.young.len()));
    }
}

/// Reads the header that a datagram begins with: there is only version 2, and it comes whole.
fn read_datagram(octets: &[u8]) -> Start {
    if octets.starts_with(V2) { read_v2(octets) } else { Start::Data }
}

/// Reads the header that octets begin with.
fn read(octets: &[u8]) -> Start {
    if begins(octets, V2) {
        return if octets.len() < V2.len() { Start::Part } else { read_v2(octets) };
    }
    if begins(octets, V1) {
        return if octets.len() < V1.len() { Start::Part } else { read_v1(octets) };
    }
    Start::Data
}

/// Whether octets begin with a mark, or are the beginning of it.
fn begins(octets: &[u8], mark: &[u8]) -> bool {
    octets.iter().zip(mark).all(|(octet, mark)| octet == mark)
}

fn read_v1(octets: &[u8]) -> Start {
    let line = octets.get(..octets.len().min(LONGEST_V1)).unwrap_or_default();
    let Some(end) = line.windows(2).position(|two| two == b"\r\n") else {
        return if line.len() < LONGEST_V1 { Start::Part } else { Start::Malformed };
    };
    let text = line.get(..end).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let mut words = text.split(' ').skip(1);
    let source = match [words.next(), words.next(), words.next(), words.next(), words.next(), words.next()] {
        [Some("UNKNOWN"), ..] => None,
        [Some("TCP4" | "TCP6"), Some(source), Some(_), Some(port), Some(_), None] => {
            match (source.parse(), port.parse()) {
                (Ok(source), Ok(port)) => Some(SocketAddr::new(source, port)),
                _ => return Start::Malformed,
            }
        }
        _ => return Start::Malformed,
    };
    Start::Header(end + 2, source)
}

fn read_v2(octets: &[u8]) -> Start {
    let [.., version, family, high, low] = octets.get(..16).unwrap_or_default() else { return Start::Part };
    let len = 16 + usize::from(u16::from_be_bytes([*high, *low]));
    if len > LONGEST {
        return Start::Malformed;
    }
    let Some(addresses) = octets.get(16..len) else { return Start::Part };
    let source = match (version, family >> 4) {
        // The balancer speaks for itself, as when it looks whether somebody is there.
        (0x20, _) | (0x21, 0 | 3) => None,
        (0x21, 1) => match addresses.first_chunk::<12>() {
            Some(&[a, b, c, d, _, _, _, _, p, q, ..]) => {
                Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([p, q])))
            }
            None => return Start::Malformed,
        },
        (0x21, 2) => match (addresses.first_chunk::<16>(), addresses.get(32..34), addresses.len() >= 36) {
            (Some(&source), Some(&[p, q]), true) => {
                Some(SocketAddr::new(Ipv6Addr::from(source).into(), u16::from_be_bytes([p, q])))
            }
            _ => return Start::Malformed,
        },
        _ => return Start::Malformed,
    };
    Start::Header(len, source)
}

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of a line, by the protocol.
const LONGEST_V1: usize = 107;
/// Octets of a header with all that balancers add to it.
const LONGEST: usize = 1024;
/// Sessions of a worker: some 80 MB, should all be there.
const MOST_SESSIONS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use cartonym_plugin::Transport;

    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &len, rest].concat()
    }

    fn v4() -> Vec<u8> {
        v2(0x21, 0x12, &[192, 0, 2, 7, 198, 51, 100, 1, 0x10, 0, 0, 53])
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn headers_are_read() {
        let v6 =
            v2(0x21, 0x21, &[[0x20, 1, 0xD, 0xB8].as_slice(), &[0; 28], &[0x10, 0, 0, 53, 9, 9]].concat());
        let table: [(&[u8], Start); 10] = [
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 53\r\nx",
                Start::Header(44, Some(address("192.0.2.1:40000"))),
            ),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 1 53\r\n",
                Start::Header(41, Some(address("[2001:db8::1]:1"))),
            ),
            (b"PROXY UNKNOWN\r\n", Start::Header(15, None)),
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 53", Start::Part),
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 53\r\n", Start::Malformed),
            (b"PROXY TCP4 nobody 198.51.100.1 1 53\r\n", Start::Malformed),
            (&v4(), Start::Header(28, Some(address("192.0.2.7:4096")))),
            (&v6, Start::Header(54, Some(address("[2001:db8::]:4096")))),
            (&v2(0x20, 0, &[]), Start::Header(16, None)),
            (&v2(0x31, 0x11, &[0; 12]), Start::Malformed),
        ];
        for (octets, expected) in table {
            assert_eq!(read(octets), expected, "{}", octets.escape_ascii());
        }
        for cut in 1..28 {
            assert_eq!(read(&v4()[..cut]), Start::Part, "{cut}");
        }
        assert_eq!(read(b"\x12\x34\x01\x00"), Start::Data);
        assert_eq!(read(&v2(0x21, 0x11, &[0; 4])), Start::Malformed);
        assert_eq!(read(&v2(0x21, 0x11, &[0; 2000])), Start::Malformed);
    }

    #[test]
    fn whatever_a_header_has_become_it_is_read_or_not() {
        let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 53\r\n".to_vec();
        for header in [v1, v4()] {
            for (at, octet) in (0..header.len()).flat_map(|at| (0..=u8::MAX).map(move |octet| (at, octet))) {
                let mut changed = header.clone();
                changed[at] = octet;
                if let Start::Header(len, _) = read(&changed) {
                    assert!(len <= changed.len(), "{}", changed.escape_ascii());
                }
            }
        }
    }

    /// The length of the header of a datagram and its sender, as proxies have it.
    fn unwrapped(
        proxies: &Proxies,
        datagram: &[u8],
        now: u64,
        sessions: &mut Sessions,
    ) -> Option<(usize, String)> {
        let (address, local) = (address("127.0.0.1:9"), address("127.0.0.1:53"));
        let mut client = Client { address, local, transport: Transport::Udp };
        let len = proxies.unwrap(datagram, &mut client, Duration::from_secs(now), sessions).ok()?;
        Some((len, client.address.to_string()))
    }

    #[test]
    fn who_may_not_speak_for_others_is_treated_as_it_is_said() {
        let of = |others| {
            let allowed = vec!["192.0.2.0/24".parse().unwrap()];
            unwrapped(&Proxies { allowed, others, sessions: None }, &v4(), 0, &mut Sessions::default())
        };
        assert_eq!(of(Others::Use), Some((28, "192.0.2.7:4096".into())));
        assert_eq!(of(Others::Ignore), Some((28, "127.0.0.1:9".into())));
        assert_eq!(of(Others::Skip), Some((0, "127.0.0.1:9".into())));
        assert_eq!(of(Others::Reject), None);
    }

    #[test]
    fn a_session_lasts_while_it_is_used() {
        let proxies = Proxies {
            allowed: Vec::new(),
            others: Others::Ignore,
            sessions: Some((Duration::from_secs(10), 1)),
        };
        let mut sessions = Sessions::default();
        let mut sender = |datagram: &[u8], now| unwrapped(&proxies, datagram, now, &mut sessions).unwrap().1;
        assert_eq!(sender(b"\x12\x34", 0), "127.0.0.1:9");
        assert_eq!(sender(&v4(), 0), "192.0.2.7:4096");
        assert_eq!(sender(b"\x12\x34", 9), "192.0.2.7:4096");
        assert_eq!(sender(b"\x12\x34", 18), "192.0.2.7:4096");
        assert_eq!(sender(b"\x12\x34", 28), "127.0.0.1:9");
    }

    #[test]
    fn who_is_heard_again_stays_and_the_room_does_not_grow() {
        let (hour, most) = (Duration::from_secs(3600), 100);
        let peer = |n: u16| SocketAddr::from(([127, 0, 0, 1], n));
        let mut sessions = Sessions::default();
        let mut rooms = Vec::new();
        for n in 1..10_000 {
            sessions.remember(peer(n), address("192.0.2.1:1"), Duration::ZERO, most);
            // The first speaks all the time, without a header.
            assert!(sessions.recall(peer(1), Duration::ZERO, hour, most).is_some(), "{n}");
            assert!(sessions.recall(peer(n), Duration::ZERO, hour, most).is_some(), "{n}");
            rooms.push([sessions.young.capacity(), sessions.old.capacity()]);
        }
        assert!(sessions.young.len() <= 50 && sessions.old.len() <= 50);
        assert!(sessions.recall(peer(9_800), Duration::ZERO, hour, most).is_none());
        let (first, last) = (rooms[200].iter().sum::<usize>(), rooms[9_998].iter().sum::<usize>());
        assert_eq!(first, last, "both generations have the room that they had");
    }

    #[test]
    fn a_known_peer_that_speaks_again_takes_nobody_s_place() {
        let mut sessions = Sessions::default();
        let (first, second) = (address("127.0.0.1:1"), address("127.0.0.1:2"));
        for _ in 0..10 {
            sessions.remember(first, address("192.0.2.1:1"), Duration::ZERO, 4);
            sessions.remember(second, address("192.0.2.2:1"), Duration::ZERO, 4);
        }
        let mut recall = |peer| sessions.recall(peer, Duration::ZERO, Duration::from_secs(1), 4);
        assert_eq!(recall(first), Some(address("192.0.2.1:1")));
        assert_eq!(recall(second), Some(address("192.0.2.2:1")));
    }

    #[test]
    fn a_datagram_has_a_header_of_version_2_or_none() {
        let proxies = Proxies { allowed: Vec::new(), others: Others::Ignore, sessions: None };
        let mut sessions = Sessions::default();
        let mut of = |datagram: &[u8]| unwrapped(&proxies, datagram, 0, &mut sessions);
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 53\r\n";
        assert_eq!(of(line), Some((0, "127.0.0.1:9".into())));
        assert_eq!(of(&v4()), Some((28, "192.0.2.7:4096".into())));
    }
}
