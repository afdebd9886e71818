//! Bytes in, bytes out: a query is read, routed by its name, taken through a chain, and its response finished.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cartonym_plugin::{BoxFuture, Client, Context, Query, Resolve, Resolver, Response, Transport};
use cartonym_wire::{
    Builder, Class, Ede, Edns, Flags, HEADER_LEN, Hasher, Header, MAX_MESSAGE_LEN, Message, Name, NameBuf,
    Opcode, Qname, Question, Rcode, Section, SuffixMap, Type,
};

use crate::chain::{Chain, Progress};
use crate::request::{Refusal, Request};
use crate::suspended::Suspended;

/// Answers queries from its routes: a chain of plugins for each zone.
pub struct Responder {
    routes: SuffixMap<Route>,
    limits: Limits,
    suspended: AtomicUsize,
    me: Weak<Responder>,
    resolver: Resolver,
}

/// Collects the routes of a responder.
#[derive(Debug)]
pub struct ResponderBuilder {
    routes: SuffixMap<Route>,
    limits: Limits,
}

/// A zone and the chain that answers for it.
#[derive(Clone)]
struct Route {
    zone: NameBuf,
    chain: Chain,
}

/// What one responder allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a UDP response where the client allows as much; 1232 keeps it in one IPv6 packet (RFC 9715 §3.1).
    pub udp_size: u16,
    /// Queries that may wait at once; past that, SERVFAIL.
    pub suspended: usize,
}

/// What changes from query to query besides the query.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time since the Unix epoch; one reading may serve a batch.
    pub now: Duration,
    /// Uniform, and new for each query.
    pub random: u64,
}

/// A worker's own memory, reused from query to query.
#[derive(Debug, Default)]
pub struct Scratch {
    qname: Qname,
    options: Vec<u8>,
}

/// What to do with a query.
#[must_use]
#[derive(Debug)]
pub enum Verdict {
    /// Send so many octets of the buffer.
    Send(usize),
    /// Say nothing.
    Drop,
    /// The response will come from a future.
    Wait(Box<Suspended>),
}

impl Responder {
    /// A responder without routes.
    pub fn builder() -> ResponderBuilder {
        // Routes are the operator's choice, not a stranger's: their hashes need no secret.
        ResponderBuilder { routes: SuffixMap::new(Hasher::new(0)), limits: Limits::default() }
    }

    /// Answers one query; the response is written to `out`, which should hold 64 KiB for streams, and
    /// [`Limits::udp_size`] for datagrams.
    ///
    /// Whatever `query` holds, this neither panics nor allocates, except where a plugin does.
    pub fn respond(
        &self,
        scratch: &mut Scratch,
        query: &[u8],
        client: Client,
        moment: Moment,
        out: &mut [u8],
    ) -> Verdict {
        self.respond_with(&self.resolver, scratch, query, client, moment, out)
    }

    fn respond_with(
        &self,
        resolver: &Resolver,
        scratch: &mut Scratch,
        query: &[u8],
        client: Client,
        moment: Moment,
        out: &mut [u8],
    ) -> Verdict {
        let Scratch { qname, options } = scratch;
        let request = match Request::read(query, qname) {
            Ok(request) => request,
            Err(Refusal::Silence) => return Verdict::Drop,
            Err(Refusal::Bare(header, rcode)) => return refuse(header, rcode, out),
        };
        let limit = self.size_limit(client.transport, request.edns.as_ref());
        let mut response =
            begin(request.message, request.question, request.edns.is_some(), limit, options, out);
        let route = match self.admit(&request, qname) {
            Ok(route) => route,
            Err((rcode, ede)) => {
                fail(&mut response, rcode, ede);
                return Verdict::Send(finish(&mut response, request.edns.as_ref()));
            }
        };
        let context = Context { client, zone: &route.zone, resolver, random: moment.random, now: moment.now };
        let mut query = Query::new(request.message, request.question, qname, request.edns, context);
        match route.chain.guarded(0, &mut query, &mut response) {
            Progress::Answered => {}
            Progress::Exhausted => fail(&mut response, Rcode::REFUSED, Some(Ede::NOT_AUTHORITATIVE)),
            Progress::Dropped => return Verdict::Drop,
            Progress::Deferred(at, deferred) => match self.suspend() {
                Some(me) => {
                    let suspended = Suspended::new(me, route.chain.clone(), at, query.to_owned(), deferred);
                    return Verdict::Wait(Box::new(suspended));
                }
                None => fail(&mut response, Rcode::SERVFAIL, Some(Ede::NOT_READY)),
            },
        }
        Verdict::Send(finish(&mut response, request.edns.as_ref()))
    }

    /// The route for a request, or why there is none.
    fn admit(&self, request: &Request<'_>, qname: &Qname) -> Result<&Route, (Rcode, Option<Ede>)> {
        if request.edns.is_some_and(|edns| edns.version != 0) {
            return Err((Rcode::BADVERS, None));
        }
        let opcode = request.message.header().flags.opcode();
        match self.route(qname, &request.question) {
            Some(route) if opcode == Opcode::QUERY || route.chain.handles(opcode) => Ok(route),
            Some(_) => Err((Rcode::NOTIMP, None)),
            None if opcode == Opcode::QUERY => Err((Rcode::REFUSED, Some(Ede::NOT_AUTHORITATIVE))),
            None => Err((Rcode::NOTAUTH, None)),
        }
    }

    /// The route of a name: that of the longest zone. Classes without zones of their own have only the root's.
    fn route(&self, qname: &Qname, question: &Question<'_>) -> Option<&Route> {
        let found = match (question.qclass, question.qtype) {
            // DS stands on the parent's side of a cut (RFC 4035 §3.1.4.1).
            (Class::IN, Type::DS) => self.routes.find_above(qname).or_else(|| self.routes.find(qname)),
            (Class::IN, _) => self.routes.find(qname),
            (Class::CH, _) => return self.routes.get(Name::ROOT),
            _ => None,
        };
        found.map(|found| found.value)
    }

    /// Octets that a response may have: what the client takes, and the operator allows (RFC 6891 §6.2.5).
    pub(crate) fn size_limit(&self, transport: Transport, edns: Option<&Edns<'_>>) -> usize {
        match (transport, edns) {
            (Transport::Udp, None) => 512,
            (Transport::Udp, Some(edns)) => usize::from(edns.udp_size.min(self.limits.udp_size)),
            _ => MAX_MESSAGE_LEN,
        }
    }

    /// Counts one more waiting query, if there is room for it.
    fn suspend(&self) -> Option<Arc<Responder>> {
        if self.suspended.fetch_add(1, Ordering::Relaxed) < self.limits.suspended
            && let Some(me) = self.me.upgrade()
        {
            return Some(me);
        }
        self.suspended.fetch_sub(1, Ordering::Relaxed);
        None
    }

    pub(crate) fn resume(&self) {
        self.suspended.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many queries wait for a plugin.
    pub fn suspended(&self) -> usize {
        self.suspended.load(Ordering::Relaxed)
    }

    /// The chains of all routes, in no order.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.routes.values().map(|route| &route.chain)
    }
}

impl ResponderBuilder {
    /// Answers for `zone` and what lies below it with `chain`; a later route of the same zone replaces it.
    pub fn zone(mut self, zone: &Name, chain: Chain) -> ResponderBuilder {
        self.routes.insert(zone, Route { zone: zone.to_lowercase(), chain });
        self
    }

    /// Sets what is allowed.
    pub fn limits(mut self, limits: Limits) -> ResponderBuilder {
        self.limits = limits;
        self
    }

    /// The responder.
    pub fn build(self) -> Arc<Responder> {
        Arc::new_cyclic(|me: &Weak<Responder>| Responder {
            routes: self.routes,
            limits: self.limits,
            suspended: AtomicUsize::new(0),
            me: me.clone(),
            resolver: Resolver::new(me.clone(), 0),
        })
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { udp_size: 1232, suspended: 10_000 }
    }
}

impl Resolve for Responder {
    fn resolve(&self, name: &Name, qtype: Type, depth: u8) -> BoxFuture<'static, Option<Vec<u8>>> {
        let Some(me) = self.me.upgrade() else { return Box::pin(std::future::ready(None)) };
        let message = question_message(name, qtype);
        Box::pin(async move {
            let resolver = Resolver::new(me.me.clone(), depth);
            let mut out = vec![0; MAX_MESSAGE_LEN];
            let moment = Moment { now: Duration::ZERO, random: 0 };
            match me.respond_with(
                &resolver,
                &mut Scratch::default(),
                &message,
                Client::INTERNAL,
                moment,
                &mut out,
            ) {
                Verdict::Send(len) => {
                    out.truncate(len);
                    Some(out)
                }
                Verdict::Wait(suspended) => suspended.resume(std::future::pending()).await.into_message(),
                Verdict::Drop => None,
            }
        })
    }
}

/// A response with the question in it, and room kept for OPT.
pub(crate) fn begin<'b>(
    message: Message<'_>,
    question: Question<'_>,
    edns: bool,
    limit: usize,
    options: &'b mut Vec<u8>,
    out: &'b mut [u8],
) -> Response<'b> {
    let header = message.header();
    let reserved = if edns { OPT_LEN } else { 0 };
    let mut builder = Builder::new(out, header.id, reply_flags(header.flags), limit - reserved);
    // A question has at most 259 octets, and every limit is at least 512: it fits.
    let _ = builder.question(message.as_bytes().get(HEADER_LEN..question.end).unwrap_or_default());
    Response::new(builder, options)
}

pub(crate) fn fail(response: &mut Response<'_>, rcode: Rcode, ede: Option<Ede>) {
    response.set_rcode(rcode);
    if let Some(ede) = ede {
        response.set_ede(ede);
    }
}

/// Adds OPT where the client sent one, writes the header, and gives the length.
pub(crate) fn finish(response: &mut Response<'_>, edns: Option<&Edns<'_>>) -> usize {
    let rcode = response.rcode();
    if let Some(edns) = edns {
        add_opt(response, edns, rcode);
    }
    let flags = response.flags().with_rcode(rcode);
    response.builder().set_flags(flags);
    response.builder().finish()
}

/// Options that do not fit are left out; OPT itself has had its room kept.
fn add_opt(response: &mut Response<'_>, edns: &Edns<'_>, rcode: Rcode) {
    let [a, b] = ADVERTISED_UDP_SIZE.to_be_bytes();
    let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
    let mut opt = [0, 0, 41, a, b, (rcode.0 >> 4) as u8, 0, dnssec_ok, 0, 0, 0];
    let options_len = response.options().len();
    let limit = response.builder().limit() + OPT_LEN;
    response.builder().set_limit(limit);
    if options_len > 0 && response.len() + OPT_LEN + options_len <= limit {
        let mut whole = [0; OPT_LEN + 512];
        let [.., high, low] = &mut opt;
        [*high, *low] = (options_len as u16).to_be_bytes();
        let (head, rest) = whole.split_at_mut(OPT_LEN);
        head.copy_from_slice(&opt);
        for (to, from) in rest.iter_mut().zip(response.options()) {
            *to = *from;
        }
        let _ = response.builder().raw(Section::Additional, 1, &whole[..OPT_LEN + options_len]);
    } else {
        let _ = response.builder().raw(Section::Additional, 1, &opt);
    }
}

/// A header and nothing more, for what could not be read.
fn refuse(header: Header, rcode: Rcode, out: &mut [u8]) -> Verdict {
    let flags = reply_flags(header.flags).with_rcode(rcode);
    Verdict::Send(Builder::new(out, header.id, flags, HEADER_LEN).finish())
}

/// QR set, opcode and RD as they came, all else clear: AD and CD mean nothing here (RFC 4035 §3.1.6).
fn reply_flags(query: Flags) -> Flags {
    Flags(query.0 & 0x7800 | query.0 & Flags::RD.0 | Flags::QR.0)
}

/// A query message for one question.
fn question_message(name: &Name, qtype: Type) -> Vec<u8> {
    let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(name.as_wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&Class::IN.0.to_be_bytes());
    message
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("zones", &self.routes.len()).field("limits", &self.limits).finish()
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.zone, self.chain)
    }
}

/// Octets of an OPT record without options.
const OPT_LEN: usize = 11;
/// Octets of a UDP query that this server takes (RFC 6891 §6.2.5).
const ADVERTISED_UDP_SIZE: u16 = 1232;
