//! One key of SkyDNS: a name, and what its value says of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use cartonym_wire::{Name, NameBuf};
use serde::Deserialize;

/// What is known of a name from one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// The name that the key stands for, in lower case.
    pub(crate) name: BoxedName,
    pub(crate) host: Host,
    /// None if it is not to be found by SRV.
    pub(crate) port: Option<u16>,
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) text: Box<str>,
    pub(crate) is_mail: bool,
    /// In seconds, if the value says so.
    pub(crate) ttl: Option<u32>,
    /// How many labels a target leaves out of the name.
    pub(crate) strip: usize,
    pub(crate) group: Box<str>,
    /// The lease that the key goes with; 0 for none.
    pub(crate) lease: i64,
}

/// Where a service is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Host {
    Nowhere,
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// In lower case.
    Name(BoxedName),
}

/// A name in lower case that takes no more memory than it has octets: there may be a million.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct BoxedName(Box<[u8]>);

/// Why a key says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the key is not a domain name")]
    Key,
    #[error(transparent)]
    Value(#[from] serde_json::Error),
    #[error("`{0}` is neither an address nor a name")]
    Host(String),
    #[error("{0} is not a number from 0 to 65535")]
    Number(i64),
}

/// The value as it is written. What is null is as good as not there, and so is 0.
#[derive(Deserialize)]
struct Value {
    host: Option<String>,
    port: Option<i64>,
    priority: Option<i64>,
    weight: Option<u16>,
    text: Option<String>,
    mail: Option<bool>,
    ttl: Option<u32>,
    targetstrip: Option<i64>,
    group: Option<String>,
}

impl Entry {
    /// Of a key without the path, its labels from the root down between slashes.
    pub(crate) fn of(key: &[u8], value: &[u8], lease: i64) -> Result<Entry, Malformed> {
        let name = name_of(key).ok_or(Malformed::Key)?;
        let value: Value = serde_json::from_slice(value)?;
        Ok(Entry {
            name: BoxedName::from(&*name),
            host: Host::of(value.host.unwrap_or_default())?,
            port: match value.port.unwrap_or_default() {
                HIDDEN => None,
                port => Some(number(port)?),
            },
            priority: number(value.priority.filter(|number| *number != 0).unwrap_or(PRIORITY))?,
            weight: value.weight.filter(|weight| *weight != 0).unwrap_or(WEIGHT),
            text: value.text.unwrap_or_default().into(),
            is_mail: value.mail.unwrap_or_default(),
            ttl: value.ttl.filter(|ttl| *ttl != 0),
            strip: usize::try_from(value.targetstrip.unwrap_or_default()).unwrap_or_default(),
            group: value.group.unwrap_or_default().into(),
            lease,
        })
    }

    /// Its address, if that is what it has.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::V4(v4) => Some(v4.into()),
            Host::V6(v6) => Some(v6.into()),
            _ => None,
        }
    }

    /// The name of its host, where it has one of its own.
    pub(crate) fn alias(&self) -> Option<&Name> {
        match &self.host {
            Host::Name(name) => Some(name),
            _ => None,
        }
    }

    /// What SRV, MX and NS name: the host, or for an address the key's own name.
    pub(crate) fn target(&self) -> Option<NameBuf> {
        match &self.host {
            Host::Nowhere => None,
            Host::Name(name) => Some(name.to_buf()),
            Host::V4(_) | Host::V6(_) => {
                let mut name = &*self.name;
                for _ in 0..self.strip {
                    name = name.parent().unwrap_or(Name::ROOT);
                }
                Some(name.to_buf())
            }
        }
    }
}

impl Host {
    fn of(text: String) -> Result<Host, Malformed> {
        match text.parse() {
            _ if text.is_empty() => Ok(Host::Nowhere),
            Ok(IpAddr::V4(v4)) => Ok(Host::V4(v4)),
            // CoreDNS takes an IPv4 address in IPv6's clothes for one.
            Ok(IpAddr::V6(v6)) => Ok(v6.to_ipv4_mapped().map_or(Host::V6(v6), Host::V4)),
            Err(_) => match NameBuf::parse(text.as_bytes(), Name::ROOT) {
                Ok(name) => Ok(Host::Name(BoxedName::from(&*name.to_lowercase()))),
                Err(_) => Err(Malformed::Host(text)),
            },
        }
    }
}

impl From<&Name> for BoxedName {
    fn from(name: &Name) -> BoxedName {
        BoxedName(name.as_wire().into())
    }
}

impl Deref for BoxedName {
    type Target = Name;

    fn deref(&self) -> &Name {
        // It was made of a name.
        Name::from_wire(&self.0).unwrap_or(Name::ROOT)
    }
}

fn name_of(key: &[u8]) -> Option<NameBuf> {
    let labels = key.split(|octet| *octet == b'/');
    labels
        .into_iter()
        .try_fold(NameBuf::ROOT, |parent, label| NameBuf::child(&label.to_ascii_lowercase(), &parent).ok())
}

fn number(number: i64) -> Result<u16, Malformed> {
    u16::try_from(number).map_err(|_| Malformed::Number(number))
}

/// The port of what SRV does not tell of.
const HIDDEN: i64 = -1;
const PRIORITY: i64 = 10;
const WEIGHT: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> Result<Entry, Malformed> {
        Entry::of(b"test/SkyDNS/svc/a", value.as_bytes(), 0)
    }

    #[test]
    fn a_key_is_a_name_from_the_root_down() {
        assert_eq!(entry("{}").unwrap().name.to_string(), "a.svc.skydns.test.");
        for key in [&b""[..], b"a//b", b"a/"] {
            assert!(matches!(Entry::of(key, b"{}", 0), Err(Malformed::Key)));
        }
    }

    #[test]
    fn what_is_left_out_or_zero_has_its_default() {
        for value in ["{}", r#"{"priority":0,"weight":0,"ttl":0,"port":0,"host":null,"more":[1]}"#] {
            let entry = entry(value).unwrap();
            assert_eq!((entry.port, entry.priority, entry.weight, entry.ttl), (Some(0), 10, 100, None));
            assert_eq!(entry.host, Host::Nowhere);
        }
        assert_eq!(entry(r#"{"port":-1}"#).unwrap().port, None);
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let host = |text: &str| entry(&format!(r#"{{"host":"{text}"}}"#)).unwrap().host;
        assert_eq!(host("192.0.2.1"), Host::V4([192, 0, 2, 1].into()));
        assert_eq!(host("::ffff:192.0.2.1"), Host::V4([192, 0, 2, 1].into()));
        assert_eq!(host("2001:db8::1"), Host::V6("2001:db8::1".parse().unwrap()));
        let name: NameBuf = "www.example.net.".parse().unwrap();
        assert_eq!(host("Www.Example.net"), Host::Name(BoxedName::from(&*name)));
        assert_eq!(host("www.example.net."), host("Www.Example.net"));
    }

    #[test]
    fn a_value_of_another_kind_is_malformed() {
        for value in [
            "{not json",
            "[]",
            r#"{"port":"80"}"#,
            r#"{"port":70000}"#,
            r#"{"host":"a..b"}"#,
            r#"{"weight":-1}"#,
        ] {
            assert!(entry(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_target_is_the_keys_name_without_some_labels() {
        let target = |strip: u8| {
            let value = format!(r#"{{"host":"192.0.2.1","targetstrip":{strip}}}"#);
            entry(&value).unwrap().target().unwrap().to_string()
        };
        assert_eq!(target(0), "a.svc.skydns.test.");
        assert_eq!(target(1), "svc.skydns.test.");
        assert_eq!(target(9), ".");
    }
}
