//! A key of a zone, from the two files that BIND's `dnssec-keygen` writes of it.

use std::fmt;

use cartonym_wire::{Name, NameBuf, NameError};
use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::rsa::{self, KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding,
};

/// A key that signs.
pub(crate) struct Key {
    owner: NameBuf,
    /// The RDATA of its DNSKEY record (RFC 4034 §2.1).
    dnskey: Vec<u8>,
    tag: u16,
    private: Private,
    /// Where chance comes from that an ECDSA signature needs, and whose guessing would give the key away.
    chance: SystemRandom,
}

enum Private {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<rsa::KeyPair>, &'static dyn RsaEncoding),
}

/// Why files are no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KeyError {
    /// The public file has no DNSKEY record.
    #[error("no DNSKEY record")]
    NoRecord,
    /// The record's owner is no name.
    #[error("the record's owner: {0}")]
    Owner(NameError),
    /// The record's fields are not flags, protocol, algorithm and key.
    #[error("the DNSKEY record is malformed")]
    Record,
    /// It is none that signs a zone's records, or has been revoked.
    #[error("not the key of a zone")]
    NotOfAZone,
    /// The number is of an algorithm that is not there.
    #[error("algorithm {0} is not supported: use 13 (ECDSAP256SHA256), 14, 15 (ED25519), 8 or 10")]
    Algorithm(u8),
    /// The private file lacks a field, or it is no Base64.
    #[error("the private key has no `{0}`")]
    Field(&'static str),
    /// The library does not take it.
    #[error("the private key is malformed, or not that of the public key: {0}")]
    Rejected(String),
}

impl Key {
    /// The key of a DNSKEY record, as text, and of what stands in the private file.
    pub(crate) fn parse(public: &str, private: &str) -> Result<Key, KeyError> {
        let (owner, dnskey) = read_record(public)?;
        let [high, low, protocol, algorithm, public @ ..] = &*dnskey else { return Err(KeyError::Record) };
        let flags = u16::from_be_bytes([*high, *low]);
        if flags & ZONE == 0 || flags & REVOKE != 0 || *protocol != 3 {
            return Err(KeyError::NotOfAZone);
        }
        let chance = SystemRandom::new();
        let private = Fields(private);
        let private = match algorithm {
            8 => private.rsa(public, &RSA_PKCS1_SHA256)?,
            10 => private.rsa(public, &RSA_PKCS1_SHA512)?,
            13 => private.ecdsa(public, &ECDSA_P256_SHA256_FIXED_SIGNING, 32, &chance)?,
            14 => private.ecdsa(public, &ECDSA_P384_SHA384_FIXED_SIGNING, 48, &chance)?,
            15 => private.ed25519(public)?,
            other => return Err(KeyError::Algorithm(*other)),
        };
        Ok(Key { owner, tag: tag(&dnskey), dnskey, private, chance })
    }

    /// Signs `data`; none if chance gave out.
    pub(crate) fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        match &self.private {
            Private::Ecdsa(pair) => pair.sign(&self.chance, data).ok().map(|signed| signed.as_ref().to_vec()),
            Private::Ed25519(pair) => Some(pair.sign(data).as_ref().to_vec()),
            Private::Rsa(pair, encoding) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &self.chance, data, &mut signed).ok().map(|()| signed)
            }
        }
    }

    /// Whose key it is, in lower case.
    pub(crate) fn owner(&self) -> &Name {
        &self.owner
    }

    /// The RDATA of its DNSKEY record.
    pub(crate) fn dnskey(&self) -> &[u8] {
        &self.dnskey
    }

    /// The number by which a signature names it (RFC 4034 appendix B).
    pub(crate) fn tag(&self) -> u16 {
        self.tag
    }

    /// The number of its algorithm.
    pub(crate) fn algorithm(&self) -> u8 {
        self.dnskey.get(3).copied().unwrap_or_default()
    }

    /// Whether it is meant to sign keys: the flag SEP (RFC 4034 §2.1.1).
    pub(crate) fn signs_keys(&self) -> bool {
        self.dnskey.get(1).is_some_and(|low| low & 1 != 0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.owner, self.algorithm(), self.tag)
    }
}

/// The text of a private file: `Field: value` a line.
struct Fields<'a>(&'a str);

impl Fields<'_> {
    fn get(&self, field: &'static str) -> Result<Vec<u8>, KeyError> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(name, _)| *name == field).ok_or(KeyError::Field(field))?;
        BASE64.decode(value.trim().as_bytes()).map_err(|_| KeyError::Field(field))
    }

    fn ecdsa(
        &self,
        public: &[u8],
        algorithm: &'static EcdsaSigningAlgorithm,
        len: usize,
        chance: &SystemRandom,
    ) -> Result<Private, KeyError> {
        // Some writers leave zeros in front away.
        let mut private = self.get("PrivateKey")?;
        let missing = len.saturating_sub(private.len());
        private.splice(0..0, std::iter::repeat_n(0, missing));
        // 4 says that both coordinates follow, which in DNS is the only form (RFC 6605 §4).
        let public = [&[4], public].concat();
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &public, chance)
            .map(Private::Ecdsa)
            .map_err(rejected)
    }

    fn ed25519(&self, public: &[u8]) -> Result<Private, KeyError> {
        let seed = self.get("PrivateKey")?;
        Ed25519KeyPair::from_seed_and_public_key(&seed, public).map(Private::Ed25519).map_err(rejected)
    }

    fn rsa(&self, public: &[u8], encoding: &'static dyn RsaEncoding) -> Result<Private, KeyError> {
        let (e, n) = split_rsa(public).ok_or(KeyError::Record)?;
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n, e },
            d: &*self.get("PrivateExponent")?,
            p: &*self.get("Prime1")?,
            q: &*self.get("Prime2")?,
            dP: &*self.get("Exponent1")?,
            dQ: &*self.get("Exponent2")?,
            qInv: &*self.get("Coefficient")?,
        };
        let pair = rsa::KeyPair::from_components(&components).map_err(rejected)?;
        Ok(Private::Rsa(Box::new(pair), encoding))
    }
}

fn rejected(error: ring::error::KeyRejected) -> KeyError {
    KeyError::Rejected(error.to_string())
}

/// The owner and RDATA of the first DNSKEY record in `text`.
fn read_record(text: &str) -> Result<(NameBuf, Vec<u8>), KeyError> {
    let lines = text.lines().map(|line| line.split(';').next().unwrap_or_default());
    let words: Vec<&str> =
        lines.flat_map(|line| line.split([' ', '\t', '(', ')'])).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|word| word.eq_ignore_ascii_case("DNSKEY")).ok_or(KeyError::NoRecord)?;
    let (Some(owner), [_, flags, protocol, algorithm, key @ ..]) =
        (words.first(), words.get(at..).unwrap_or_default())
    else {
        return Err(KeyError::Record);
    };
    let owner = NameBuf::parse(owner.as_bytes(), Name::ROOT).map_err(KeyError::Owner)?.to_lowercase();
    let flags: u16 = flags.parse().map_err(|_| KeyError::Record)?;
    let mut rdata = flags.to_be_bytes().to_vec();
    rdata.push(protocol.parse().map_err(|_| KeyError::Record)?);
    rdata.push(algorithm.parse().map_err(|_| KeyError::Record)?);
    rdata.extend(BASE64.decode(key.concat().as_bytes()).map_err(|_| KeyError::Record)?);
    Ok((owner, rdata))
}

/// Exponent and modulus (RFC 3110 §2).
fn split_rsa(public: &[u8]) -> Option<(&[u8], &[u8])> {
    match public {
        [0, high, low, rest @ ..] => rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))),
        [len, rest @ ..] => rest.split_at_checked(usize::from(*len)),
        [] => None,
    }
}

/// The sum of all words, with what it carries over (RFC 4034 appendix B).
fn tag(dnskey: &[u8]) -> u16 {
    let add =
        |sum: u32, (at, octet): (usize, &u8)| sum + (u32::from(*octet) << if at % 2 == 0 { 8 } else { 0 });
    let sum = dnskey.iter().enumerate().fold(0, add);
    ((sum + (sum >> 16)) & 0xFFFF) as u16
}

/// Flags of a DNSKEY record (RFC 4034 §2.1.1, RFC 5011 §3).
const ZONE: u16 = 0x0100;
const REVOKE: u16 = 0x0080;
