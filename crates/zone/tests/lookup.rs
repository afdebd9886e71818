//! Lookup, a sentence of an RFC at a time.

mod common;

use cartonym_wire::{Name, Ttl, Type};
use cartonym_zone::{Ask, Policy, RrSet, Zone};
use common::{Answered, HASHER, ask, ask_with, name, zone};

/// The zone of RFC 4592 §2.2.1, its hosts' addresses made up.
const WILDCARDS: &str = "
example.                 3600 SOA   ns.example.com. hostmaster.example. 1 2 3 4 60
example.                 3600 NS    ns.example.com.
example.                 3600 NS    ns.example.net.
*.example.               3600 TXT   \"this is a wildcard\"
*.example.               3600 MX    10 host1.example.
sub.*.example.           3600 TXT   \"this is not a wildcard\"
host1.example.           3600 A     192.0.2.1
_ssh._tcp.host1.example. 3600 SRV   0 0 22 host1.example.
_ssh._tcp.host2.example. 3600 SRV   0 0 22 host2.example.
subdel.example.          3600 NS    ns.example.com.
subdel.example.          3600 NS    ns.example.net.
";

/// Cuts, chains, and everything else.
const ZONE: &str = r#"
example.           3600 SOA   ns.example. hostmaster.example. 1 2 3 4 60
example.           3600 NS    ns.example.
ns.example.        3600 A     192.0.2.53
www.example.       300  A     192.0.2.1
www.example.       300  A     192.0.2.2
www.example.       300  TXT   "x"
deep.ent.example.  300  A     192.0.2.3
alias.example.     300  CNAME www.example.
chain.example.     300  CNAME alias.example.
dangling.example.  300  CNAME nothing.example.
ent-alias.example. 300  CNAME ent.example.
away.example.      300  CNAME www.test.
into-cut.example.  300  CNAME a.cut.example.
loop.example.      300  CNAME pool.example.
pool.example.      300  CNAME loop.example.
self.example.      300  CNAME self.example.
cut.example.       300  NS    ns.cut.example.
cut.example.       300  NS    ns.sibling.example.
cut.example.       300  NS    ns.test.
cut.example.       300  DS    1 8 2 ABCD
ns.cut.example.    300  A     192.0.2.4
ns.cut.example.    300  AAAA  2001:db8::4
below.cut.example. 300  TXT   "occluded"
sibling.example.   300  NS    ns.sibling.example.
ns.sibling.example. 300 A     192.0.2.5
old.example.       77   DNAME new.example.
old.example.       300  TXT   "beside a DNAME"
x.old.example.     300  A     192.0.2.6
a.new.example.     300  A     192.0.2.7
toloop.example.    300  DNAME x.toloop.example.
both.example.      300  NS    ns.test.
both.example.      300  DNAME new.example.
*.wild.example.    300  CNAME www.example.
*.self.wild.example. 300 CNAME a.self.wild.example.
_http._tcp.example. 300 SRV   1 1 80 ns.example.
_http._tcp.example. 300 SRV   1 1 81 ns.example.
_http._tcp.example. 300 SRV   1 1 82 a.cut.example.
_http._tcp.example. 300 SRV   1 1 83 www.test.
_none._tcp.example. 300 SRV   0 0 0 .
mail.example.      300  MX    10 www.example.
mail.example.      300  MX    20 to-wild.host.example.
*.host.example.    300  A     192.0.2.8
svc.example.       300  HTTPS 1 .
svc.example.       300  A     192.0.2.9
off.example.       300  HTTPS 0 .
off.example.       300  A     192.0.2.9
to-svc.example.    300  HTTPS 0 svc.example.
to-cut.example.    300  HTTPS 0 a.cut.example.
two.example.       300  SRV   1 1 80 a.host.example.
two.example.       300  SRV   1 1 80 b.host.example.
two.example.       300  SRV   1 1 81 A.host.example.
"#;

fn check(text: &str, question: &str, expected: &str) {
    assert_eq!(answer(text, question).line(), expected, "{question}");
}

fn answer(text: &str, question: &str) -> Answered {
    let (qname, qtype) = question.split_once(' ').unwrap();
    ask(&zone(text), &name(qname), qtype.parse().unwrap())
}

// RFC 4592 §2.2.1: the responses that would be synthesized from a wildcard, and those that would not.

#[test]
fn a_wildcard_speaks_for_a_name_that_does_not_exist() {
    check(
        WILDCARDS,
        "host3.example. MX",
        "NOERROR aa; answer host3.example. MX 10 host1.example.; additional host1.example. A 192.0.2.1",
    );
}

#[test]
fn a_wildcard_without_the_type_is_no_data() {
    check(WILDCARDS, "host3.example. A", "NOERROR aa; authority example. SOA");
}

#[test]
fn a_wildcard_speaks_for_names_more_labels_down() {
    check(
        WILDCARDS,
        "foo.bar.example. TXT",
        "NOERROR aa; answer foo.bar.example. TXT \"this is a wildcard\"",
    );
}

#[test]
fn a_wildcard_does_not_speak_for_a_name_that_exists() {
    check(WILDCARDS, "host1.example. MX", "NOERROR aa; authority example. SOA");
}

#[test]
fn a_wildcard_does_not_speak_for_its_own_name_but_is_there() {
    check(WILDCARDS, "*.example. TXT", "NOERROR aa; answer *.example. TXT \"this is a wildcard\"");
    check(WILDCARDS, "sub.*.example. MX", "NOERROR aa; authority example. SOA");
}

#[test]
fn a_wildcard_does_not_speak_below_a_name_that_exists() {
    check(WILDCARDS, "_telnet._tcp.host1.example. SRV", "NXDOMAIN aa; authority example. SOA");
    check(WILDCARDS, "a.host1.example. TXT", "NXDOMAIN aa; authority example. SOA");
}

#[test]
fn a_referral_has_the_ds_records_for_who_wants_them() {
    let referral = |dnssec_ok| {
        let ask = Ask { qtype: Type::A, random: 0, is_question: true, name_servers: false, dnssec_ok };
        let [_, authority, _] = ask_with(&zone(ZONE), &name("a.cut.example."), ask, 65535).unwrap().sections;
        authority
            .into_iter()
            .filter(|(owner, rtype, ..)| *rtype == Type::DS && **owner == *name("cut.example."))
            .count()
    };
    assert_eq!((referral(false), referral(true)), (0, 1));
}

#[test]
fn a_wildcard_does_not_speak_below_a_cut() {
    check(
        WILDCARDS,
        "host.subdel.example. A",
        "NOERROR; authority subdel.example. NS ns.example.com.; authority subdel.example. NS ns.example.net.",
    );
}

#[test]
fn a_wildcard_does_not_speak_below_another_asterisk() {
    check(WILDCARDS, "ghost.*.example. MX", "NXDOMAIN aa; authority example. SOA");
}

#[test]
fn a_name_between_a_wildcard_and_a_host_is_empty_and_so_exists() {
    // RFC 4592 §2.2.2: host2.example. exists for the sake of the name below it.
    check(WILDCARDS, "host2.example. TXT", "NOERROR aa; authority example. SOA");
    check(WILDCARDS, "_tcp.host1.example. TXT", "NOERROR aa; authority example. SOA");
}

#[test]
fn an_alias_at_a_wildcard_is_followed() {
    // RFC 4592 §3.3.3.
    check(
        ZONE,
        "any.wild.example. TXT",
        "NOERROR aa; answer any.wild.example. CNAME www.example.; answer www.example. TXT \"x\"",
    );
}

#[test]
fn an_alias_at_a_wildcard_that_leads_to_itself_ends() {
    check(
        ZONE,
        "b.self.wild.example. A",
        "NOERROR aa; answer a.self.wild.example. CNAME a.self.wild.example.; \
         answer b.self.wild.example. CNAME a.self.wild.example.",
    );
}

// RFC 1034 §4.3.2, RFC 2308, RFC 8020: names that exist, and names that do not.

#[test]
fn a_name_with_the_type_is_answered_with_the_whole_set() {
    check(
        ZONE,
        "WWW.Example. A",
        "NOERROR aa; answer www.example. A 192.0.2.1; answer www.example. A 192.0.2.2",
    );
}

#[test]
fn a_name_without_the_type_is_no_data() {
    check(ZONE, "www.example. AAAA", "NOERROR aa; authority example. SOA");
}

#[test]
fn an_empty_non_terminal_is_no_data() {
    check(ZONE, "ent.example. A", "NOERROR aa; authority example. SOA");
}

#[test]
fn nothing_is_below_a_name_that_does_not_exist() {
    check(ZONE, "nothing.example. A", "NXDOMAIN aa; authority example. SOA");
    check(ZONE, "a.b.nothing.example. A", "NXDOMAIN aa; authority example. SOA");
    check(ZONE, "a.deep.ent.example. A", "NXDOMAIN aa; authority example. SOA");
}

#[test]
fn a_negative_answer_lives_as_long_as_the_smaller_of_minimum_and_the_soa() {
    let soa_of = |text: &str| answer(text, "x.example. A").sections[1][0].2;
    assert_eq!(soa_of(ZONE), 60);
    assert_eq!(soa_of("example. 30 SOA ns.example. h.example. 1 2 3 4 60"), 30);
}

#[test]
fn a_negative_answer_without_a_soa_is_bare() {
    check("example. 30 NS ns.test.", "x.example. A", "NXDOMAIN aa");
}

#[test]
fn the_apex_answers_its_own_data() {
    check(ZONE, "example. SOA", "NOERROR aa; answer example. SOA");
    check(
        ZONE,
        "example. NS",
        "NOERROR aa; answer example. NS ns.example.; additional ns.example. A 192.0.2.53",
    );
    check(ZONE, "example. A", "NOERROR aa; authority example. SOA");
}

// RFC 1034 §3.6.2, RFC 6604: aliases.

#[test]
fn an_alias_is_followed_within_the_zone() {
    check(
        ZONE,
        "chain.example. TXT",
        "NOERROR aa; answer alias.example. CNAME www.example.; answer chain.example. CNAME alias.example.; \
         answer www.example. TXT \"x\"",
    );
}

#[test]
fn an_alias_asked_for_is_not_followed() {
    check(ZONE, "chain.example. CNAME", "NOERROR aa; answer chain.example. CNAME alias.example.");
}

#[test]
fn the_rcode_is_that_of_the_end_of_the_chain() {
    check(
        ZONE,
        "dangling.example. A",
        "NXDOMAIN aa; answer dangling.example. CNAME nothing.example.; authority example. SOA",
    );
    check(
        ZONE,
        "ent-alias.example. A",
        "NOERROR aa; answer ent-alias.example. CNAME ent.example.; authority example. SOA",
    );
}

#[test]
fn an_alias_out_of_the_zone_is_all_there_is() {
    check(ZONE, "away.example. A", "NOERROR aa; answer away.example. CNAME www.test.");
}

#[test]
fn an_alias_into_a_cut_ends_with_the_referral() {
    // AA is about the first owner in the answer (RFC 1035 §4.1.1).
    let line = answer(ZONE, "into-cut.example. A").line();
    assert!(
        line.starts_with("NOERROR aa; answer into-cut.example. CNAME a.cut.example.; authority cut."),
        "{line}"
    );
}

#[test]
fn aliases_that_go_round_end() {
    check(
        ZONE,
        "loop.example. A",
        "NOERROR aa; answer loop.example. CNAME pool.example.; answer pool.example. CNAME loop.example.",
    );
    check(ZONE, "self.example. A", "NOERROR aa; answer self.example. CNAME self.example.");
}

#[test]
fn a_chain_of_a_hundred_aliases_ends_after_sixteen() {
    let links = (0..100).map(|at| format!("n{at}.example. 1 CNAME n{}.example.\n", at + 1));
    let text = format!("example. 1 SOA a. b. 1 2 3 4 5\n{}", links.collect::<String>());
    let answered = answer(&text, "n0.example. A");
    assert_eq!((answered.rcode.as_str(), answered.sections[0].len()), ("NOERROR", 16));
}

// RFC 1034 §4.3.2 step 3b, RFC 9471, RFC 4035 §3.1.4.1: cuts.

const REFERRAL: &str = "NOERROR; authority cut.example. NS ns.cut.example.; \
    authority cut.example. NS ns.sibling.example.; authority cut.example. NS ns.test.; \
    additional ns.cut.example. A 192.0.2.4; additional ns.cut.example. AAAA 2001:db8::4; \
    additional ns.sibling.example. A 192.0.2.5";

#[test]
fn a_name_at_or_below_a_cut_is_referred_without_authority() {
    check(ZONE, "cut.example. A", REFERRAL);
    check(ZONE, "cut.example. NS", REFERRAL);
    check(ZONE, "a.b.cut.example. A", REFERRAL);
}

#[test]
fn data_below_a_cut_is_hidden_even_the_glue() {
    check(ZONE, "below.cut.example. TXT", REFERRAL);
    check(ZONE, "ns.cut.example. A", REFERRAL);
}

#[test]
fn ds_at_a_cut_is_the_parents_to_answer() {
    check(ZONE, "cut.example. DS", "NOERROR aa; answer cut.example. DS 1 8 2 abcd");
    check(ZONE, "sibling.example. DS", "NOERROR aa; authority example. SOA");
    check(ZONE, "a.cut.example. DS", REFERRAL);
}

#[test]
fn glue_below_the_cut_that_does_not_fit_truncates() {
    let zone = zone(ZONE);
    let ask = Ask { qtype: Type::A, random: 0, is_question: true, name_servers: false, dnssec_ok: false };
    let whole = ask_with(&zone, &name("a.cut.example."), ask, 512).unwrap();
    let all_but = |octets| ask_with(&zone, &name("a.cut.example."), ask, whole.len - octets).unwrap();
    assert!(!whole.tc);
    // The last is the sibling's address, which may be left out; before it stand those below the cut.
    assert_eq!((all_but(1).tc, all_but(1).sections[2].len()), (false, 2));
    assert!(all_but(17).tc);
}

// RFC 6672: DNAME.

#[test]
fn a_dname_makes_an_alias_of_each_name_below_it() {
    check(
        ZONE,
        "a.old.example. A",
        "NOERROR aa; answer a.new.example. A 192.0.2.7; answer a.old.example. CNAME a.new.example.; \
         answer old.example. DNAME new.example.",
    );
}

#[test]
fn the_alias_lives_as_long_as_its_dname() {
    let answered = answer(ZONE, "a.old.example. A");
    let ttls: Vec<_> = answered.sections[0].iter().map(|record| (record.1, record.2)).collect();
    assert_eq!(ttls, [(Type::DNAME, 77), (Type::CNAME, 77), (Type::A, 300)]);
}

#[test]
fn a_dname_leaves_its_own_name_alone() {
    check(ZONE, "old.example. TXT", "NOERROR aa; answer old.example. TXT \"beside a DNAME\"");
    check(ZONE, "old.example. A", "NOERROR aa; authority example. SOA");
    check(ZONE, "old.example. DNAME", "NOERROR aa; answer old.example. DNAME new.example.");
}

#[test]
fn data_below_a_dname_is_hidden() {
    check(
        ZONE,
        "x.old.example. A",
        "NXDOMAIN aa; answer old.example. DNAME new.example.; \
         answer x.old.example. CNAME x.new.example.; authority example. SOA",
    );
}

#[test]
fn an_alias_made_by_a_dname_answers_to_cname() {
    check(
        ZONE,
        "a.old.example. CNAME",
        "NOERROR aa; answer a.old.example. CNAME a.new.example.; answer old.example. DNAME new.example.",
    );
}

#[test]
fn a_name_that_a_dname_makes_too_long_is_yxdomain() {
    let label = "l".repeat(62);
    let text =
        format!("example. 1 SOA a. b. 1 2 3 4 5\nd.example. 1 DNAME {label}.{label}.{label}.example.\n");
    let dname = format!("d.example. DNAME {label}.{label}.{label}.example.");
    check(&text, &format!("{label}.d.example. A"), &format!("YXDOMAIN aa; answer {dname}"));
}

#[test]
fn a_dname_below_itself_ends() {
    let answered = answer(ZONE, "a.toloop.example. A");
    let of_type = |rtype| answered.sections[0].iter().filter(|record| record.1 == rtype).count();
    assert_eq!((answered.rcode.as_str(), of_type(Type::DNAME), of_type(Type::CNAME)), ("NOERROR", 1, 16));
}

#[test]
fn a_dname_at_the_apex_leaves_the_apex_and_renames_all_below() {
    let text = "example. 1 SOA a. b. 1 2 3 4 5\nexample. 1 NS ns.test.\nexample. 1 DNAME test.\n";
    check(text, "example. NS", "NOERROR aa; answer example. NS ns.test.");
    check(
        text,
        "a.b.example. A",
        "NOERROR aa; answer a.b.example. CNAME a.b.test.; answer example. DNAME test.",
    );
}

#[test]
fn a_cut_goes_before_a_dname_of_the_same_name() {
    check(ZONE, "both.example. DNAME", "NOERROR; authority both.example. NS ns.test.");
    check(ZONE, "a.both.example. A", "NOERROR; authority both.example. NS ns.test.");
}

// RFC 8482: ANY.

#[test]
fn any_is_answered_with_one_set() {
    check(
        ZONE,
        "www.example. ANY",
        "NOERROR aa; answer www.example. A 192.0.2.1; answer www.example. A 192.0.2.2",
    );
    check(ZONE, "chain.example. ANY", "NOERROR aa; answer chain.example. CNAME alias.example.");
    check(ZONE, "x.host.example. ANY", "NOERROR aa; answer x.host.example. A 192.0.2.8");
}

#[test]
fn any_without_data_is_as_other_types() {
    check(ZONE, "ent.example. ANY", "NOERROR aa; authority example. SOA");
    check(ZONE, "nothing.example. ANY", "NXDOMAIN aa; authority example. SOA");
    check(ZONE, "cut.example. ANY", REFERRAL);
    check(
        ZONE,
        "a.old.example. ANY",
        "NOERROR aa; answer a.old.example. CNAME a.new.example.; answer old.example. DNAME new.example.",
    );
}

// RFC 1034 §4.3.2 step 6, RFC 2782, RFC 9460 §4.1: additional data.

#[test]
fn srv_brings_the_addresses_that_the_zone_has_once_for_each_host() {
    check(
        ZONE,
        "_http._tcp.example. SRV",
        "NOERROR aa; answer _http._tcp.example. SRV 1 1 80 ns.example.; \
         answer _http._tcp.example. SRV 1 1 81 ns.example.; answer _http._tcp.example. SRV 1 1 82 a.cut.example.; \
         answer _http._tcp.example. SRV 1 1 83 www.test.; additional ns.example. A 192.0.2.53",
    );
    check(
        ZONE,
        "two.example. SRV",
        "NOERROR aa; answer two.example. SRV 1 1 80 a.host.example.; answer two.example. SRV 1 1 80 b.host.example.; \
         answer two.example. SRV 1 1 81 A.host.example.; additional a.host.example. A 192.0.2.8; \
         additional b.host.example. A 192.0.2.8",
    );
    check(ZONE, "_none._tcp.example. SRV", "NOERROR aa; answer _none._tcp.example. SRV 0 0 0 .");
}

#[test]
fn mx_brings_the_addresses_of_hosts_that_a_wildcard_speaks_for() {
    check(
        ZONE,
        "mail.example. MX",
        "NOERROR aa; answer mail.example. MX 10 www.example.; answer mail.example. MX 20 to-wild.host.example.; \
         additional to-wild.host.example. A 192.0.2.8; additional www.example. A 192.0.2.1; \
         additional www.example. A 192.0.2.2",
    );
}

#[test]
fn a_service_at_its_own_name_brings_that_names_addresses() {
    check(
        ZONE,
        "svc.example. HTTPS",
        "NOERROR aa; answer svc.example. HTTPS 1 .; additional svc.example. A 192.0.2.9",
    );
    check(ZONE, "off.example. HTTPS", "NOERROR aa; answer off.example. HTTPS 0 .");
}

#[test]
fn an_alias_of_a_service_brings_the_service_and_its_addresses() {
    // RFC 9460 §4.1: one step, and none out of the zone.
    check(
        ZONE,
        "to-svc.example. HTTPS",
        "NOERROR aa; answer to-svc.example. HTTPS 0 svc.example.; additional svc.example. A 192.0.2.9; \
         additional svc.example. HTTPS 1 .",
    );
    check(ZONE, "to-cut.example. HTTPS", "NOERROR aa; answer to-cut.example. HTTPS 0 a.cut.example.");
}

#[test]
fn additional_data_that_does_not_fit_is_left_out_without_truncation() {
    let ask = Ask { qtype: Type::SRV, random: 0, is_question: true, name_servers: false, dnssec_ok: false };
    let zone = zone(ZONE);
    let whole = ask_with(&zone, &name("_http._tcp.example."), ask, 512).unwrap();
    let less = ask_with(&zone, &name("_http._tcp.example."), ask, whole.len - 1).unwrap();
    assert_eq!((less.tc, less.sections[0].len(), less.sections[2].len()), (false, 4, 0));
}

#[test]
fn the_addresses_of_a_host_are_there_all_or_none() {
    let hosts = (0..5).map(|at| format!("a.example. 1 A 192.0.2.{at}\n")).collect::<String>();
    let text = format!(
        "example. 1 SOA a. b. 1 2 3 4 5\ns.example. 1 SRV 1 1 1 a.example.\ns.example. 1 SRV 1 1 2 b.example.\n{hosts}\
         a.example. 1 AAAA 2001:db8::1\nb.example. 1 A 192.0.2.9\n"
    );
    let ask = Ask { qtype: Type::SRV, random: 0, is_question: true, name_servers: false, dnssec_ok: false };
    let built = zone(&text);
    let mut edit = built.edit(HASHER);
    edit.add(&name("c.example."), Type::A, Ttl::ZERO, &[192, 0, 2, 1]).unwrap();
    let edited = edit.finish();
    for zone in [built, edited] {
        let whole = ask_with(&zone, &name("s.example."), ask, 512).unwrap();
        let answer = whole.len - 5 * 16 - 28 - 16;
        for limit in answer..=whole.len {
            let less = ask_with(&zone, &name("s.example."), ask, limit).unwrap();
            let of_five =
                less.sections[2].iter().filter(|rr| rr.0 == name("a.example.") && rr.1 == Type::A).count();
            assert_eq!((less.tc, less.sections[0].len()), (false, 2));
            assert_eq!(of_five, if limit < answer + 5 * 16 { 0 } else { 5 }, "{limit}");
        }
    }
}

// RFC 2181 §9: truncation.

#[test]
fn an_answer_that_does_not_fit_is_truncated_to_whole_records() {
    let records =
        (0..100).map(|at| format!("big.example. 1 A 192.0.2.{at}\nhosts.example. 1 NS h{at}.test.\n"));
    let zone = zone(&format!("example. 1 SOA a. b. 1 2 3 4 5\n{}", records.collect::<String>()));
    for (owner, qtype) in [("big.example.", Type::A), ("example.", Type::SOA), ("a.hosts.example.", Type::A)]
    {
        for limit in [120, 300, 512, 1232] {
            let ask = Ask { qtype, random: 0, is_question: true, name_servers: false, dnssec_ok: false };
            let answered = ask_with(&zone, &name(owner), ask, limit).unwrap();
            assert_eq!(answered.tc, qtype == Type::A, "{owner} {limit}");
        }
    }
}

#[test]
fn a_name_error_stays_one_when_its_soa_does_not_fit() {
    let ask = Ask { qtype: Type::A, random: 0, is_question: true, name_servers: false, dnssec_ok: false };
    let answered = ask_with(&zone(ZONE), &name("nothing.example."), ask, 50).unwrap();
    assert_eq!(answered.line(), "NXDOMAIN aa tc");
}

// Policies.

fn chosen(policy: Policy, weights: &[u16], random: u64) -> Vec<u8> {
    let zone = choosing(policy, weights);
    choose(&zone, random)
}

fn choosing(policy: Policy, weights: &[u16]) -> Zone {
    let mut set = RrSet::new(Type::A, Ttl::from_secs(5), policy);
    for (weight, at) in weights.iter().zip(0u8..) {
        set.push_weighted(&[192, 0, 2, at], *weight, [None, None]);
    }
    let mut edit = zone("example. 30 SOA ns.test. h.test. 1 2 3 4 60").edit(HASHER);
    edit.put(&name("www.example."), &set).unwrap();
    edit.finish()
}

fn choose(zone: &Zone, random: u64) -> Vec<u8> {
    let ask = Ask { qtype: Type::A, random, is_question: true, name_servers: false, dnssec_ok: false };
    let answered = ask_with(zone, &name("www.example."), ask, 512).unwrap();
    answered.sections[0].iter().map(|record| record.3[3]).collect()
}

/// Uniform words, the same on each run (splitmix64).
fn randoms(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|at| {
        let word = at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    })
}

#[test]
fn a_sample_has_all_records_where_there_are_no_more() {
    for random in randoms(100) {
        let mut all = chosen(Policy::Sample(8), &[0; 5], random);
        all.sort();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_sample_is_each_subset_equally_often() {
    let zone = choosing(Policy::Sample(3), &[0; 6]);
    let mut seen = std::collections::BTreeMap::new();
    for random in randoms(200_000) {
        let mut subset = choose(&zone, random);
        subset.sort();
        *seen.entry(subset).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 20);
    for (subset, count) in seen {
        assert_eq!(subset.len(), 3);
        assert!((9_500..10_500).contains(&count), "{subset:?} {count}");
    }
}

#[test]
fn a_sample_begins_with_each_record_equally_often() {
    // Many clients take the first address and no other.
    for (policy, records) in [(Policy::Sample(8), 9), (Policy::Sample(8), 5), (Policy::Sample(20), 40)] {
        let zone = choosing(policy, &vec![0; records]);
        let mut first = vec![0; records];
        for random in randoms(90_000) {
            first[usize::from(choose(&zone, random)[0])] += 1;
        }
        let fair = 90_000 / records;
        assert!(first.iter().all(|count| (fair * 9 / 10..fair * 11 / 10).contains(count)), "{first:?}");
    }
}

#[test]
fn a_large_sample_has_as_many_records_as_it_may() {
    let zone = choosing(Policy::Sample(20), &[0; 25]);
    for random in randoms(1000) {
        let mut subset = choose(&zone, random);
        subset.sort();
        subset.dedup();
        assert_eq!(subset.len(), 20);
    }
}

#[test]
fn one_is_chosen_by_weight() {
    let weights = [1, 0, 3, 0, 96, 900];
    let zone = choosing(Policy::One, &weights);
    let mut counts = [0u32; 6];
    for random in randoms(1_000_000) {
        match choose(&zone, random)[..] {
            [record] => counts[usize::from(record)] += 1,
            _ => panic!("not one record"),
        }
    }
    for (count, weight) in counts.iter().zip(weights) {
        let share = f64::from(*count) / 1e6;
        assert!((share - f64::from(weight) / 1e3).abs() < 0.01, "{counts:?}");
        assert_eq!(*count == 0, weight == 0, "{counts:?}");
    }
}

#[test]
fn one_of_records_that_weigh_nothing_is_no_data() {
    let zone = choosing(Policy::One, &[0, 0]);
    let answered = ask(&zone, &name("www.example."), Type::A);
    assert_eq!(answered.line(), "NOERROR aa; authority example. SOA");
}

#[test]
fn a_record_more_or_less_leaves_a_set_that_chooses_whole() {
    let owner = name("www.example.");
    let mut edit = choosing(Policy::Sample(8), &[0; 3]).edit(HASHER);
    assert!(edit.remove_record(&owner, Type::A, &[192, 0, 2, 1]).unwrap());
    edit.add(&owner, Type::A, Ttl::from_secs(2), &[192, 0, 2, 9]).unwrap();
    let answered = ask(&edit.finish(), &owner, Type::A);
    let mut values: Vec<_> = answered.sections[0].iter().map(|record| (record.3[3], record.2)).collect();
    values.sort();
    assert_eq!(values, [(0, 2), (2, 2), (9, 2)]);
}

#[test]
fn an_srv_that_is_chosen_brings_its_own_addresses() {
    let mut edit = zone("example. 30 SOA ns.test. h.test. 1 2 3 4 60").edit(HASHER);
    let target = |at: u8| name(&format!("i{at}.web.example."));
    for (owner, policy) in [("one.example.", Policy::One), ("some.example.", Policy::Sample(2))] {
        let mut set = RrSet::new(Type::SRV, Ttl::from_secs(5), policy);
        for at in 1..6 {
            let rdata = [&[0, 1, 0, 1, 0, 80], target(at).as_wire()].concat();
            let v4 = [192, 0, 2, at].into();
            let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, at].into();
            set.push_weighted(&rdata, 1, [Some(v4), Some(v6)]);
        }
        edit.put(&name(owner), &set).unwrap();
    }
    let zone = edit.finish();
    for (owner, count) in [("one.example.", 1), ("some.example.", 2)] {
        for random in randoms(20) {
            let ask =
                Ask { qtype: Type::SRV, random, is_question: true, name_servers: false, dnssec_ok: false };
            let [srv, _, addresses] = ask_with(&zone, &name(owner), ask, 512).unwrap().sections;
            let hosts: Vec<_> =
                srv.iter().map(|record| Name::from_wire(&record.3[6..]).unwrap().to_buf()).collect();
            let owners: Vec<_> = addresses.iter().map(|record| record.0).collect();
            let expected: Vec<_> = hosts.iter().flat_map(|host| [*host, *host]).collect();
            assert_eq!((srv.len(), owners), (count, expected));
        }
    }
}
