//! From a query's octets to a response's octets costs no allocation, whatever is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cartonym_plugin::{Client, Metrics, Plugin, Query, Response, Step, Transport};
use cartonym_plugin_registry::Records;
use cartonym_plugins::prometheus::Prometheus;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Answer, Ask, allocations};
use cartonym_wire::{Flags, MAX_MESSAGE_LEN, Name, NameBuf, Opcode, OptionCode, Ttl, Type};
use cartonym_zone::master::{NoIncludes, Parser};
use cartonym_zone::{Policy, RecordTable, RrSet, Snapshot, Zone};

const ZONE: &str = "
example.          3600 SOA   ns.example. hostmaster.example. 1 2 3 4 60
example.          3600 NS    ns.example.
ns.example.       3600 A     192.0.2.53
www.example.      300  A     192.0.2.1
_sip.example.     300  SRV   1 1 5060 ns.example.
one.example.      300  CNAME two.example.
two.example.      300  CNAME three.example.
three.example.    300  CNAME www.example.
*.wild.example.   300  A     192.0.2.2
cut.example.      300  NS    ns.cut.example.
ns.cut.example.   300  A     192.0.2.3
old.example.      300  DNAME new.example.
a.new.example.    300  A     192.0.2.4
a.b.c.ent.example. 300 A     192.0.2.5
";

#[test]
fn a_hit() {
    free("www.example. A", "NOERROR aa", 1);
}

#[test]
fn a_sample_of_many_values() {
    free("many.example. A", "NOERROR aa", 8);
}

#[test]
fn one_by_weight() {
    free("weighted.example. A", "NOERROR aa", 1);
}

#[test]
fn srv_with_additional_addresses() {
    free("_sip.example. SRV", "NOERROR aa", 1);
    free("instances.example. SRV", "NOERROR aa", 8);
}

#[test]
fn a_chain_of_aliases() {
    free("one.example. A", "NOERROR aa", 4);
}

#[test]
fn a_name_below_a_dname() {
    free("a.old.example. A", "NOERROR aa", 3);
}

#[test]
fn a_wildcard() {
    free("a.b.wild.example. A", "NOERROR aa", 1);
}

#[test]
fn no_data() {
    free("www.example. AAAA", "NOERROR aa", 0);
    free("c.ent.example. A", "NOERROR aa", 0);
}

#[test]
fn no_such_name() {
    free("nothing.example. A", "NXDOMAIN aa", 0);
    let deep = format!("{}example. A", "a.".repeat(120));
    free(&deep, "NXDOMAIN aa", 0);
}

#[test]
fn a_referral() {
    free("a.cut.example. A", "NOERROR", 0);
}

#[test]
fn any() {
    free("www.example. ANY", "NOERROR aa", 1);
}

#[test]
fn refused() {
    free("www.test. A", "REFUSED", 0);
}

#[test]
fn truncated() {
    let ask = Ask::new("large.example. A");
    costs_nothing(&ask.to_message(), ask.client(), "NOERROR aa tc", None);
    let ask = ask.edns(600);
    costs_nothing(&ask.to_message(), ask.client(), "NOERROR aa tc", None);
    let ask = ask.over(Transport::Tcp);
    costs_nothing(&ask.to_message(), ask.client(), "NOERROR aa", Some(100));
}

#[test]
fn a_version_of_edns_that_does_not_exist() {
    let ask = Ask::new("www.example. A").edns(1232);
    let mut message = ask.to_message();
    let version = message.len() - 5;
    message[version] = 1;
    costs_nothing(&message, ask.client(), "BADVERS", Some(0));
}

#[test]
fn an_opcode_that_is_not_implemented() {
    for opcode in [Opcode::STATUS, Opcode::NOTIFY, Opcode::UPDATE] {
        let ask = Ask::new("www.example. A").flags(Flags::default().with_opcode(opcode));
        costs_nothing(&ask.to_message(), ask.client(), "NOTIMP", Some(0));
    }
}

#[test]
fn what_is_malformed() {
    let ask = Ask::new("www.example. A").edns(1232);
    let whole = ask.to_message();
    for len in 12..whole.len() {
        costs_nothing(&whole[..len], ask.client(), "FORMERR", Some(0));
    }
    let mut two_questions = whole;
    two_questions[5] = 2;
    costs_nothing(&two_questions, ask.client(), "FORMERR", Some(0));
}

#[test]
fn a_cookie() {
    let ask = Ask::new("www.example. A").option(OptionCode::COOKIE, b"8 octets");
    costs_nothing(&ask.to_message(), ask.client(), "NOERROR aa", Some(1));
}

/// Asks over UDP and TCP, with EDNS and without.
fn free(question: &str, status: &str, answers: usize) {
    for ask in [Ask::new(question), Ask::new(question).edns(1232), Ask::new(question).dnssec_ok()] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let ask = ask.clone().over(transport);
            costs_nothing(&ask.to_message(), ask.client(), status, Some(answers));
        }
    }
}

/// The second time and later: what a worker keeps may grow with the first query.
fn costs_nothing(query: &[u8], client: Client, status: &str, answers: Option<usize>) {
    let responder = responder();
    let mut scratch = Scratch::default();
    let mut out = vec![0; MAX_MESSAGE_LEN];
    let mut respond = |random| {
        let moment = Moment { now: Duration::from_secs(1_000_000), random };
        match responder.respond(&mut scratch, query, client, moment, &mut out) {
            Verdict::Send(len) => {
                responder.took(&mut scratch, Duration::from_micros(300));
                len
            }
            Verdict::Drop | Verdict::Wait(_) => 0,
        }
    };
    respond(0);
    let count = allocations(|| {
        for random in 0..50u64 {
            assert!(respond(random.wrapping_mul(0x9E37_79B9_7F4A_7C15)) > 0);
        }
    });
    let len = respond(0);
    let answer = Answer::new(out[..len].to_vec());
    assert_eq!(answer.to_string().lines().next(), Some(status));
    assert_eq!(answer.answers().len(), answers.unwrap_or(answer.answers().len()));
    assert_eq!(count, 0, "{answer}");
}

fn responder() -> Arc<Responder> {
    let table = Arc::new(RecordTable::new(1));
    table.publish(Snapshot::new(table.hasher()).with(Arc::new(zone(&table))));
    // Counted as well, which is to cost no more.
    let chain = Chain::new().then(Prometheus::new(&Metrics::default())).then(Records::of(table));
    Responder::builder().zone(&"example.".parse::<NameBuf>().unwrap(), chain).build()
}

fn zone(table: &RecordTable) -> Zone {
    let origin: NameBuf = "example.".parse().unwrap();
    let mut edit = Zone::new(&origin, table.hasher()).edit(table.hasher());
    let mut parser = Parser::new(ZONE.as_bytes(), "zone", Name::ROOT, &NoIncludes);
    while let Some(record) = parser.next_record() {
        let record = record.unwrap();
        edit.add(record.owner, record.rtype, record.ttl, record.rdata).unwrap();
    }
    let mut put = |owner: &str, set: &RrSet| {
        edit.put(&owner.parse::<NameBuf>().unwrap(), set).unwrap();
    };
    let addresses = |policy| {
        let mut set = RrSet::new(Type::A, Ttl::from_secs(60), policy);
        (1..=100).for_each(|at| set.push_weighted(&[192, 0, 2, at], u16::from(at), [None, None]));
        set
    };
    put("many.example.", &addresses(Policy::Sample(8)));
    put("weighted.example.", &addresses(Policy::One));
    put("large.example.", &addresses(Policy::All));
    let mut instances = RrSet::new(Type::SRV, Ttl::from_secs(60), Policy::Sample(8));
    for at in 1..=20 {
        let target: NameBuf = format!("i{at}.instances.example.").parse().unwrap();
        let rdata = [&[0, 1, 0, 1, 31, 144], target.as_wire()].concat();
        instances.push_weighted(&rdata, 1, [Some([192, 0, 2, at].into()), None]);
    }
    put("instances.example.", &instances);
    edit.finish()
}

#[test]
fn plugins_that_say_next_with_both_hooks() {
    /// Passes all queries on, and looks at their responses.
    struct Passes(AtomicU64);

    impl Plugin for Passes {
        fn name(&self) -> &'static str {
            "passes"
        }

        fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
            self.0.fetch_add(1, Ordering::Relaxed);
            Step::Next
        }

        fn on_response(&self, _: &Query<'_>, _: &mut Response<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let passing = (0..10).fold(Chain::new(), |chain, _| chain.then(Passes(AtomicU64::new(0))));
    let responder = Responder::builder().zone(Name::ROOT, passing).build();
    let (mut scratch, mut out) = (Scratch::default(), vec![0; 512]);
    let query = Ask::new("www.example. A").to_message();
    let moment = Moment { now: Duration::ZERO, random: 0 };
    let mut respond = || {
        let verdict = responder.respond(&mut scratch, &query, Client::INTERNAL, moment, &mut out);
        assert!(matches!(verdict, Verdict::Send(_)));
    };
    respond();
    assert_eq!(allocations(respond), 0);
}

#[test]
fn what_is_no_query_is_dropped_for_nothing() {
    let responder = responder();
    let (mut scratch, mut out) = (Scratch::default(), vec![0; 512]);
    let moment = Moment { now: Duration::ZERO, random: 0 };
    let mut response = Ask::new("www.example. A").to_message();
    response[2] |= 0x80;
    for octets in [&[][..], &[0; 11], &response] {
        let count = allocations(|| {
            let verdict = responder.respond(&mut scratch, octets, Client::INTERNAL, moment, &mut out);
            assert!(matches!(verdict, Verdict::Drop));
        });
        assert_eq!(count, 0);
    }
}
