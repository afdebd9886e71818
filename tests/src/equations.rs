//! Each takes any octets, and panics if its equation does not hold.
//!
//! The fuzz targets are these functions; what they found lies in `tests/data/<name>`, and is tried by `tests/equations.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cartonym_corefile::{Corefile, Directive, Memory};
use cartonym_plugin::{Client, Transport};
use cartonym_plugin_registry::Records;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_wire::{
    Builder, Class, Edns, Flags, HEADER_LEN, Hasher, MAX_MESSAGE_LEN, Message, Name, NameBuf, RdataNames,
    Section, Ttl, Type, expand_rdata,
};
use cartonym_zone::master::{NoIncludes, Parser, rdata_to_text, validate_rdata};
use cartonym_zone::{Difference, RecordTable, Snapshot, Zone, inspect};

/// Panics if it does not hold of these octets.
pub type Equation = fn(&[u8]);

/// All equations, by the name of their folder of inputs.
pub const ALL: &[(&str, Equation)] = &[
    ("message", message),
    ("name", name),
    ("respond", respond),
    ("corefile", corefile),
    ("master", master),
    ("update", update),
];

/// A message that can be read is built anew from what was read, and reads the same.
pub fn message(octets: &[u8]) {
    let Some(before) = read_message(octets) else { return };
    with_room(|room| rebuild(octets, &before, room));
}

fn rebuild(octets: &[u8], before: &ReadMessage, buf: &mut [u8]) {
    let header = Message::new(octets).expect("it has been read").header();
    let mut builder = Builder::new(buf, header.id, header.flags, MAX_MESSAGE_LEN);
    let question = octets.get(HEADER_LEN..before.question_end).unwrap_or_default();
    if !question.is_empty() {
        builder.question(question).expect("it was a message's");
    }
    for record in &before.records {
        let written = builder.record(
            record.section(),
            &record.owner,
            record.rtype,
            record.class,
            record.ttl,
            &record.rdata,
        );
        // Names that were compressed may not be again.
        if written.is_err() {
            return;
        }
    }
    let len = builder.finish();
    let after = read_message(&buf[..len]).expect("what is built can be read");
    assert_eq!(before.records, after.records);
    assert_eq!(question, &buf[HEADER_LEN..after.question_end]);
}

/// A name is its text, and its octets.
pub fn name(octets: &[u8]) {
    if let Ok(name) = NameBuf::parse(octets, Name::ROOT) {
        let text = name.to_string();
        let again: NameBuf = text.parse().expect("a name's text is a name");
        assert_eq!(again.as_wire(), name.as_wire(), "{text}");
    }
    if let Ok((name, rest)) = Name::split(octets) {
        let again: NameBuf = name.to_string().parse().expect("a name's text is a name");
        assert_eq!(again.as_wire(), name.as_wire());
        assert_eq!(name.len() + rest.len(), octets.len());
        assert_eq!(Hasher::new(1).hash(name), Hasher::new(1).hash(&name.to_lowercase()));
        assert_eq!(name.label_count(), name.labels().count());
    }
    if let Ok((name, end)) = NameBuf::expand(octets, 0) {
        // From the first octet no pointer can go backwards.
        assert_eq!(Name::split(octets).expect("no pointers").0, &*name);
        assert_eq!(end, name.len());
    }
}

/// Whatever comes in, a response goes out, or nothing to what is no query.
pub fn respond(octets: &[u8]) {
    static RESPONDER: OnceLock<Arc<Responder>> = OnceLock::new();
    let responder = RESPONDER.get_or_init(responder);
    for transport in [Transport::Udp, Transport::Tcp] {
        let client = Client { transport, ..Client::INTERNAL };
        let moment = Moment { now: Duration::from_secs(1_000_000), random: 7 };
        with_room(|out| match responder.respond(&mut Scratch::default(), octets, client, moment, out) {
            Verdict::Send(len) => check_response(octets, &out[..len], transport),
            Verdict::Drop => assert!(octets.len() < HEADER_LEN || octets[2] & 0x80 != 0),
            Verdict::Wait(_) => panic!("nothing here waits"),
        });
    }
}

/// Lends room for a message, not as clean as it would be if it were new each time.
fn with_room<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    thread_local! {
        static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0xA5; MAX_MESSAGE_LEN]);
    }
    ROOM.with_borrow_mut(|room| work(room))
}

fn check_response(query: &[u8], response: &[u8], transport: Transport) {
    let message = Message::new(response).expect("a header");
    let header = message.header();
    assert!(header.flags.has(Flags::QR));
    assert_eq!(response[..2], query[..2]);
    assert_eq!(header.flags.opcode(), Message::new(query).expect("a header").header().flags.opcode());
    let records: Vec<_> = message.records().map(|record| record.expect("whole records")).collect();
    let has_opt = records.iter().any(|record| Edns::of(record).is_some());
    let limit = match transport {
        Transport::Udp if has_opt => 1232,
        Transport::Udp => 512,
        _ => MAX_MESSAGE_LEN,
    };
    // A signed query, whose key's name comes back, may itself be longer than that.
    assert!(response.len() <= limit.max(query.len()));
    if header.counts[0] == 1 {
        let end = message.question().expect("the question").end;
        assert_eq!(response[HEADER_LEN..end], query[HEADER_LEN..end]);
    }
}

/// A Corefile that is understood is the same when it is written and read again.
pub fn corefile(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let nothing = Memory::new();
    let before = match Corefile::parse("Corefile", text, &nothing) {
        Ok(corefile) => corefile,
        Err(error) => {
            assert!(error.position.line > 0 && error.position.column > 0);
            return;
        }
    };
    // A variable may leave words that cannot be written without it.
    if text.contains("{$") || text.contains("{%") {
        return;
    }
    let again = before.to_string();
    match Corefile::parse("again", &again, &nothing) {
        Ok(after) => assert_eq!(shape(&before), shape(&after), "{again}"),
        Err(error) => panic!("{error}\n{again}"),
    }
}

/// What a Corefile says, without its places.
fn shape(corefile: &Corefile) -> Vec<(Vec<String>, Vec<String>)> {
    let servers = corefile.servers.iter();
    servers
        .map(|server| {
            let keys = server.keys.iter().map(ToString::to_string).collect();
            (keys, server.directives.iter().map(directive_shape).collect())
        })
        .collect()
}

fn directive_shape(directive: &Directive) -> String {
    let words: Vec<&str> =
        std::iter::once(&directive.name).chain(&directive.args).map(|word| word.text.as_str()).collect();
    let block = directive.block.as_ref().map(|lines| lines.iter().map(directive_shape).collect::<Vec<_>>());
    format!("{words:?} {block:?}")
}

/// The records of a master file are the same when they are written and read again, and go through a zone unchanged.
pub fn master(octets: &[u8]) {
    let records = read_master(octets);
    let mut text = String::new();
    for (owner, rtype, ttl, rdata) in &records {
        assert_eq!(validate_rdata(*rtype, rdata), Ok(()), "{owner} {rtype} {rdata:02x?}");
        let line = format!("{owner} {} IN {rtype} {}\n", ttl.as_secs(), rdata_to_text(*rtype, rdata));
        text.push_str(&line);
    }
    let again = read_master(text.as_bytes());
    assert_eq!(again, records, "{text}");
    through_a_zone(&records);
}

/// Owner, type, TTL, RDATA.
type Rr = (NameBuf, Type, Ttl, Vec<u8>);

fn read_master(text: &[u8]) -> Vec<Rr> {
    let origin: NameBuf = "example.".parse().expect("a name");
    let mut parser = Parser::new(text, "master", &origin, &NoIncludes);
    let mut records = Vec::new();
    // `$GENERATE` makes much of little.
    while let Some(record) = parser.next_record()
        && records.len() < 1000
    {
        if let Ok(record) = record {
            records.push((record.owner.to_buf(), record.rtype, record.ttl, record.rdata.to_vec()));
        }
    }
    records
}

fn through_a_zone(records: &[Rr]) {
    let hasher = Hasher::new(1);
    let mut edit = Zone::new(Name::ROOT, hasher).edit(hasher);
    let mut expected: BTreeSet<(NameBuf, Type, Vec<u8>)> = BTreeSet::new();
    for (owner, rtype, ttl, rdata) in records {
        if edit.add(owner, *rtype, *ttl, rdata).is_ok() {
            expected.insert((owner.to_lowercase(), *rtype, rdata.clone()));
        }
    }
    let zone = edit.finish();
    let records = zone.records();
    let held = records.map(|(owner, rtype, _, rdata)| (owner.to_buf(), rtype, rdata.to_vec())).collect();
    assert_eq!(expected, held);
}

/// Whatever an update asks for, what comes of it is a zone that would be served, by a difference that leads there.
pub fn update(octets: &[u8]) {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    let hasher = Hasher::new(1);
    let zone = ZONE.get_or_init(|| updated_zone(hasher));
    let Ok(message) = Message::new(octets) else { return };
    let Ok(Some(updated)) = zone.update(message, hasher) else { return };
    let report = inspect(&updated.zone);
    assert!(!report.is_refused(), "{:?}", report.findings);
    let serial = updated.zone.soa().expect("no update takes the SOA").1;
    assert!((serial.wrapping_sub(7) as i32) > 0, "serial {serial} is newer");
    let mut written = Vec::new();
    updated.difference.write(&mut written);
    let read = Difference::read(&written).expect("what has been written can be read");
    assert_eq!(read, updated.difference);
    let advanced = zone.advance(&read, hasher).expect("it begins with this zone");
    assert_eq!(held(&advanced), held(&updated.zone));
}

fn updated_zone(hasher: Hasher) -> Zone {
    let text = "@ 60 SOA ns host 7 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\na 60 A 192.0.2.1\na 60 TXT x\nc 60 CNAME a\n\
                d 60 DNAME o.test.\n*.w 60 MX 1 a\nsub 60 NS ns.sub\nns.sub 60 A 192.0.2.54\n";
    let origin: NameBuf = "example.".parse().expect("a name");
    let mut edit = Zone::new(&origin, hasher).edit(hasher);
    for (owner, rtype, ttl, rdata) in read_master(text.as_bytes()) {
        edit.add(&owner, rtype, ttl, &rdata).expect("a record of the zone");
    }
    edit.finish()
}

fn held(zone: &Zone) -> BTreeSet<(NameBuf, Type, u32, Vec<u8>)> {
    let records = zone.records();
    records.map(|(owner, rtype, ttl, rdata)| (owner.to_buf(), rtype, ttl.as_secs(), rdata.to_vec())).collect()
}

/// A message with one question or none, read.
struct ReadMessage {
    question_end: usize,
    records: Vec<ReadRecord>,
}

#[derive(PartialEq, Debug)]
struct ReadRecord {
    section: u8,
    owner: NameBuf,
    rtype: Type,
    class: Class,
    ttl: Ttl,
    rdata: Vec<u8>,
}

impl ReadRecord {
    fn section(&self) -> Section {
        [Section::Answer, Section::Authority, Section::Additional][usize::from(self.section)]
    }
}

fn read_message(octets: &[u8]) -> Option<ReadMessage> {
    let message = Message::new(octets).ok()?;
    let question_end = match message.header().counts[0] {
        0 => HEADER_LEN,
        1 => message.question().ok().filter(|question| question.end <= octets.len())?.end,
        _ => return None,
    };
    let mut expanded = vec![0; MAX_MESSAGE_LEN];
    let mut records = Vec::new();
    for record in message.records() {
        let record = record.ok()?;
        let (start, len) = (record.rdata_start, record.rdata.len());
        let len = expand_rdata(octets, record.rtype, start, len, &mut expanded).ok()?;
        fold_names(record.rtype, &mut expanded[..len]);
        records.push(ReadRecord {
            section: record.section,
            owner: record.owner,
            rtype: record.rtype,
            class: record.class,
            ttl: record.ttl(),
            rdata: expanded[..len].to_vec(),
        });
    }
    Some(ReadMessage { question_end, records })
}

/// Names that are compressed take on the case of what they point to (RFC 4343 §4.1).
fn fold_names(rtype: Type, rdata: &mut [u8]) {
    let Some(shape) = RdataNames::of(rtype).filter(|shape| shape.compressible) else { return };
    let Some(mut at) = shape.skip(rdata) else { return };
    for _ in 0..shape.names {
        let Ok((name, _)) = Name::split(rdata.get(at..).unwrap_or_default()) else { return };
        let end = at + name.len();
        rdata[at..end].make_ascii_lowercase();
        at = end;
    }
}

fn responder() -> Arc<Responder> {
    let table = Arc::new(RecordTable::new(1));
    let origin: NameBuf = "example.".parse().expect("a name");
    let mut edit = Zone::new(&origin, table.hasher()).edit(table.hasher());
    for (owner, rtype, ttl, rdata) in read_master(ZONE.as_bytes()) {
        edit.add(&owner, rtype, ttl, &rdata).expect("a record of this zone");
    }
    table.publish(Snapshot::new(table.hasher()).with(Arc::new(edit.finish())));
    Responder::builder().zone(Name::ROOT, Chain::new().then(Records::of(table))).build()
}

/// Something of everything.
const ZONE: &str = "
$TTL 300
@            SOA   ns hostmaster 1 2 3 4 60
@            NS    ns
ns           A     192.0.2.53
www          A     192.0.2.1
*.w          TXT   wild
a            CNAME a.old
old          DNAME new
a.new        A     192.0.2.2
cut          NS    ns.cut
ns.cut       A     192.0.2.3
svc          HTTPS 1 .
svc          A     192.0.2.4
$GENERATE 1-200 big A   192.0.2.$
$GENERATE 1-30  srv SRV 1 1 $ h$
$GENERATE 1-30  h$  A   192.0.2.$
";
