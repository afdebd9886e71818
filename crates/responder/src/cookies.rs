//! DNS cookies (RFC 7873) of the form on which servers agree (RFC 9018).
//!
//! ```text
//! 0    client cookie      8 octets, the client's choice
//! 8    version, reserved  1, 0 0 0
//! 12   timestamp          4, seconds since the Unix epoch, modulo 2^32
//! 16   hash               8: SipHash-2-4 of all before and the client's address
//! ```

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use siphasher::sip::SipHasher24;

/// The secrets that cookies are made with, and who must have one. Prints without the secrets.
#[derive(Clone)]
pub struct Cookies {
    /// The first makes cookies; both verify them.
    secrets: [Option<Secret>; 2],
    require: Require,
}

/// Of whom a cookie of this server's is required; the others are told theirs, with BADCOOKIE.
///
/// Only clients that know of cookies at all, and only over UDP, where an address can be forged.
#[derive(Clone, Debug, Default)]
pub enum Require {
    /// Of nobody.
    #[default]
    Never,
    /// Of everybody.
    Always,
    /// Of everybody while this is set.
    While(Arc<AtomicBool>),
}

/// What a client's cookie came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Checked {
    /// The client's cookie and the server's, for the response.
    pub(crate) cookie: Cookie,
    /// Whether the client had a cookie of this server's.
    pub(crate) is_valid: bool,
}

/// The option is too short or too long (RFC 7873 §5.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BadLength;

/// A client cookie and a server cookie.
pub(crate) type Cookie = [u8; 24];
type Secret = [u8; 16];

/// For how long a cookie is taken, and how far its time may be ahead (RFC 9018 §4.3).
const LIFE: i32 = 3600;
const AHEAD: i32 = 300;
/// When a client is given a new one.
const RENEWED: i32 = 1800;

impl Cookies {
    /// Cookies of a secret of one's own; servers of one address share it.
    pub fn new(secret: [u8; 16]) -> Cookies {
        Cookies { secrets: [Some(secret), None], require: Require::Never }
    }

    /// Cookies of a secret that this process has drawn by lot.
    pub fn of_this_process() -> Cookies {
        static SECRET: OnceLock<Secret> = OnceLock::new();
        Cookies::new(*SECRET.get_or_init(|| {
            // The standard library keys its hash tables with randomness of the operating system's.
            let lot = RandomState::new();
            (u128::from(lot.hash_one(0)) << 64 | u128::from(lot.hash_one(1))).to_ne_bytes()
        }))
    }

    /// Takes cookies of another secret too: the one before, or the one that comes next (RFC 9018 §5).
    #[must_use]
    pub fn also_of(mut self, secret: [u8; 16]) -> Cookies {
        self.secrets[1] = Some(secret);
        self
    }

    /// Says of whom a cookie is required.
    #[must_use]
    pub fn require(mut self, require: Require) -> Cookies {
        self.require = require;
        self
    }

    /// Whether a client that knows of cookies must have one now.
    pub(crate) fn are_required(&self) -> bool {
        match &self.require {
            Require::Never => false,
            Require::Always => true,
            Require::While(loaded) => loaded.load(Ordering::Relaxed),
        }
    }

    /// Looks at the data of a client's option, and gives that of the response's.
    pub(crate) fn check(&self, data: &[u8], client: IpAddr, now: Duration) -> Result<Checked, BadLength> {
        let (client_cookie, server_cookie) = data.split_first_chunk::<8>().ok_or(BadLength)?;
        if !matches!(server_cookie.len(), 0 | 8..=32) {
            return Err(BadLength);
        }
        let (client, now) = (client.to_canonical(), now.as_secs() as u32);
        let age = self.age(data, client, now);
        let cookie = match (age, data.first_chunk()) {
            (Some(..=RENEWED), Some(cookie)) => *cookie,
            _ => self.make(client_cookie, client, now),
        };
        Ok(Checked { cookie, is_valid: age.is_some() })
    }

    /// How old a cookie is, in seconds; none unless it is this server's, its client's, and of this hour.
    fn age(&self, data: &[u8], client: IpAddr, now: u32) -> Option<i32> {
        let cookie: &Cookie = data.first_chunk().filter(|_| data.len() == 24)?;
        let [head @ .., a, b, c, d, _, _, _, _, _, _, _, _] = cookie;
        if head[8] != 1 {
            return None;
        }
        // Serial number arithmetic: the counter goes round in 2106.
        let age = now.wrapping_sub(u32::from_be_bytes([*a, *b, *c, *d])) as i32;
        let is_ours = |secret: &Secret| hash(cookie, client, secret) == cookie[16..];
        ((-AHEAD..=LIFE).contains(&age) && self.secrets.iter().flatten().any(is_ours)).then_some(age)
    }

    fn make(&self, client_cookie: &[u8; 8], client: IpAddr, now: u32) -> Cookie {
        let mut cookie = [0; 24];
        cookie[..8].copy_from_slice(client_cookie);
        cookie[8] = 1;
        cookie[12..16].copy_from_slice(&now.to_be_bytes());
        if let [Some(secret), _] = &self.secrets {
            let hash = hash(&cookie, client, secret);
            cookie[16..].copy_from_slice(&hash);
        }
        cookie
    }
}

/// The hash of a cookie's first sixteen octets and the client's address.
fn hash(cookie: &Cookie, client: IpAddr, secret: &Secret) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(&cookie[..16]);
    match client {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
    hasher.finish().to_le_bytes()
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies").field("require", &self.require).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    fn check(secret: &str, cookie: &[u8], client: &str, now: u64) -> Checked {
        let cookies = Cookies::new(hex(secret));
        cookies.check(cookie, client.parse().unwrap(), Duration::from_secs(now)).unwrap()
    }

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    /// RFC 9018 appendix A.1.
    #[test]
    fn a_new_client_learns_the_cookie_that_all_servers_make() {
        let checked = check(SECRET, &hex::<8>("2464c4abcf10c957"), "198.51.100.100", 1559731985);
        let cookie = hex("2464c4abcf10c957010000005cf79f111f8130c3eee29480");
        assert_eq!(checked, Checked { cookie, is_valid: false });
    }

    /// RFC 9018 appendix A.2.
    #[test]
    fn a_cookie_of_half_an_hour_is_taken_and_renewed() {
        let old = hex::<24>("2464c4abcf10c957010000005cf79f111f8130c3eee29480");
        let checked = check(SECRET, &old, "198.51.100.100", 1559734385);
        let cookie = hex("2464c4abcf10c957010000005cf7a871d4a564a1442aca77");
        assert_eq!(checked, Checked { cookie, is_valid: true });
    }

    /// RFC 9018 appendix A.4.
    #[test]
    fn a_secret_is_rolled_over() {
        let old = hex("dd3bdf9344b678b185a6f5cb60fca715");
        let new = hex("445536bcd2513298075a5d379663c962");
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let before = hex::<24>("22681ab97d52c298010000005cf7c57926556bd0934c72f8");
        let after = hex::<24>("22681ab97d52c298010000005cf7c609a6bb79d16625507a");
        let now = Duration::from_secs(1559741961);
        let rolled = Cookies::new(new).also_of(old);
        assert!(rolled.check(&before, client, now).unwrap().is_valid);
        assert_eq!(rolled.check(&before[..8], client, now).unwrap().cookie, after);
        assert!(!Cookies::new(new).check(&before, client, now).unwrap().is_valid);
    }

    #[test]
    fn a_fresh_cookie_comes_back_as_it_is() {
        let client = "192.0.2.1";
        let cookie = check(SECRET, b"ABCDEFGH", client, 1_000_000).cookie;
        for age in [0, 1800] {
            let checked = check(SECRET, &cookie, client, 1_000_000 + age);
            assert_eq!(checked, Checked { cookie, is_valid: true });
        }
    }

    #[test]
    fn a_cookie_is_bound_to_its_time() {
        let cookie = check(SECRET, b"ABCDEFGH", "192.0.2.1", 1_000_000).cookie;
        for (now, is_valid) in [(999_699, false), (999_700, true), (1_003_600, true), (1_003_601, false)] {
            assert_eq!(check(SECRET, &cookie, "192.0.2.1", now).is_valid, is_valid, "{now}");
        }
    }

    #[test]
    fn the_counter_of_seconds_may_go_round() {
        let cookie = check(SECRET, b"ABCDEFGH", "192.0.2.1", (1 << 32) - 10).cookie;
        assert!(check(SECRET, &cookie, "192.0.2.1", (1 << 32) + 10).is_valid);
    }

    #[test]
    fn a_cookie_is_bound_to_its_client_and_each_of_its_octets() {
        let cookie = check(SECRET, b"ABCDEFGH", "192.0.2.1", 1_000_000).cookie;
        assert!(!check(SECRET, &cookie, "192.0.2.2", 1_000_000).is_valid);
        assert!(check(SECRET, &cookie, "::ffff:192.0.2.1", 1_000_000).is_valid);
        for at in 0..24 {
            let mut changed = cookie;
            changed[at] ^= 1;
            assert!(!check(SECRET, &changed, "192.0.2.1", 1_000_000).is_valid, "octet {at}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_rfc() {
        let cookies = Cookies::new(hex(SECRET));
        for len in 0..64 {
            let data = vec![b'A'; len];
            let checked = cookies.check(&data, IpAddr::from([192, 0, 2, 1]), Duration::ZERO);
            assert_eq!(checked.is_ok(), len == 8 || (16..=40).contains(&len), "{len}");
        }
    }
}
