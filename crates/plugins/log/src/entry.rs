//! What a line may tell about one query.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use cartonym_plugin::{Client, Query, Response, Told};
use cartonym_wire::{Class, Flags, NameBuf, Opcode, Rcode, Type};

/// The facts of one query and its response, to be written later.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) client: Client,
    pub(crate) id: u16,
    pub(crate) opcode: Opcode,
    pub(crate) name: NameBuf,
    pub(crate) qtype: Type,
    pub(crate) qclass: Class,
    pub(crate) size: usize,
    pub(crate) dnssec_ok: bool,
    pub(crate) buffer_size: u16,
    pub(crate) rcode: Rcode,
    pub(crate) flags: Flags,
    pub(crate) response_size: usize,
    pub(crate) duration: Duration,
    /// What plugins tell of the query, by the order of the labels in the format.
    pub(crate) labels: Vec<Option<Box<str>>>,
}

impl Entry {
    pub(crate) fn new(
        query: &Query<'_>,
        response: &Response<'_>,
        with_duration: bool,
        told: &[Told],
    ) -> Entry {
        let question = query.question();
        Entry {
            client: query.client(),
            id: query.id(),
            opcode: query.opcode(),
            name: question.name.to_lowercase(),
            qtype: question.qtype,
            qclass: question.qclass,
            size: query.message().as_bytes().len(),
            dnssec_ok: query.edns().is_some_and(|edns| edns.dnssec_ok),
            buffer_size: query.buffer_size(),
            rcode: response.rcode(),
            flags: response.flags(),
            response_size: response.len(),
            duration: if with_duration { since(query.now()) } else { Duration::ZERO },
            labels: told.iter().map(|label| label.text(query).map(Box::from)).collect(),
        }
    }

    pub(crate) fn remote(&self) -> IpAddr {
        self.client.address.ip().to_canonical()
    }

    pub(crate) fn local(&self) -> IpAddr {
        self.client.local.ip().to_canonical()
    }
}

/// The time since a query came; none where a query from within does not say when it came.
fn since(came: Duration) -> Duration {
    if came.is_zero() {
        return Duration::ZERO;
    }
    #[allow(clippy::disallowed_methods, reason = "no query brings its end along")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(came)
}
