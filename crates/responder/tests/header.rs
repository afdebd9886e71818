//! The header, the question and OPT: what comes back, and what is refused.

use cartonym_plugin::{Plugin, Query, Response, Step, Transport};
use cartonym_responder::{Chain, Limits, Moment, Responder, Scratch, Verdict};
use cartonym_testing::Ask;
use cartonym_wire::{
    Class, Edns, Flags, HEADER_LEN, Message, Name, Opcode, OptionCode, Rcode, Section, Ttl, Type,
};

/// Answers with as many octets as there is room for.
struct Fill;

impl Plugin for Fill {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        while response.record(Section::Answer, query.name(), Type::A, Ttl::ZERO, &[192, 0, 2, 1]).is_ok() {}
        Step::Answered
    }
}

fn send(octets: &[u8], ask: &Ask) -> Vec<u8> {
    let limits = Limits { udp_size: 1400, ..Limits::default() };
    let responder = Responder::builder().zone(Name::ROOT, Chain::new().then(Fill)).limits(limits).build();
    let moment = Moment { now: std::time::Duration::ZERO, random: 0 };
    let mut out = vec![0; 65535];
    match responder.respond(&mut Scratch::default(), octets, ask.client(), moment, &mut out) {
        Verdict::Send(len) => out[..len].to_vec(),
        Verdict::Drop => Vec::new(),
        Verdict::Wait(_) => panic!("nothing here waits"),
    }
}

fn answer(ask: &Ask) -> Vec<u8> {
    send(&ask.to_message(), ask)
}

fn query() -> Ask {
    Ask::new("www.example. A")
}

/// The rcode, with the bits that OPT holds; none if nothing is said.
fn rcode(octets: &[u8]) -> Option<Rcode> {
    let response = answer_to(octets)?;
    let message = Message::new(&response).unwrap();
    let extended = edns(&response).map_or(0, |edns| u16::from(edns.extended_rcode) << 4);
    Some(Rcode(extended | message.header().flags.rcode().0))
}

fn answer_to(octets: &[u8]) -> Option<Vec<u8>> {
    let response = send(octets, &query());
    (!response.is_empty()).then_some(response)
}

fn edns(response: &[u8]) -> Option<Edns<'_>> {
    let records: Vec<_> = Message::new(response).unwrap().records().map(Result::unwrap).collect();
    records.iter().find_map(Edns::of)
}

fn flags(response: &[u8]) -> Flags {
    Message::new(response).unwrap().header().flags
}

#[test]
fn id_opcode_and_rd_come_back_and_qr_is_set() {
    for rd in [Flags(0), Flags::RD] {
        let response = answer(&query().flags(rd).over(Transport::Tcp));
        assert_eq!(response[..2], [0x12, 0x34]);
        assert_eq!(flags(&response).with(Flags::TC, false), Flags::QR.with(rd, true));
    }
}

#[test]
fn flags_that_mean_nothing_in_a_query_are_ignored_and_come_back_clear() {
    for flag in [Flags::AA, Flags::TC, Flags::RA, Flags::Z, Flags::AD, Flags::CD] {
        let response = answer(&query().flags(flag));
        assert_eq!(flags(&response), Flags::QR.with(Flags::TC, true), "{flag:?}");
    }
}

#[test]
fn a_response_is_not_answered() {
    assert_eq!(answer(&query().flags(Flags::QR)), []);
}

#[test]
fn less_than_a_header_is_not_answered() {
    let octets = query().to_message();
    for len in 0..HEADER_LEN {
        assert_eq!(answer_to(&octets[..len]), None);
    }
}

#[test]
fn an_opcode_that_nobody_handles_is_notimp() {
    for opcode in 1..16 {
        let octets = query().flags(Flags::default().with_opcode(Opcode(opcode))).to_message();
        assert_eq!(rcode(&octets), Some(Rcode::NOTIMP), "{opcode}");
        assert_eq!(flags(&answer_to(&octets).unwrap()).opcode(), Opcode(opcode));
    }
}

#[test]
fn any_number_of_questions_but_one_is_formerr() {
    for count in [0, 2, 3, 255] {
        let mut octets = query().to_message();
        octets[5] = count;
        assert_eq!(rcode(&octets), Some(Rcode::FORMERR), "{count}");
        octets.extend_from_slice(b"\x01a\0\0\x01\0\x01");
        assert_eq!(rcode(&octets), Some(Rcode::FORMERR), "{count}");
    }
}

#[test]
fn a_message_that_ends_too_early_is_formerr() {
    let octets = query().edns(1232).to_message();
    for len in HEADER_LEN..octets.len() {
        assert_eq!(rcode(&octets[..len]), Some(Rcode::FORMERR), "{len}");
    }
}

#[test]
fn octets_behind_the_message_are_formerr() {
    for mut octets in [query().to_message(), query().edns(1232).to_message()] {
        octets.push(0);
        assert_eq!(rcode(&octets), Some(Rcode::FORMERR));
    }
}

#[test]
fn a_compressed_question_is_formerr() {
    let mut octets = query().to_message();
    octets.splice(12.., *b"\xC0\x0C\0\x01\0\x01");
    assert_eq!(rcode(&octets), Some(Rcode::FORMERR));
}

const OPT: &[u8] = b"\0\0\x29\x04\xD0\0\0\0\0\0\0";

/// The query with records of OPT in the three sections.
fn with_opts(counts: [u8; 3]) -> Vec<u8> {
    let mut octets = query().to_message();
    [octets[7], octets[9], octets[11]] = counts;
    (0..counts.iter().sum()).for_each(|_| octets.extend_from_slice(OPT));
    octets
}

#[test]
fn one_opt_in_the_additional_section_is_edns() {
    let response = answer_to(&with_opts([0, 0, 1])).unwrap();
    let edns = edns(&response).unwrap();
    assert_eq!((edns.version, edns.extended_rcode, edns.udp_size), (0, 0, 1232));
    assert_eq!(flags(&response).rcode(), Rcode::NOERROR);
}

#[test]
fn two_opts_are_formerr() {
    assert_eq!(rcode(&with_opts([0, 0, 2])), Some(Rcode::FORMERR));
}

#[test]
fn opt_in_another_section_is_formerr() {
    assert_eq!(rcode(&with_opts([1, 0, 0])), Some(Rcode::FORMERR));
    assert_eq!(rcode(&with_opts([0, 1, 0])), Some(Rcode::FORMERR));
}

#[test]
fn opt_below_another_name_than_the_root_is_formerr() {
    let mut octets = query().to_message();
    octets[11] = 1;
    octets.extend_from_slice(b"\x01a");
    octets.extend_from_slice(OPT);
    assert_eq!(rcode(&octets), Some(Rcode::FORMERR));
}

#[test]
fn options_that_do_not_fill_opt_are_formerr() {
    let mut octets = query().option(OptionCode(65001), &[0; 4]).to_message();
    let option_len = octets.len() - 5;
    octets[option_len] = 3;
    assert_eq!(rcode(&octets), Some(Rcode::FORMERR));
}

#[test]
fn a_version_of_edns_that_does_not_exist_is_badvers_with_the_one_that_does() {
    for version in [1, 100, 255] {
        let mut octets = query().edns(1232).to_message();
        let at = octets.len() - 5;
        octets[at] = version;
        assert_eq!(rcode(&octets), Some(Rcode::BADVERS));
        let response = answer_to(&octets).unwrap();
        assert_eq!(edns(&response).unwrap().version, 0);
        assert_eq!(Message::new(&response).unwrap().header().counts, [1, 0, 0, 1]);
    }
}

#[test]
fn who_asks_for_what_only_denies_is_told_so() {
    let octets = Ask::new("www.example. NXNAME").edns(1232).to_message();
    assert_eq!(rcode(&octets), Some(Rcode::FORMERR));
    let response = answer_to(&octets).unwrap();
    let error = edns(&response).unwrap().options.find(OptionCode::EDE).map(<[u8]>::to_vec);
    assert_eq!(error, Some(vec![0, 30]));
}

#[test]
fn opt_comes_back_only_to_who_sent_it_and_do_with_it() {
    assert_eq!(edns(&answer(&query())), None);
    for (ask, dnssec_ok) in [(query().edns(1232), false), (query().dnssec_ok(), true)] {
        assert_eq!(edns(&answer(&ask)).unwrap().dnssec_ok, dnssec_ok);
    }
}

#[test]
fn a_datagram_is_as_long_as_the_client_and_the_operator_allow() {
    // A record is 16 octets, so the last may leave 15 free.
    let full = |response: &[u8], limit: usize| (limit - 15..=limit).contains(&response.len());
    assert!(full(&answer(&query()), 512));
    for (size, limit) in
        [(0, 512), (100, 512), (511, 512), (512, 512), (1232, 1232), (1400, 1400), (65535, 1400)]
    {
        let response = answer(&query().edns(size));
        assert!(full(&response, limit), "{size}: {}", response.len());
        assert!(flags(&response).has(Flags::TC));
        assert!(edns(&response).is_some());
    }
}

#[test]
fn a_stream_takes_64_kib_whatever_edns_says() {
    for ask in [query(), query().edns(512)] {
        let len = answer(&ask.over(Transport::Tcp)).len();
        assert!((65535 - 15..=65535).contains(&len), "{len}");
    }
}

#[test]
fn the_questions_case_comes_back() {
    let ask = Ask::new("wWw.ExAMPLe. A");
    let (octets, response) = (ask.to_message(), answer(&ask));
    let end = octets.len();
    assert_eq!(response[HEADER_LEN..end], octets[HEADER_LEN..end]);
}

#[test]
fn a_class_without_a_route_is_refused() {
    for class in [Class::HS, Class::NONE, Class(0)] {
        assert_eq!(rcode(&query().class(class).to_message()), Some(Rcode::REFUSED), "{class}");
    }
}
