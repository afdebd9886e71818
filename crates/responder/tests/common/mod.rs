//! A responder with one plugin, asked with octets.

#![allow(dead_code)]

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cartonym_plugin::{Client, Plugin, Query, Response, Resumed, Step, Transport};
use cartonym_responder::{Chain, Moment, Reply, Responder, ResponderBuilder, Scratch, Verdict};
use cartonym_wire::{Message, Name, NameBuf, OptionCode, Rcode, Section, Ttl, Type};

pub(crate) const NOW: Duration = Duration::from_secs(1_700_000_000);

/// Answers with what it knows of the query: the key's name and the cookie, as TXT.
pub(crate) struct Teller;

impl Plugin for Teller {
    fn name(&self) -> &'static str {
        "teller"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        match query.name().labels().next() {
            Some(b"later") => return Step::defer(std::future::ready(Resumed::Next)),
            Some(b"stream") => return stream(query.question().name),
            Some(b"long") => fill(query, response),
            Some(b"drop") => return Step::Drop,
            Some(b"pass") => return Step::Next,
            Some(b"panic") => panic!("as asked"),
            _ => {}
        }
        tell(query, response);
        Step::Answered
    }
}

/// Answers behind [`Teller`], when a query has waited.
pub(crate) struct Second;

impl Plugin for Second {
    fn name(&self) -> &'static str {
        "second"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.name().labels().next() == Some(b"pass") {
            return Step::Next;
        }
        tell(query, response);
        Step::Answered
    }
}

fn tell(query: &Query<'_>, response: &mut Response<'_>) {
    let key = query.key().map_or("none".to_owned(), |key| key.to_string());
    let text = format!("{key} {}", query.has_valid_cookie());
    let rdata = [&[text.len() as u8], text.as_bytes()].concat();
    let _ = response.record(Section::Answer, query.name(), Type::TXT, Ttl::ZERO, &rdata);
}

/// More than fits into any message.
fn fill(query: &Query<'_>, response: &mut Response<'_>) {
    let rdata = [&[250][..], &[b'x'; 250]].concat();
    while response.record(Section::Answer, query.name(), Type::TXT, Ttl::ZERO, &rdata).is_ok() {}
}

fn stream(name: &Name) -> Step {
    let message = query(&name.to_string(), &[]);
    Step::defer(std::future::ready(Resumed::Stream(Box::new(std::iter::repeat_n(message, 3)))))
}

pub(crate) fn responder(with: impl FnOnce(ResponderBuilder) -> ResponderBuilder) -> Arc<Responder> {
    let chain = Chain::new().then(Teller).then(Second);
    with(Responder::builder().zone(&name("example."), chain)).build()
}

pub(crate) fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

/// A TXT query, with an OPT record of these options if there is one.
pub(crate) fn query(qname: &str, options: &[(OptionCode, &[u8])]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(name(qname).as_wire());
    message.extend_from_slice(&[0, 16, 0, 1]);
    if !options.is_empty() {
        add_opt(&mut message, options);
    }
    message
}

pub(crate) fn add_opt(message: &mut Vec<u8>, options: &[(OptionCode, &[u8])]) {
    let mut rdata = Vec::new();
    for (code, data) in options {
        rdata.extend_from_slice(&code.0.to_be_bytes());
        rdata.extend_from_slice(&(data.len() as u16).to_be_bytes());
        rdata.extend_from_slice(data);
    }
    message[11] += 1;
    message.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0]);
    message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    message.extend_from_slice(&rdata);
}

pub(crate) fn client(transport: Transport) -> Client {
    let address = SocketAddr::from(([192, 0, 2, 7], 5300));
    Client { address, local: SocketAddr::from(([192, 0, 2, 1], 53)), transport }
}

/// The responses to a query: none, one, or those of a stream.
pub(crate) fn ask(responder: &Responder, message: &[u8], transport: Transport) -> Vec<Vec<u8>> {
    let limit = if transport == Transport::Udp { 1232 } else { 65535 };
    let mut out = vec![0xAA; limit];
    let moment = Moment { now: NOW, random: 0 };
    match responder.respond(&mut Scratch::default(), message, client(transport), moment, &mut out) {
        Verdict::Send(len) => vec![out[..len].to_vec()],
        Verdict::Drop => Vec::new(),
        Verdict::Wait(suspended) => match ready(suspended.resume(std::future::pending())) {
            Reply::Message(message) => vec![message],
            Reply::Stream(messages) => messages.collect(),
            Reply::Nothing => Vec::new(),
        },
    }
}

/// The one response over UDP.
pub(crate) fn answer(responder: &Responder, message: &[u8]) -> Vec<u8> {
    let mut responses = ask(responder, message, Transport::Udp);
    assert_eq!(responses.len(), 1);
    responses.remove(0)
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

pub(crate) fn rcode(message: &[u8]) -> Rcode {
    let message = Message::new(message).unwrap();
    let extended = message.records().map(Result::unwrap).find(|record| record.rtype == Type::OPT);
    let high = extended.map_or(0, |opt| (opt.ttl_bits >> 24) as u16);
    Rcode(high << 4 | message.header().flags.rcode().0)
}

/// The TXT of the answer.
pub(crate) fn text(message: &[u8]) -> String {
    let records = Message::new(message).unwrap().records().map(Result::unwrap);
    let mut texts = records.filter(|record| record.rtype == Type::TXT);
    texts.next().map_or(String::new(), |txt| String::from_utf8_lossy(&txt.rdata[1..]).into_owned())
}

pub(crate) fn types(message: &[u8]) -> Vec<Type> {
    Message::new(message).unwrap().records().map(|record| record.unwrap().rtype).collect()
}
