//! Bytes in, bytes out: a query is read, routed by its name, taken through a chain, and its response finished.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{
    Behalf, BoxFuture, Client, Context, Query, Resolve, Resolver, Stopwatch, Takes, Transport, View,
};
use cartonym_tsig::{Keys, Rejection};
use cartonym_wire::{
    Class, Ede, Edns, Flags, Hasher, MAX_MESSAGE_LEN, Name, NameBuf, Opcode, OptionCode, Qname, Question,
    Rcode, SuffixMap, Type,
};

use crate::chain::{Chain, Progress};
use crate::cookies::{BadLength, Checked, Cookies};
use crate::faults::{Care, Faults, guard};
use crate::reply::{Ending, begin, fail, finish, give_cookie, refuse};
use crate::request::{Refusal, Request};
use crate::signed;
use crate::suspended::{Suspended, Timer};

/// Answers queries from its routes: a chain of plugins for each zone.
pub struct Responder {
    routes: SuffixMap<Alternatives>,
    limits: Limits,
    keys: Keys,
    cookies: Option<Cookies>,
    /// Counts the queries over UDP that are dropped for want of room, where they are not answered SERVFAIL.
    shed: Option<Counter>,
    /// By the number of the route.
    stopwatches: Vec<Option<Arc<dyn Stopwatch>>>,
    faults: Arc<Faults>,
    suspended: AtomicUsize,
    me: Weak<Responder>,
    resolver: Resolver,
}

/// Collects the routes of a responder.
#[derive(Debug)]
pub struct ResponderBuilder {
    routes: SuffixMap<Alternatives>,
    limits: Limits,
    keys: Keys,
    cookies: Option<Cookies>,
    shed: Option<Counter>,
    faults: Arc<Faults>,
}

/// The routes of one zone, in the order in which they are tried: all but one have views.
type Alternatives = Vec<Route>;

/// A zone and the chain that answers for it.
#[derive(Clone)]
struct Route {
    zone: NameBuf,
    chain: Chain,
    /// Those that decide which queries it is for, with the place in the chain of the plugin whose view it is.
    views: Vec<(usize, Arc<dyn View>)>,
    /// Its number among those of its configuration.
    number: usize,
    stopwatch: Option<Arc<dyn Stopwatch>>,
}

/// What one responder allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of a UDP response where the client allows as much; 1232 keeps it in one IPv6 packet (RFC 9715 §3.1).
    pub udp_size: u16,
    /// Queries that may wait at once; past that, SERVFAIL.
    pub suspended: usize,
    /// How long a connection may be idle, which clients are told that ask (RFC 7828); nobody is if there is none. Who
    /// closes connections has to keep it.
    pub idle: Option<Duration>,
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
    /// A signed query without its signature.
    unsigned: Vec<u8>,
    /// The queries answered since [`Responder::took`], by the number of their route, where somebody asks for their time.
    timed: Vec<(usize, u32)>,
    /// Tells the time since any moment, if this worker has a clock.
    clock: Option<fn() -> Duration>,
    /// Whether the last batch was so slow that plugins are timed.
    is_slow: bool,
}

/// Where a query comes from: from outside, or from one of this server's chains.
#[derive(Clone, Copy)]
struct Origin<'r> {
    client: Client,
    resolver: &'r Resolver,
    /// The number of the only route that it may take, whose views are not asked.
    route: Option<usize>,
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
        ResponderBuilder {
            routes: SuffixMap::new(Hasher::new(0)),
            limits: Limits::default(),
            keys: Keys::new(),
            cookies: Some(Cookies::of_this_process()),
            shed: None,
            faults: Arc::default(),
        }
    }

    /// Answers one query; the response is written to `out`, which should hold 64 KiB for streams, and
    /// [`Limits::udp_size`] for datagrams.
    ///
    /// Whatever `query` holds, this neither panics nor allocates, except where a plugin does, or for a query that is
    /// signed.
    pub fn respond(
        &self,
        scratch: &mut Scratch,
        query: &[u8],
        client: Client,
        moment: Moment,
        out: &mut [u8],
    ) -> Verdict {
        let origin = Origin { client, resolver: &self.resolver, route: None };
        self.respond_to(origin, scratch, query, moment, out)
    }

    fn respond_to<'r>(
        &'r self,
        origin: Origin<'r>,
        scratch: &mut Scratch,
        query: &[u8],
        moment: Moment,
        out: &mut [u8],
    ) -> Verdict {
        let Origin { client, resolver, route: only } = origin;
        let care = self.care(scratch);
        let Scratch { qname, options, unsigned, timed, .. } = scratch;
        let mut request = match Request::read(query, qname) {
            Ok(request) => request,
            Err(Refusal::Silence) => return Verdict::Drop,
            Err(Refusal::Bare(header, rcode)) => return Verdict::Send(refuse(header, rcode, out)),
            Err(Refusal::Cookie(header, edns)) => {
                return Verdict::Send(match self.check_cookie(&edns, client, moment) {
                    Ok(Some(checked)) => give_cookie(header, &edns, &checked.cookie, options, out),
                    _ => refuse(header, Rcode::FORMERR, out),
                });
            }
        };
        let mut ending = Ending { now: moment.now, ..Ending::default() };
        if let Some(at) = request.tsig_at {
            match signed::open(&self.keys, request.message, at.get(), moment.now, unsigned, qname) {
                Ok((opened, session)) => {
                    request = opened;
                    ending.session = Some(session);
                }
                Err(rejection) => return self.reject(&request, rejection, client, moment, out),
            }
        }
        let edns = request.edns.as_ref();
        // Where others can read the message, they need not guess from its length.
        ending.padded = client.transport.is_encrypted()
            && edns.is_some_and(|edns| edns.options.find(OptionCode::PADDING).is_some());
        ending.keepalive = edns.and_then(|edns| self.keepalive(edns, client.transport));
        let checked = edns.map_or(Ok(None), |edns| self.check_cookie(edns, client, moment));
        let is_valid = matches!(checked, Ok(Some(Checked { is_valid: true, .. })));
        ending.cookie = checked.unwrap_or_default().map(|checked| checked.cookie);
        let limit = self.size_limit(client.transport, edns);
        let reserved = ending.room(edns.is_some());
        let mut response = begin(request.message, request.question, limit, reserved, options, &mut *out);
        let key = ending.session.as_ref().map(|session| session.key().name());
        let context = |route: &'r Route| Context {
            client,
            zone: &route.zone,
            route: route.number,
            resolver,
            random: moment.random,
            now: moment.now,
            key,
            has_valid_cookie: is_valid,
        };
        let admits = |route: &'r Route, qname: &mut Qname| match only {
            Some(number) => route.number == number,
            None if route.views.is_empty() => true,
            None => route.admits(
                &Query::new(request.message, request.question, qname, request.edns, context(route)),
                care,
            ),
        };
        let admitted = match checked {
            Err(BadLength) => Err((Rcode::FORMERR, None)),
            Ok(Some(_)) if !is_valid && self.requires_cookie(client) => Err((Rcode::BADCOOKIE, None)),
            Ok(_) => self.admit(&request, qname, admits),
        };
        match admitted {
            Err((rcode, ede)) => fail(&mut response, rcode, ede),
            Ok(route) => {
                let mut query =
                    Query::new(request.message, request.question, qname, request.edns, context(route));
                match route.chain.run(0, &mut query, &mut response, care) {
                    Progress::Answered => route.time(timed),
                    Progress::Dropped => return Verdict::Drop,
                    Progress::Deferred(at, deferred) => match self.suspend() {
                        Some(me) => {
                            let query = query.to_owned();
                            let chain = route.chain.clone();
                            let timer = route.timer(at, moment.now);
                            let suspended = Suspended::new(me, chain, at, query, deferred, ending, timer);
                            return Verdict::Wait(Box::new(suspended));
                        }
                        None => {
                            self.faults.note(route.chain.name_at(at), |fault| fault.rejected += 1);
                            // Who asks again over UDP may ask another server; over a stream an answer is owed.
                            if let Some(shed) = self.shed.as_ref().filter(|_| !client.transport.is_stream()) {
                                shed.add_for(route.number);
                                return Verdict::Drop;
                            }
                            fail(&mut response, Rcode::SERVFAIL, Some(Ede::NOT_READY));
                            route.chain.finish(at, &query, &mut response, care);
                            route.time(timed);
                        }
                    },
                }
            }
        }
        let len = finish(&mut response, request.edns.as_ref(), &ending);
        // A signed query is not answered without a signature.
        ending.sign(out, len).map_or(Verdict::Drop, Verdict::Send)
    }

    /// Tells who wants to know that the queries answered with `scratch` since the last call took so long.
    ///
    /// A batch is timed as one: all of its queries come and go together. After one that took more than
    /// 2 ms, plugins are timed in the next, each call of them, so that [`Faults`] can name the slow one.
    pub fn took(&self, scratch: &mut Scratch, time: Duration) {
        scratch.is_slow = time > Faults::SLOW_BATCH;
        for (number, queries) in scratch.timed.drain(..) {
            if let Some(Some(stopwatch)) = self.stopwatches.get(number) {
                stopwatch.took(number, queries, time);
            }
        }
    }

    /// Answers a query whose signature is not taken.
    #[cold]
    fn reject(
        &self,
        request: &Request<'_>,
        rejection: Rejection,
        client: Client,
        moment: Moment,
        out: &mut [u8],
    ) -> Verdict {
        match rejection {
            Rejection::Malformed => Verdict::Send(refuse(request.message.header(), Rcode::FORMERR, out)),
            Rejection::Refused(reply) => {
                let limit = self.size_limit(client.transport, request.edns.as_ref());
                signed::reject(request, reply, limit, moment.now, out).map_or(Verdict::Drop, Verdict::Send)
            }
        }
    }

    /// What a client is told that asks how long its connection may be idle. Datagrams have none to ask about.
    fn keepalive(&self, edns: &Edns<'_>, transport: Transport) -> Option<u16> {
        let is_asked = matches!(transport, Transport::Tcp | Transport::Tls)
            && edns.options.find(OptionCode::TCP_KEEPALIVE).is_some();
        let tenths = self.limits.idle.filter(|_| is_asked)?.as_millis() / 100;
        Some(u16::try_from(tenths).unwrap_or(u16::MAX))
    }

    /// What the client's cookie comes to; none where it has none, or this server knows nothing of them.
    fn check_cookie(
        &self,
        edns: &Edns<'_>,
        client: Client,
        moment: Moment,
    ) -> Result<Option<Checked>, BadLength> {
        match (&self.cookies, edns.options.find(OptionCode::COOKIE)) {
            // What options mean in another version is not known.
            (Some(cookies), Some(data)) if edns.version == 0 => {
                cookies.check(data, client.address.ip(), moment.now).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether a client that knows of cookies must have one: an address can be forged over UDP only.
    fn requires_cookie(&self, client: Client) -> bool {
        !client.transport.is_stream() && self.cookies.as_ref().is_some_and(Cookies::are_required)
    }

    /// The route for a request, or why there is none.
    fn admit<'r>(
        &'r self,
        request: &Request<'_>,
        qname: &mut Qname,
        admits: impl Fn(&'r Route, &mut Qname) -> bool,
    ) -> Result<&'r Route, (Rcode, Option<Ede>)> {
        if request.edns.is_some_and(|edns| edns.version != 0) {
            return Err((Rcode::BADVERS, None));
        }
        let opcode = request.message.header().flags.opcode();
        // It only ever says in an NSEC record that a name is not there (RFC 9824 §3.5).
        if request.question.qtype == Type::NXNAME {
            return Err((Rcode::FORMERR, Some(Ede::INVALID_QUERY_TYPE)));
        }
        match self.route(qname, &request.question, admits) {
            Some(route) if opcode == Opcode::QUERY => Ok(route),
            Some(route) if route.chain.handles(opcode) => Ok(route),
            Some(_) => Err((Rcode::NOTIMP, None)),
            None if opcode == Opcode::QUERY => Err((Rcode::REFUSED, Some(Ede::NOT_AUTHORITATIVE))),
            None => Err((Rcode::NOTAUTH, None)),
        }
    }

    /// The route of a question: the first of the longest zone that admits the query, or else of the zones above it.
    /// Classes without zones of their own have only the root's.
    fn route<'r>(
        &'r self,
        qname: &mut Qname,
        question: &Question<'_>,
        admits: impl Fn(&'r Route, &mut Qname) -> bool,
    ) -> Option<&'r Route> {
        let deepest = qname.depth();
        match (question.qclass, question.qtype) {
            // DS stands on the parent's side of a cut (RFC 4035 §3.1.4.1), if that is here.
            (Class::IN, Type::DS) if deepest > 0 => self
                .route_up_to(deepest - 1, qname, &admits)
                .or_else(|| self.route_up_to(deepest, qname, &admits)),
            (Class::IN, _) => self.route_up_to(deepest, qname, &admits),
            (Class::CH, _) => self.route_up_to(0, qname, &admits),
            _ => None,
        }
    }

    /// The first route that admits the query of the longest zone that has at most `deepest` labels, or else of those above.
    fn route_up_to<'r>(
        &'r self,
        mut deepest: usize,
        qname: &mut Qname,
        admits: &impl Fn(&'r Route, &mut Qname) -> bool,
    ) -> Option<&'r Route> {
        loop {
            let found = self.routes.find_up_to(qname, deepest)?;
            if let Some(route) = found.value.iter().find(|route| admits(route, qname)) {
                return Some(route);
            }
            deepest = found.depth.checked_sub(1)?;
        }
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

    /// What plugins have done against the contract.
    pub fn faults(&self) -> &Arc<Faults> {
        &self.faults
    }

    /// What chains are run with.
    pub(crate) fn care(&self, scratch: &Scratch) -> Care<'_> {
        Care { faults: &self.faults, clock: scratch.clock.filter(|_| scratch.is_slow) }
    }

    /// How many queries wait for a plugin.
    pub fn suspended(&self) -> usize {
        self.suspended.load(Ordering::Relaxed)
    }

    /// The chains of all routes, in no order.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.routes.values().flatten().map(|route| &route.chain)
    }
}

impl Scratch {
    /// A worker's memory, with a clock that tells the time since any moment: it is looked at while something is slow.
    pub fn with_clock(clock: fn() -> Duration) -> Scratch {
        Scratch { clock: Some(clock), ..Scratch::default() }
    }

    /// Whether any query was answered since [`Responder::took`] whose time somebody asks for.
    pub fn is_timed(&self) -> bool {
        !self.timed.is_empty()
    }
}

impl Route {
    /// Whether its views, asked in their order, are for a query; one that panics is not.
    #[cold]
    fn admits(&self, query: &Query<'_>, care: Care<'_>) -> bool {
        self.views.iter().all(|(at, view)| {
            guard(|| view.admits(query)).unwrap_or_else(|| {
                care.faults.note(self.chain.name_at(*at), |fault| fault.panics += 1);
                false
            })
        })
    }

    /// Counts a query among those of its batch.
    fn time(&self, timed: &mut Vec<(usize, u32)>) {
        if self.stopwatch.is_none() {
            return;
        }
        // A batch has few routes, and the last is the likeliest. The memory stays the worker's.
        match timed.iter_mut().rev().find(|(number, _)| *number == self.number) {
            Some((_, queries)) => *queries += 1,
            None => timed.push((self.number, 1)),
        }
    }

    /// Times one query that waits.
    fn timer(&self, at: usize, came: Duration) -> Option<Timer> {
        let stopwatch = self.stopwatch.clone()?;
        Some(Timer { stopwatch, route: self.number, plugin: self.chain.name_at(at), came })
    }
}

impl ResponderBuilder {
    /// Answers for `zone` and what lies below it with `chain`. Of several routes of one zone, those whose plugins have a
    /// [`View`] are tried in their order; of two without, the later replaces the earlier.
    pub fn zone(self, zone: &Name, chain: Chain) -> ResponderBuilder {
        self.route(0, zone, chain)
    }

    /// As [`ResponderBuilder::zone`], for a route of this number; counters have a count for each.
    pub fn route(mut self, number: usize, zone: &Name, chain: Chain) -> ResponderBuilder {
        let stopwatch = chain.plugins().find_map(|plugin| plugin.stopwatch());
        let plugins = chain.plugins().enumerate();
        let views: Vec<_> = plugins.filter_map(|(at, plugin)| Some((at, plugin.view()?))).collect();
        let is_for_all = views.is_empty();
        let route = Route { zone: zone.to_lowercase(), chain, views, number, stopwatch };
        match self.routes.get_mut(zone) {
            Some(alternatives) => {
                if is_for_all {
                    alternatives.retain(|route| !route.views.is_empty());
                }
                alternatives.push(route);
            }
            None => drop(self.routes.insert(zone, vec![route])),
        }
        self
    }

    /// Sets what is allowed.
    pub fn limits(mut self, limits: Limits) -> ResponderBuilder {
        self.limits = limits;
        self
    }

    /// Sets how long a connection may be idle: [`Limits::idle`].
    pub fn idle(mut self, idle: Duration) -> ResponderBuilder {
        self.limits.idle = Some(idle);
        self
    }

    /// Knows these keys: a query that is signed is answered only if it is signed with one of them, and its responses
    /// are signed. Plugins see the key's name.
    pub fn keys(mut self, keys: Keys) -> ResponderBuilder {
        self.keys = keys;
        self
    }

    /// Gives out these cookies, in place of those of a secret that this process has drawn by lot.
    pub fn cookies(mut self, cookies: Cookies) -> ResponderBuilder {
        self.cookies = Some(cookies);
        self
    }

    /// Counts what plugins do against the contract here, in place of a count of its own.
    pub fn faults(mut self, faults: Arc<Faults>) -> ResponderBuilder {
        self.faults = faults;
        self
    }

    /// Says nothing to queries over UDP for which there is no room to wait, and counts them, in place of SERVFAIL.
    pub fn shed(mut self, counter: Counter) -> ResponderBuilder {
        self.shed = Some(counter);
        self
    }

    /// Knows nothing of cookies.
    pub fn without_cookies(mut self) -> ResponderBuilder {
        self.cookies = None;
        self
    }

    /// The responder.
    pub fn build(self) -> Arc<Responder> {
        let mut stopwatches = Vec::new();
        for route in self.routes.values().flatten() {
            stopwatches.resize(stopwatches.len().max(route.number + 1), None);
            if let (Some(place), Some(stopwatch)) = (stopwatches.get_mut(route.number), &route.stopwatch) {
                *place = Some(Arc::clone(stopwatch));
            }
        }
        Arc::new_cyclic(|me: &Weak<Responder>| Responder {
            routes: self.routes,
            stopwatches,
            limits: self.limits,
            keys: self.keys,
            cookies: self.cookies,
            shed: self.shed,
            faults: self.faults,
            suspended: AtomicUsize::new(0),
            me: me.clone(),
            resolver: Resolver::new(me.clone()),
        })
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { udp_size: 1232, suspended: 10_000, idle: None }
    }
}

impl Resolve for Responder {
    fn serves(&self, name: &Name) -> bool {
        self.routes.find(&Qname::new(name)).is_some()
    }

    fn resolve(&self, name: &Name, qtype: Type, behalf: Behalf) -> BoxFuture<'static, Option<Vec<u8>>> {
        let Some(me) = self.me.upgrade() else { return Box::pin(std::future::ready(None)) };
        let message = question_message(name, qtype, &behalf);
        Box::pin(async move {
            let resolver = Resolver::within(me.me.clone(), behalf);
            let client = Client { transport: Transport::Internal, ..behalf.client };
            let origin = Origin { client, resolver: &resolver, route: behalf.route };
            let mut out = vec![0; MAX_MESSAGE_LEN];
            let moment = Moment { now: behalf.now, random: behalf.random };
            match me.respond_to(origin, &mut Scratch::default(), &message, moment, &mut out) {
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

/// A query message for one question, as the client would have sent it. Its options stay with its own question.
fn question_message(name: &Name, qtype: Type, behalf: &Behalf) -> Vec<u8> {
    let flags = Flags::RD.with(Flags::CD, behalf.checking_disabled);
    let opts = u16::from(behalf.takes.is_some());
    let mut message: Vec<u8> =
        [behalf.id, flags.0, 1, 0, 0, opts].into_iter().flat_map(u16::to_be_bytes).collect();
    message.extend_from_slice(name.as_wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&Class::IN.0.to_be_bytes());
    if let Some(Takes { udp_size, dnssec_ok }) = behalf.takes {
        let [high, low] = udp_size.to_be_bytes();
        message.extend_from_slice(&[0, 0, 41, high, low, 0, 0, u8::from(dnssec_ok) << 7, 0, 0, 0]);
    }
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
