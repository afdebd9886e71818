//! Whatever comes in, what goes out is a response or nothing.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{Client, Transport};
use cartonym_plugin_registry::Records;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_testing::Ask;
use cartonym_wire::{
    Edns, Flags, HEADER_LEN, MAX_MESSAGE_LEN, Message, Name, NameBuf, Opcode, OptionCode, Type,
};
use cartonym_zone::master::{NoIncludes, Parser};
use cartonym_zone::{RecordTable, Snapshot, Zone};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const ZONE: &str = "
$TTL 300
@            SOA   ns hostmaster 1 2 3 4 60
@            NS    ns
ns           A     192.0.2.53
www          A     192.0.2.1
*.wild       TXT   wild
alias        CNAME alias.old
old          DNAME new
www.new      A     192.0.2.2
cut          NS    ns.cut
ns.cut       A     192.0.2.3
$GENERATE 1-200 big   A   192.0.2.$
$GENERATE 1-30  hosts SRV 1 1 $ host-$
$GENERATE 1-30  host-$ A  192.0.2.$
";

const QUESTIONS: &[&str] = &[
    "www.example. A",
    "WwW.eXample. ANY",
    "big.example. A",
    "hosts.example. SRV",
    "a.b.wild.example. TXT",
    "alias.example. A",
    "x.old.example. A",
    "a.cut.example. A",
    "cut.example. DS",
    "nothing.example. MX",
    "example. SOA",
    "example. AXFR",
    "elsewhere.test. A",
    ". NS",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_get_a_response_or_nothing(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        check_everywhere(&octets);
    }

    #[test]
    fn octets_behind_a_sound_header_get_a_response_or_nothing(
        flags in any::<u16>(),
        counts in prop::array::uniform4(0u16..3),
        body in prop::collection::vec(select(vec![0u8, 1, 2, 12, 41, 63, 64, 0xC0, 0xFF, b'a', 250]), 0..120),
    ) {
        let header = [7, flags & 0x7FFF, counts[0], counts[1], counts[2], counts[3]];
        let octets = [header.map(u16::to_be_bytes).concat(), body].concat();
        check_everywhere(&octets);
    }

    #[test]
    fn queries_that_were_changed_on_the_way_get_a_response_or_nothing(
        question in select(QUESTIONS),
        edns in prop::option::of(any::<u16>()),
        option in prop::option::of((any::<u16>(), prop::collection::vec(any::<u8>(), 0..50))),
        flags in any::<u16>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0u8..4), 0..6),
    ) {
        let mut ask = Ask::new(question).flags(Flags(flags & 0x7FFF));
        if let Some(size) = edns {
            ask = ask.edns(size);
        }
        if let Some((code, data)) = option {
            ask = ask.option(OptionCode(code), &data);
        }
        let mut octets = ask.to_message();
        for (at, octet, kind) in changes {
            change(&mut octets, at, octet, kind);
        }
        check_everywhere(&octets);
    }
}

fn change(octets: &mut Vec<u8>, at: Index, octet: u8, kind: u8) {
    if octets.is_empty() {
        return;
    }
    let at = at.index(octets.len());
    match kind {
        0 => octets.truncate(at),
        1 => octets.insert(at, octet),
        2 => _ = octets.remove(at),
        _ => octets[at] = octet,
    }
}

fn check_everywhere(octets: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp] {
        check(octets, transport);
    }
}

/// What holds of every response.
fn check(query: &[u8], transport: Transport) {
    let Some(response) = respond(query, transport) else {
        let is_response = query.len() >= HEADER_LEN && query[2] & 0x80 != 0;
        assert!(query.len() < HEADER_LEN || is_response, "a query is answered");
        return;
    };
    let (asked, answered) = (Message::new(query).unwrap(), Message::new(&response).unwrap());
    let (asked_flags, flags) = (asked.header().flags, answered.header().flags);
    assert!(flags.has(Flags::QR));
    assert_eq!(answered.header().id, asked.header().id);
    assert_eq!(flags.opcode(), asked_flags.opcode());
    assert_eq!(flags.has(Flags::RD), asked_flags.has(Flags::RD));
    assert_eq!(flags.0 & (Flags::Z.0 | Flags::AD.0 | Flags::CD.0 | Flags::RA.0), 0);

    let records: Vec<_> = answered.records().map(|record| record.expect("whole records")).collect();
    let opts = records.iter().filter(|record| record.rtype == Type::OPT).count();
    let edns = sound_edns(asked);
    assert_eq!(opts, usize::from(edns.is_some() && has_body(&response)));
    assert!(records.iter().filter(|record| record.rtype == Type::OPT).all(|opt| opt.section == 2));

    let allowed = match (transport, edns) {
        (Transport::Udp, None) => 512,
        (Transport::Udp, Some(edns)) => usize::from(edns.udp_size.min(1232)),
        _ => MAX_MESSAGE_LEN,
    };
    // A signed query, whose key's name comes back, may itself be longer than that.
    assert!(response.len() <= allowed.max(query.len()), "{} > {allowed}", response.len());

    match answered.header().counts[0] {
        0 => assert!(records.iter().all(|record| record.rtype == Type::OPT), "{flags:?}"),
        1 => {
            let end = answered.question().unwrap().end;
            assert_eq!(response[HEADER_LEN..end], query[HEADER_LEN..end]);
        }
        more => panic!("{more} questions"),
    }
}

/// A bare header says that what came could not be read.
fn has_body(response: &[u8]) -> bool {
    response.len() > HEADER_LEN
}

/// The OPT of a message that can be read to its end.
fn sound_edns(message: Message<'_>) -> Option<Edns<'_>> {
    message.question().ok().filter(|_| message.header().counts[0] == 1).or_else(|| {
        (message.header().counts[0] == 0).then_some(cartonym_wire::Question {
            name: Name::ROOT,
            qtype: Type::A,
            qclass: cartonym_wire::Class::IN,
            end: HEADER_LEN,
        })
    })?;
    let records: Vec<_> = message.records().collect::<Result<_, _>>().ok()?;
    records.iter().find_map(Edns::of)
}

fn respond(query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    thread_local! {
        static RESPONDER: Arc<Responder> = responder();
    }
    let client = Client { transport, ..Client::INTERNAL };
    let moment = Moment { now: Duration::from_secs(1_000_000), random: 7 };
    // What an earlier message left must not show.
    let mut out = vec![0xA5; MAX_MESSAGE_LEN];
    let verdict = RESPONDER
        .with(|responder| responder.respond(&mut Scratch::default(), query, client, moment, &mut out));
    match verdict {
        Verdict::Send(len) => Some(out[..len].to_vec()),
        Verdict::Drop => None,
        Verdict::Wait(_) => panic!("nothing here waits"),
    }
}

fn responder() -> Arc<Responder> {
    let origin: NameBuf = "example.".parse().unwrap();
    let table = Arc::new(RecordTable::new(1));
    let mut edit = Zone::new(&origin, table.hasher()).edit(table.hasher());
    let mut parser = Parser::new(ZONE.as_bytes(), "zone", &origin, &NoIncludes);
    while let Some(record) = parser.next_record() {
        let record = record.unwrap();
        edit.add(record.owner, record.rtype, record.ttl, record.rdata).unwrap();
    }
    table.publish(Snapshot::new(table.hasher()).with(Arc::new(edit.finish())));
    Responder::builder().zone(Name::ROOT, Chain::new().then(Records::of(table))).build()
}

#[test]
fn queries_as_they_are_hold_what_is_checked() {
    for question in QUESTIONS {
        for size in [0, 512, 1232, 65535] {
            check_everywhere(&Ask::new(question).to_message());
            check_everywhere(&Ask::new(question).edns(size).to_message());
        }
        for opcode in 0..16 {
            let flags = Flags::RD.with_opcode(Opcode(opcode));
            check_everywhere(&Ask::new(question).flags(flags).to_message());
        }
    }
}
