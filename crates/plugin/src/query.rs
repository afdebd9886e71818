//! What a plugin is given: the question, who asks, and what the moment brings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use cartonym_wire::{Class, Edns, Flags, Message, Name, Opcode, ParseError, Qname, Question, Type};

use crate::{Note, Resolver};

/// A query on its way through a chain.
pub struct Query<'a> {
    message: Message<'a>,
    question: Question<'a>,
    qname: &'a mut Qname,
    qtype: Type,
    flags: Flags,
    /// Whether a plugin has set another name.
    renamed: bool,
    edns: Option<Edns<'a>>,
    note: Option<Note>,
    context: Context<'a>,
}

/// All that a query's answer may depend on besides its octets.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who asks.
    pub client: Client,
    /// The zone of the route that the query took, in lower case.
    pub zone: &'a Name,
    /// The number of that route among those of its configuration.
    pub route: usize,
    /// This server's own chains.
    pub resolver: &'a Resolver,
    /// Uniform, and new for each query.
    pub random: u64,
    /// Time since the Unix epoch, as of the batch the query came in.
    pub now: Duration,
    /// The name of the key that the query was signed with, in lower case, its signature verified (RFC 8945).
    pub key: Option<&'a Name>,
    /// Whether the query brought a cookie that this server gave to its address (RFC 7873 §5.2).
    pub has_valid_cookie: bool,
}

/// Who asks, from where to where, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    /// Where the query came from.
    pub address: SocketAddr,
    /// The address it came to; unspecified where unknown.
    pub local: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

/// How a query came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A stream (RFC 7766).
    Tcp,
    /// A stream under TLS (RFC 7858).
    Tls,
    /// A request over HTTP (RFC 8484).
    Https,
    /// From within this server.
    Internal,
}

/// A query that outlives its datagram, to be resumed elsewhere.
#[derive(Clone, Debug)]
pub struct OwnedQuery {
    message: Box<[u8]>,
    qname: Qname,
    qtype: Type,
    flags: Flags,
    renamed: bool,
    note: Option<Note>,
    client: Client,
    zone: Box<[u8]>,
    route: usize,
    resolver: Resolver,
    random: u64,
    now: Duration,
    key: Option<Box<[u8]>>,
    has_valid_cookie: bool,
}

impl<'a> Query<'a> {
    /// A query of a message whose question and OPT have been read; `qname` is the question's name, prepared.
    pub fn new(
        message: Message<'a>,
        question: Question<'a>,
        qname: &'a mut Qname,
        edns: Option<Edns<'a>>,
        context: Context<'a>,
    ) -> Query<'a> {
        let (qtype, flags) = (question.qtype, message.header().flags);
        Query { message, question, qname, qtype, flags, renamed: false, edns, note: None, context }
    }

    /// Asks for another name from here on; the client's question comes back unchanged all the same.
    pub fn set_name(&mut self, name: &Name) {
        *self.qname = Qname::new(name);
        self.renamed = true;
    }

    /// Asks for another type from here on.
    pub fn set_qtype(&mut self, qtype: Type) {
        self.qtype = qtype;
    }

    /// Sets or clears a flag from here on; what the response echoes stays the client's.
    pub fn set_flag(&mut self, flag: Flags, on: bool) {
        self.flags = self.flags.with(flag, on);
    }

    /// A new place for a word about the query, for a promise to write once it is kept; what another plugin had is gone.
    pub fn begin_note(&mut self) -> Note {
        self.note.insert(Note::default()).clone()
    }

    /// What the promise said that was the last to say something.
    pub fn note(&self) -> Option<&str> {
        self.note.as_ref()?.text()
    }

    /// The name asked for, in lower case, prepared for lookups.
    pub fn qname(&self) -> &Qname {
        self.qname
    }

    /// The name asked for, in lower case.
    pub fn name(&self) -> &Name {
        self.qname.name()
    }

    /// The type asked for.
    pub fn qtype(&self) -> Type {
        self.qtype
    }

    /// The class asked for.
    pub fn qclass(&self) -> Class {
        self.question.qclass
    }

    /// The question as the client sent it: its case kept, and whatever a plugin changed undone.
    pub fn question(&self) -> Question<'a> {
        self.question
    }

    /// Whether the name is still the client's, so that a pointer to the question names it.
    pub fn is_as_asked(&self) -> bool {
        !self.renamed
    }

    /// The name asked for as a record's owner: in the client's spelling while it is the client's name.
    pub fn owner(&self) -> &Name {
        if self.renamed { self.name() } else { self.question.name }
    }

    /// What the message asks for.
    pub fn opcode(&self) -> Opcode {
        self.flags().opcode()
    }

    /// The message's flags, and whatever plugins changed.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The message's id.
    pub fn id(&self) -> u16 {
        self.message.header().id
    }

    /// What the client's OPT record says, if it sent one.
    pub fn edns(&self) -> Option<&Edns<'a>> {
        self.edns.as_ref()
    }

    /// Octets that the client takes, as it says: of a datagram 512 where it says nothing (RFC 6891 §6.2.5).
    pub fn buffer_size(&self) -> u16 {
        match (self.asked_over(), &self.edns) {
            (Transport::Udp, Some(edns)) => edns.udp_size,
            (Transport::Udp, None) => 512,
            _ => u16::MAX,
        }
    }

    /// The message as received.
    pub fn message(&self) -> Message<'a> {
        self.message
    }

    /// Who asks.
    pub fn client(&self) -> Client {
        self.context.client
    }

    /// How the client asked: the client's transport, but for a question from within that of the query it is asked for.
    pub fn asked_over(&self) -> Transport {
        self.context.resolver.asked_over(self.context.client.transport)
    }

    /// The zone of the route that the query took.
    pub fn zone(&self) -> &'a Name {
        self.context.zone
    }

    /// The number of the route that the query took, as counters have it.
    pub fn route(&self) -> usize {
        self.context.route
    }

    /// This server's own chains, for a name that leads elsewhere.
    pub fn resolver(&self) -> Resolver {
        self.context.resolver.of(self)
    }

    /// Uniform, and new for each query.
    pub fn random(&self) -> u64 {
        self.context.random
    }

    /// Time since the Unix epoch, as of the batch the query came in.
    pub fn now(&self) -> Duration {
        self.context.now
    }

    /// The name of the key that the query was signed with, in lower case; its signature has been verified.
    pub fn key(&self) -> Option<&'a Name> {
        self.context.key
    }

    /// Whether the query brought a cookie that this server gave to its address, which so is not forged.
    pub fn has_valid_cookie(&self) -> bool {
        self.context.has_valid_cookie
    }

    /// A copy that outlives the datagram.
    pub fn to_owned(&self) -> OwnedQuery {
        OwnedQuery {
            message: self.message.as_bytes().into(),
            qname: self.qname.clone(),
            qtype: self.qtype,
            flags: self.flags,
            renamed: self.renamed,
            note: self.note.clone(),
            client: self.context.client,
            zone: self.context.zone.as_wire().into(),
            route: self.context.route,
            resolver: self.context.resolver.clone(),
            random: self.context.random,
            now: self.context.now,
            key: self.context.key.map(|key| key.as_wire().into()),
            has_valid_cookie: self.context.has_valid_cookie,
        }
    }
}

impl OwnedQuery {
    /// The query as it was.
    ///
    /// # Errors
    ///
    /// [`ParseError`]; not for a copy of a query that has been parsed before.
    pub fn view(&mut self) -> Result<Query<'_>, ParseError> {
        let message = Message::new(&self.message)?;
        let edns = message.records().filter_map(Result::ok).find_map(|record| Edns::of(&record));
        let context = Context {
            client: self.client,
            zone: Name::from_wire(&self.zone).map_err(ParseError::Name)?,
            route: self.route,
            resolver: &self.resolver,
            random: self.random,
            now: self.now,
            key: self.key.as_deref().map(Name::from_wire).transpose().map_err(ParseError::Name)?,
            has_valid_cookie: self.has_valid_cookie,
        };
        let mut query = Query::new(message, message.question()?, &mut self.qname, edns, context);
        query.qtype = self.qtype;
        query.flags = self.flags;
        query.renamed = self.renamed;
        query.note = self.note.clone();
        Ok(query)
    }

    /// The message as received.
    pub fn as_bytes(&self) -> &[u8] {
        &self.message
    }

    /// Who asks.
    pub fn client(&self) -> Client {
        self.client
    }
}

impl Client {
    /// This server itself.
    pub const INTERNAL: Client = Client {
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        transport: Transport::Internal,
    };
}

impl Transport {
    /// Whether a response may be longer than a datagram, and of several messages.
    pub fn is_stream(self) -> bool {
        self != Transport::Udp
    }

    /// `udp`, or `tcp` for whatever is a stream, as people and CoreDNS's metrics have it.
    pub fn protocol(self) -> &'static str {
        if self.is_stream() { "tcp" } else { "udp" }
    }

    /// Whether nobody on the way can read what is said.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Transport::Tls | Transport::Https)
    }
}
