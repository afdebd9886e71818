//! What a frame holds: the part of dnstap's schema that a server fills in, by its numbers.

use std::net::IpAddr;
use std::time::Duration;

use cartonym_plugin::{Client, Exchange, Transport};

/// The payload of a frame.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Dnstap {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) identity: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) version: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) extra: Option<Vec<u8>>,
    #[prost(message, optional, tag = "14")]
    pub(crate) message: Option<Message>,
    #[prost(int32, required, tag = "15")]
    pub(crate) kind: i32,
}

/// One message that was received or sent.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Message {
    #[prost(int32, required, tag = "1")]
    pub(crate) kind: i32,
    #[prost(int32, optional, tag = "2")]
    pub(crate) family: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) protocol: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) query_address: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) response_address: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "6")]
    pub(crate) query_port: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub(crate) response_port: Option<u32>,
    #[prost(uint64, optional, tag = "8")]
    pub(crate) query_seconds: Option<u64>,
    #[prost(fixed32, optional, tag = "9")]
    pub(crate) query_nanos: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "10")]
    pub(crate) query: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "11")]
    pub(crate) zone: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "12")]
    pub(crate) response_seconds: Option<u64>,
    #[prost(fixed32, optional, tag = "13")]
    pub(crate) response_nanos: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "14")]
    pub(crate) response: Option<Vec<u8>>,
}

/// `Dnstap.Type.MESSAGE`.
pub(crate) const MESSAGE: i32 = 1;
/// `Message.Type.CLIENT_QUERY`.
pub(crate) const CLIENT_QUERY: i32 = 5;
/// `Message.Type.CLIENT_RESPONSE`.
pub(crate) const CLIENT_RESPONSE: i32 = 6;

/// `Message.Type.FORWARDER_QUERY`.
pub(crate) const FORWARDER_QUERY: i32 = 7;
/// `Message.Type.FORWARDER_RESPONSE`.
pub(crate) const FORWARDER_RESPONSE: i32 = 8;

impl Message {
    /// A message of an exchange with another server that began at `asked`; who asked is this server.
    pub(crate) fn of_exchange(kind: i32, exchange: &Exchange<'_>, asked: Duration) -> Message {
        let server = exchange.server.ip().to_canonical();
        Message {
            kind,
            family: Some(family(server)),
            protocol: Some(protocol(exchange.transport)),
            response_address: Some(octets(server)),
            response_port: Some(exchange.server.port().into()),
            query_seconds: Some(asked.as_secs()),
            query_nanos: Some(asked.subsec_nanos()),
            ..Message::default()
        }
    }

    /// A message of a client whose query came at `asked`.
    pub(crate) fn of(kind: i32, client: Client, asked: Duration) -> Message {
        let (address, local) = (client.address.ip().to_canonical(), client.local.ip().to_canonical());
        Message {
            kind,
            family: Some(family(address)),
            protocol: Some(protocol(client.transport)),
            query_address: Some(octets(address)),
            response_address: Some(octets(local)),
            query_port: Some(client.address.port().into()),
            response_port: Some(client.local.port().into()),
            query_seconds: Some(asked.as_secs()),
            query_nanos: Some(asked.subsec_nanos()),
            ..Message::default()
        }
    }

    /// Octets that a message takes with so many octets of DNS in it.
    pub(crate) const fn weight(octets: usize) -> usize {
        size_of::<Message>() + octets
    }

    /// Octets that it takes.
    pub(crate) fn own_weight(&self) -> usize {
        Message::weight([&self.query, &self.response].into_iter().flatten().map(Vec::len).sum())
    }
}

/// A number of `SocketFamily`.
fn family(address: IpAddr) -> i32 {
    if address.is_ipv4() { 1 } else { 2 }
}

/// A number of `SocketProtocol`.
fn protocol(transport: Transport) -> i32 {
    match transport {
        Transport::Udp | Transport::Internal => 1,
        Transport::Tcp => 2,
        Transport::Tls => 3,
        Transport::Https => 4,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
