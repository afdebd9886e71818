//! The API's own name in DNS, and the `data-` name beside it.
//!
//! AWS clients put `data-` before the host for DiscoverInstances and DiscoverInstancesRevision. Where the API has a name that
//! this server answers, both names lead to it, and clients need no setting.

use std::net::{IpAddr, SocketAddr};

use cartonym::plugin::{Plugin, Query, Response, Step};
use cartonym::wire::{Class, Name, NameBuf, NameError, Section, Ttl, Type};

/// Answers for the API's names.
#[derive(Debug)]
pub(crate) struct Endpoint {
    names: [NameBuf; 2],
    address: IpAddr,
}

impl Endpoint {
    /// The names of an API called `name`, which listens on `api`.
    pub(crate) fn new(name: &Name, api: SocketAddr) -> Result<Endpoint, NameError> {
        let (label, parent) = name.labels().next().zip(name.parent()).ok_or(NameError::EmptyLabel)?;
        let data = NameBuf::child(&[b"data-", label].concat(), parent)?;
        Ok(Endpoint { names: [name.to_lowercase(), data.to_lowercase()], address: api.ip() })
    }
}

impl Plugin for Endpoint {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN || !self.names.iter().any(|name| **name == *query.name()) {
            return Step::Next;
        }
        response.set_authoritative(true);
        // An API that listens on all addresses is also where the query came to.
        let address = if self.address.is_unspecified() { query.client().local.ip() } else { self.address };
        let owner = query.question().name;
        // What does not fit is marked as truncated by the response itself.
        let _ = match (address, query.qtype()) {
            (IpAddr::V4(v4), Type::A) => response.record(Section::Answer, owner, Type::A, TTL, &v4.octets()),
            (IpAddr::V6(v6), Type::AAAA) => {
                response.record(Section::Answer, owner, Type::AAAA, TTL, &v6.octets())
            }
            _ => Ok(()),
        };
        Step::Answered
    }
}

const TTL: Ttl = Ttl::from_secs(60);
