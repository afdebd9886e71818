//! From a set of records to its signatures.

use std::time::Duration;

use cartonym_plugin::metrics::Counter;
use cartonym_wire::{Name, NameBuf, Ttl, Type};
use ring::digest::{Context, SHA256};

use crate::canonical::RrSet;
use crate::key::Key;
use crate::store::{Digest, Signatures, Store};

/// Keys, the zones that they sign, and what they have signed.
#[derive(Debug)]
pub(crate) struct Signer {
    /// In lower case.
    zones: Vec<NameBuf>,
    keys: Vec<Key>,
    pub(crate) store: Store,
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
}

/// When something is signed, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Since the Unix epoch.
    pub(crate) now: Duration,
    pub(crate) random: u64,
    /// The route that counts it.
    pub(crate) route: usize,
}

impl Signer {
    pub(crate) fn new(zones: Vec<NameBuf>, keys: Vec<Key>, capacity: usize) -> Signer {
        Signer {
            zones,
            keys,
            store: Store::new(capacity),
            hits: Counter::default(),
            misses: Counter::default(),
        }
    }

    /// RDATA of the RRSIG records of a set in `zone`, made now or before; none if a key does not sign.
    pub(crate) fn sign(&self, zone: &Name, set: &RrSet<'_>, moment: Moment) -> Option<Signatures> {
        let original = original_ttl(set.ttl);
        let records = set.canonical(original);
        let digest = digest(zone, &records);
        let now = moment.now.as_secs();
        if let Some(signatures) = self.store.get(&digest, now) {
            self.hits.add_for(moment.route);
            return Some(signatures);
        }
        self.misses.add_for(moment.route);
        let expiration = now + VALIDITY + moment.random % JITTER;
        let keys = self.keys.iter().filter(|key| self.is_for(key, set.rtype));
        let times = Times { original, expiration, inception: now.saturating_sub(PAST) };
        let signatures: Signatures =
            keys.map(|key| rrsig(key, zone, set, times, &records)).collect::<Option<_>>()?;
        self.store.put(digest, signatures.clone(), expiration - RENEWAL);
        Some(signatures)
    }

    /// The zone of `name`: the longest of those that are signed.
    pub(crate) fn zone_of(&self, name: &Name) -> Option<&Name> {
        let zones = self.zones.iter().filter(|zone| name.is_within(zone));
        zones.max_by_key(|zone| zone.len()).map(|zone| &**zone)
    }

    /// The zone whose a set of `name` is: DS records are those of the zone above, if that is signed (RFC 4035 §2.4).
    pub(crate) fn zone_for(&self, name: &Name, rtype: Type) -> Option<&Name> {
        let above = name.parent().filter(|_| rtype == Type::DS).and_then(|parent| self.zone_of(parent));
        above.or_else(|| self.zone_of(name))
    }

    /// RDATA of the DNSKEY records of each zone.
    pub(crate) fn dnskeys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(Key::dnskey)
    }

    /// Whether a key signs sets of this type. It leaves to those of the other kind what is theirs, if there are any of its
    /// algorithm: each set has a signature by each algorithm (RFC 4035 §2.2).
    fn is_for(&self, key: &Key, rtype: Type) -> bool {
        let is_other =
            |other: &Key| other.algorithm() == key.algorithm() && other.signs_keys() != key.signs_keys();
        key.signs_keys() == (rtype == Type::DNSKEY) || !self.keys.iter().any(is_other)
    }
}

/// What a signature says of time.
#[derive(Clone, Copy)]
struct Times {
    original: Ttl,
    /// Seconds since the Unix epoch, as is `inception`.
    expiration: u64,
    inception: u64,
}

/// The RDATA of the RRSIG record by one key of a set whose records are `records` in canonical form (RFC 4034 §3.1).
fn rrsig(key: &Key, zone: &Name, set: &RrSet<'_>, times: Times, records: &[u8]) -> Option<Vec<u8>> {
    let mut rdata = set.rtype.0.to_be_bytes().to_vec();
    rdata.extend([key.algorithm(), set.labels()]);
    rdata.extend(times.original.as_secs().to_be_bytes());
    // Seconds modulo 2^32 (RFC 4034 §3.1.5).
    rdata.extend((times.expiration as u32).to_be_bytes());
    rdata.extend((times.inception as u32).to_be_bytes());
    rdata.extend(key.tag().to_be_bytes());
    rdata.extend(zone.as_wire());
    let signature = key.sign(&[&*rdata, records].concat())?;
    rdata.extend(signature);
    Some(rdata)
}

/// What a signature says that the TTL was: a round number, so that a TTL which counts down in a cache does not need a
/// signature a second, and none that is below it, for a validator takes off what is above (RFC 4035 §5.3.3).
fn original_ttl(ttl: Ttl) -> Ttl {
    let rounds = [3600, 86_400, 604_800, i32::MAX as u32];
    let round = rounds.into_iter().find(|round| ttl.as_secs() <= *round);
    Ttl::from_secs(round.unwrap_or(ttl.as_secs()))
}

/// All that is signed, but for what depends on time and on the key.
fn digest(zone: &Name, records: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    // A name says where it ends: no zone and records look like others.
    context.update(zone.as_wire());
    context.update(records);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// Seconds a signature is valid before it is made: clocks differ.
const PAST: u64 = 3 * 3600;
/// Seconds it is valid, and how many more by chance, so that not all have to be renewed at once.
const VALIDITY: u64 = 8 * 86_400;
const JITTER: u64 = 6 * 3600;
/// Seconds before its end from which on it is not used: answers are kept elsewhere.
const RENEWAL: u64 = 2 * 86_400;

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    /// A signature with the times of an example.
    fn sign(key: &Key, set: &RrSet<'_>, expiration: u64, inception: u64) -> Vec<u8> {
        let times = Times { original: Ttl::from_secs(3600), expiration, inception };
        let records = set.canonical(times.original);
        rrsig(key, key.owner(), set, times, &records).unwrap()
    }

    fn check_ed25519(public: &str, private: &str, tag: u16, signature: &str) {
        let public = format!("example.com. 3600 IN DNSKEY 257 3 15 (\n {public} )");
        let private = format!("Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\nPrivateKey: {private}\n");
        let key = Key::parse(&public, &private).unwrap();
        assert_eq!(key.tag(), tag);
        let owner: NameBuf = "example.com.".parse().unwrap();
        let rdatas = vec![&b"\0\x0A\x04mail\x07example\x03com\0"[..]];
        let set = RrSet { owner: &owner, rtype: Type::MX, ttl: Ttl::from_secs(3600), rdatas };
        let signed = sign(&key, &set, 1_440_021_600, 1_438_207_200);
        assert_eq!(BASE64.encode(&signed[18 + owner.len()..]), signature);
    }

    #[test]
    fn a_signature_is_that_of_rfc_8080() {
        check_ed25519(
            "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
            "ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=",
            3613,
            "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==",
        );
        check_ed25519(
            "zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=",
            "DSSF3o0s0f+ElWzj9E/Osxw8hLpk55chkmx0LYN5WiY=",
            35217,
            "zXQ0bkYgQTEFyfLyi9QoiY6D8ZdYo4wyUhVioYZXFdT410QPRITQSqJSnzQoSm5poJ7gD7AQR0O7KuI5k2pcBg==",
        );
    }

    #[test]
    fn what_is_signed_is_that_of_rfc_6605() {
        let public = "example.net. 3600 IN DNSKEY 257 3 13 (\n\
                      GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb\n\
                      krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA== )";
        let private = "PrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=";
        let key = Key::parse(public, private).unwrap();
        assert_eq!(key.tag(), 55648);
        // In another case than it is signed.
        let owner: NameBuf = "WWW.example.NET.".parse().unwrap();
        let rdatas = vec![&[192, 0, 2, 1][..]];
        let set = RrSet { owner: &owner, rtype: Type::A, ttl: Ttl::from_secs(3600), rdatas };
        let ours = sign(&key, &set, 1_284_026_679, 1_281_607_479);
        let (fields, _) = ours.split_at(18 + key.owner().len());
        let signed = [fields, &set.canonical(Ttl::from_secs(3600))].concat();
        let theirs =
            "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==";
        let public = [&[4], &key.dnskey()[4..]].concat();
        let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
        verifier.verify(&signed, &BASE64.decode(theirs.as_bytes()).unwrap()).unwrap();
        verifier.verify(&signed, &ours[fields.len()..]).unwrap();
    }

    #[test]
    fn the_original_ttl_is_round_and_never_less_than_the_ttl() {
        let rounds =
            [(0, 3600), (3600, 3600), (3601, 86_400), (86_401, 604_800), (2_000_000, i32::MAX as u32)];
        for (ttl, original) in rounds {
            assert_eq!(original_ttl(Ttl::from_secs(ttl)).as_secs(), original, "{ttl}");
        }
    }
}
