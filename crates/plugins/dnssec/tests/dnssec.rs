//! What the plugin makes of answers. Whether validators take it for proven is asked of the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cartonym_plugin::{Metrics, Plugin, Query, Response, Settings, Shared, Step};
use cartonym_plugin_dnssec::Dnssec;
use cartonym_responder::Chain;
use cartonym_testing::{Answer, Ask, Canned, Tester, configure_in, conformance_of_directive};
use cartonym_wire::{Flags, Hasher, MAX_MESSAGE_LEN, Message, Name, Rcode, Type, expand_rdata};
use cartonym_zone::Zone;
use cartonym_zone::master::{NoIncludes, Parser, rdata_to_text};

const ZONE: &str = "\
$TTL 300
@            SOA   ns hostmaster 1 3600 600 86400 60
@            NS    ns
ns           A     192.0.2.53
www          A     192.0.2.1
www          A     192.0.2.2
long         86401 A 192.0.2.9
alias        CNAME www
nowhere      CNAME nothing
away         CNAME www.example.test.
*.wild       A     192.0.2.3
a.b          A     192.0.2.4
dname        DNAME b
sub          NS    ns.sub
ns.sub       A     192.0.2.53
safe         NS    ns.sub
safe         DS    1 13 2 AABB
";

/// One key with the flag SEP, and one without.
const SPLIT: &str = "dnssec {\n key file Kexample.+013+21992 Kexample.+013+63821\n}";
const ONE: &str = "dnssec {\n key file Kexample.+013+21992.key\n}";

/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

#[test]
fn who_does_not_ask_for_signatures_gets_what_there_is() {
    let (signed, plain) = (signing(ONE), Tester::of(Served::new()));
    for question in
        ["www.example. A", "nothing.example. A", "sub.example. A", "example. MX", "sub.example. DS"]
    {
        let edns = || Ask::new(question).edns(1232);
        assert_eq!(signed.ask(edns()).as_bytes(), plain.ask(edns()).as_bytes(), "{question}");
        assert_eq!(signed.ask(question).as_bytes(), plain.ask(question).as_bytes(), "{question}");
    }
}

#[test]
fn each_set_of_records_is_followed_by_its_signature() {
    let answer = ask(&signing(ONE), "WWW.Example. A");
    assert_eq!(
        section(&answer, 0),
        [
            "WWW.Example. 300 A 192.0.2.1",
            "WWW.Example. 300 A 192.0.2.2",
            // Inception three hours ago, expiration in eight days.
            "WWW.Example. 300 RRSIG A 13 2 3600 20260109000000 20251231210000 21992 example.",
        ]
    );
    assert_eq!(
        section(&answer, 1),
        [
            // Pointers into the question, in whatever case that is.
            "Example. 300 NS ns.Example.",
            "Example. 300 RRSIG NS 13 1 3600 20260109000000 20251231210000 21992 example.",
        ]
    );
    assert_eq!(kinds(&ask(&signing(ONE), "example. NS"), 2), ["A ns.example.", "RRSIG A ns.example."]);
}

#[test]
fn a_wildcard_is_a_name_like_others_and_no_label_of_itself() {
    let tester = signing(ONE);
    let labels = |question| {
        let signature = section(&ask(&tester, question), 0).pop().unwrap();
        signature.split(' ').nth(5).map(str::to_owned)
    };
    assert_eq!(labels("x.wild.example. A").as_deref(), Some("3"));
    assert_eq!(labels("*.wild.example. A").as_deref(), Some("2"));
}

#[test]
fn a_ttl_of_more_than_an_hour_is_within_that_of_its_signature() {
    let answer = ask(&signing(ONE), "long.example. A");
    let signature = section(&answer, 0).pop().unwrap();
    assert!(signature.starts_with("long.example. 86401 RRSIG A 13 2 604800 "), "{signature}");
}

#[test]
fn keys_are_told_and_signed_by_the_key_for_keys() {
    let tester = signing(SPLIT);
    assert_eq!(tester.ask("example. DNSKEY").answers().len(), 2);
    let answer = ask(&tester, "EXAMPLE. DNSKEY");
    let lines = section(&answer, 0);
    assert!(answer.flags().has(Flags::AA));
    assert!(lines[0].starts_with("EXAMPLE. 3600 DNSKEY 257 3 13 "), "{lines:?}");
    assert!(lines[1].starts_with("EXAMPLE. 3600 DNSKEY 256 3 13 "), "{lines:?}");
    assert!(lines[2..].iter().all(|line| line.contains(" RRSIG DNSKEY 13 1 3600 ")), "{lines:?}");
    assert_eq!(signers(&answer), ["21992"]);
    assert_eq!(signers(&ask(&tester, "www.example. A"))[0], "63821");
    // Where there is no such key, it is a name like others.
    assert_eq!(kinds(&ask(&tester, "www.example. DNSKEY"), 0), Vec::<String>::new());
}

#[test]
fn keys_of_one_kind_sign_everything_each() {
    let tester = signing(
        "dnssec {\n key file Kexample.+013+63821 Kexample.+015+60141\n \
         key file Kexample.+014+50317 Kexample.+008+58621.private Kexample.+010+03593\n}",
    );
    let all = ["63821", "60141", "50317", "58621", "3593"];
    assert_eq!(signers(&ask_over_tcp(&tester, "example. DNSKEY")), all);
    assert_eq!(signers(&ask_over_tcp(&tester, "alias.example. CNAME"))[..5], all);
}

#[test]
fn each_set_has_a_signature_by_each_algorithm() {
    // RFC 4035 §2.2: a key for keys, and one of another algorithm without that flag.
    let tester = signing("dnssec {\n key file Kexample.+013+21992 Kexample.+015+60141\n}");
    let all = ["21992", "60141"];
    assert_eq!(signers(&ask(&tester, "example. DNSKEY")), all);
    assert_eq!(signers(&ask(&tester, "www.example. A"))[..2], all);
    // Of one algorithm there are two kinds.
    let tester =
        signing("dnssec {\n key file Kexample.+013+21992 Kexample.+013+63821 Kexample.+015+60141\n}");
    assert_eq!(signers(&ask(&tester, "example. DNSKEY")), all);
    assert_eq!(signers(&ask(&tester, "www.example. A"))[..2], ["63821", "60141"]);
}

#[test]
fn a_name_that_does_not_exist_has_nothing_but_a_proof() {
    let answer = ask(&signing(ONE), "x.nothing.example. A");
    assert_eq!(answer.rcode(), Rcode::NOERROR);
    assert_eq!(
        section(&answer, 1),
        [
            "example. 60 SOA ns.example. hostmaster.example. 1 3600 600 86400 60",
            "example. 60 RRSIG SOA 13 1 3600 20260109000000 20251231210000 21992 example.",
            "x.nothing.example. 60 NSEC \\000.x.nothing.example. RRSIG NSEC NXNAME",
            "x.nothing.example. 60 RRSIG NSEC 13 3 3600 20260109000000 20251231210000 21992 example.",
        ]
    );
}

#[test]
fn what_a_zone_below_denies_is_proven_with_the_zone() {
    // One that is served behind the same directive, from a file of its own or by an upstream, and not delegated.
    let soa = "authority lower.example. 60 SOA ns.test. h.test. 1 2 3 4 5";
    let tester = Tester::new(chain(ONE).then(Canned::new(soa).rcode(Rcode::NXDOMAIN)));
    let answer = ask(&tester, "x.lower.example. A");
    assert_eq!(answer.rcode(), Rcode::NOERROR);
    let proof = [
        "SOA lower.example.",
        "RRSIG SOA lower.example.",
        "NSEC x.lower.example.",
        "RRSIG NSEC x.lower.example.",
    ];
    assert_eq!(kinds(&answer, 1), proof);
    // A SOA beside the name says nothing of it.
    assert_eq!(ask(&tester, "x.example. A").rcode(), Rcode::NXDOMAIN);
}

#[test]
fn a_type_that_does_not_exist_is_left_out_of_those_that_may() {
    let tester = signing(ONE);
    for (question, has, lacks) in [
        ("www.example. AAAA", " A ", " AAAA "),
        ("www.example. MX", " AAAA ", " MX "),
        ("b.example. A", " AAAA ", " A "),
        ("www.example. DS", " A ", " NS "),
        ("example. MX", " SOA ", " MX "),
        ("example. MX", " DNSKEY ", " CNAME "),
        ("www.example. MX", " NSEC ", " NXNAME "),
    ] {
        let answer = ask_waiting(&tester, question);
        let lines = section(&answer, 1);
        let (head, types) = lines[2].split_once(" NSEC \\000.").unwrap();
        let types = format!(" {} ", types.split_once(' ').unwrap().1);
        assert_eq!(head, format!("{} 60", question.split(' ').next().unwrap()));
        assert!(types.contains(has) && !types.contains(lacks), "{question}: {types}");
        assert_eq!(signers(&answer).len(), 2, "{question}");
    }
}

#[test]
fn who_asks_for_the_proof_gets_it() {
    let tester = signing(ONE);
    let answer = ask(&tester, "nothing.example. NSEC");
    assert_eq!(
        section(&answer, 0),
        [
            "nothing.example. 60 NSEC \\000.nothing.example. RRSIG NSEC NXNAME",
            "nothing.example. 60 RRSIG NSEC 13 2 3600 20260109000000 20251231210000 21992 example.",
        ]
    );
    assert_eq!((answer.rcode(), section(&answer, 1)), (Rcode::NOERROR, Vec::new()));
    let nsec = &section(&ask(&tester, "www.example. NSEC"), 0)[0];
    assert!(nsec.contains(" A ") && nsec.contains(" RRSIG NSEC ") && !nsec.contains("NXNAME"), "{nsec}");
    // Signatures alone are no set of records that could be signed: they are denied, by a proof that has some.
    let nsec = &section(&ask(&tester, "www.example. RRSIG"), 1)[2];
    assert!(nsec.contains(" RRSIG NSEC "), "{nsec}");
}

#[test]
fn a_proof_is_kept_no_longer_than_the_zone_says() {
    // RFC 9077 §3: neither longer than the SOA record nor than its last field.
    for (ttl, minimum, kept) in [(300, 60, 60), (60, 300, 60), (300, 4_000_000_000_u32, 0)] {
        let soa = format!("authority example. {ttl} SOA ns.test. h.test. 1 2 3 4 {minimum}");
        let answer = ask(&Tester::new(chain(ONE).then(Canned::new(&soa))), "www.example. A");
        assert!(section(&answer, 1)[2].starts_with(&format!("www.example. {kept} NSEC ")), "{answer}");
    }
    // Who knows no SOA record says a minute.
    let servers = "authority sub.example. 300 NS ns.sub.example.";
    let answer = ask(&Tester::new(chain(ONE).then(Canned::new(servers))), "www.sub.example. A");
    assert!(section(&answer, 1)[1].starts_with("sub.example. 60 NSEC "), "{answer}");
}

#[test]
fn records_that_are_signed_together_have_one_ttl() {
    let records = "www.example. 300 A 192.0.2.1\nwww.example. 60 A 192.0.2.2\naway.test. 300 A 192.0.2.1\naway.test. 60 A 192.0.2.2";
    let answer = ask(&Tester::new(chain(ONE).then(Canned::new(records))), "www.example. A");
    let ttls =
        section(&answer, 0).iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ttls, ["60", "60", "60", "300", "60"]);
}

#[test]
fn an_alias_of_nothing_is_signed_and_what_it_leads_to_denied() {
    let answer = ask(&signing(ONE), "nowhere.example. A");
    assert_eq!(answer.rcode(), Rcode::NOERROR);
    assert_eq!(kinds(&answer, 0), ["CNAME nowhere.example.", "RRSIG CNAME nowhere.example."]);
    let proof =
        ["SOA example.", "RRSIG SOA example.", "NSEC nothing.example.", "RRSIG NSEC nothing.example."];
    assert_eq!(kinds(&answer, 1), proof);
}

#[test]
fn an_alias_that_leaves_the_zone_is_signed_alone() {
    let answer = ask_waiting(&signing(ONE), "away.example. A");
    assert_eq!(kinds(&answer, 0), ["CNAME away.example.", "RRSIG CNAME away.example."]);
}

#[test]
fn what_a_dname_makes_is_proven_by_the_dname() {
    let answer = ask(&signing(ONE), "a.dname.example. A");
    assert_eq!(
        kinds(&answer, 0),
        [
            "DNAME dname.example.",
            "RRSIG DNAME dname.example.",
            "CNAME a.dname.example.",
            "A a.b.example.",
            "RRSIG A a.b.example."
        ]
    );
}

#[test]
fn a_delegation_has_its_ds_records_or_the_proof_that_it_has_none() {
    let tester = signing(ONE);
    let answer = ask(&tester, "www.sub.example. A");
    assert!(!answer.flags().has(Flags::AA));
    let lines = section(&answer, 1);
    assert_eq!(lines[0], "sub.example. 300 NS ns.sub.example.");
    assert_eq!(lines[1], "sub.example. 60 NSEC \\000.sub.example. NS RRSIG NSEC");
    assert_eq!(kinds(&answer, 1)[2..], ["RRSIG NSEC sub.example."]);
    assert_eq!(kinds(&answer, 2), ["A ns.sub.example."]);
    let answer = ask(&tester, "www.safe.example. A");
    assert_eq!(kinds(&answer, 1), ["NS safe.example.", "DS safe.example.", "RRSIG DS safe.example."]);
}

#[test]
fn the_ds_records_of_a_delegation_are_the_zones_own() {
    let tester = signing(ONE);
    let answer = ask_waiting(&tester, "safe.example. DS");
    assert_eq!(kinds(&answer, 0), ["DS safe.example.", "RRSIG DS safe.example."]);
    let answer = ask_waiting(&tester, "sub.example. DS");
    assert!(answer.flags().has(Flags::AA) && answer.rcode() == Rcode::NOERROR);
    let lines = section(&answer, 1);
    assert!(
        lines[0].starts_with("example. 60 SOA ") && lines[1].starts_with("example. 60 RRSIG SOA "),
        "{lines:?}"
    );
    assert_eq!(lines[2], "sub.example. 60 NSEC \\000.sub.example. NS RRSIG NSEC");
    assert_eq!(signers(&answer).len(), 2);
    // No delegation: nothing below may go without signatures.
    let answer = ask_waiting(&tester, "nothing.example. DS");
    assert_eq!(section(&answer, 1)[2], "nothing.example. 60 NSEC \\000.nothing.example. RRSIG NSEC NXNAME");
}

#[test]
fn the_ds_records_of_a_signed_zone_are_those_of_the_zone_above() {
    let both = "dnssec example. safe.example. sub.example. {\n key file Kexample.+013+21992\n}";
    let tester = signing(both);
    let signer = |line: &String| line.rsplit(' ').next().unwrap().to_owned();
    let lines = section(&ask_waiting(&tester, "safe.example. DS"), 0);
    assert_eq!((lines.len(), signer(&lines[1])), (2, "example.".to_owned()), "{lines:?}");
    // One that has none, asked of the zone above, where nothing refers to the one below.
    let soa = "authority example. 60 SOA ns.test. h.test. 1 2 3 4 60";
    let answer = ask_waiting(&Tester::new(chain(both).then(Canned::new(soa))), "sub.example. DS");
    let lines = section(&answer, 1);
    assert_eq!(kinds(&answer, 1)[1], "RRSIG SOA example.");
    assert_eq!(lines[2], "sub.example. 60 NSEC \\000.sub.example. NS RRSIG NSEC");
    assert_eq!([&lines[1], &lines[3]].map(signer), ["example."; 2]);
    // The zone below denies all else.
    let soa = "authority sub.example. 60 SOA ns.test. h.test. 1 2 3 4 60";
    let answer = ask_waiting(&Tester::new(chain(both).then(Canned::new(soa))), "sub.example. A");
    let lines = section(&answer, 1);
    assert!(lines[2].contains(" NS SOA "), "{lines:?}");
    assert_eq!([&lines[1], &lines[3]].map(signer), ["sub.example."; 2]);
}

#[test]
fn what_is_not_the_zones_stays_as_it_is() {
    for records in [
        "away.test. 60 A 192.0.2.1",
        "www.example. 60 CNAME www.test.\nwww.test. 60 A 192.0.2.1\nauthority test. 60 SOA ns.test. h.test. 1 2 3 4 5",
    ] {
        let answer = ask(&Tester::new(chain(ONE).then(Canned::new(records))), "www.example. A");
        let foreign = records.lines().filter(|line| !line.starts_with("www.example."));
        assert_eq!(
            section(&answer, 0).len() + section(&answer, 1).len(),
            records.lines().count() + usize::from(records.contains("CNAME"))
        );
        for record in foreign {
            let record = record.trim_start_matches("authority ");
            assert!(
                answer.answers().iter().chain(&answer.authority()).any(|line| line == record),
                "{record}"
            );
        }
    }
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::NXDOMAIN] {
        // Without a SOA nobody says whose denial it is.
        let answer = ask(&Tester::new(chain(ONE).then(Canned::default().rcode(rcode))), "www.example. A");
        assert_eq!((answer.rcode(), answer.authority()), (rcode, Vec::new()));
    }
    let other = ask(&signing(ONE), "www.example.test. A");
    assert_eq!(other.rcode(), Rcode::REFUSED);
}

#[test]
fn what_is_signed_already_is_not_signed_again() {
    let tester = Tester::new(
        chain(ONE).then_shared(chain(SPLIT).plugins().next().unwrap().clone()).then(Served::new()),
    );
    assert_eq!(signers(&ask(&tester, "www.example. A")), ["63821"; 2]);
    assert_eq!(signers(&ask(&tester, "nothing.example. A")), ["63821"; 2]);
}

#[test]
fn a_signature_is_made_once_for_six_days_and_a_few_hours_by_chance() {
    let shared = Shared::default();
    let chain = configured(ONE, &shared).then(Served::new());
    let at =
        |secs: u64, random| Tester::new(chain.clone()).now(Duration::from_secs(NOW + secs)).random(random);
    let expiration = |tester: &Tester| {
        let signature = section(&ask(tester, "a.b.example. A"), 0).pop().unwrap();
        signature.split(' ').nth(7).unwrap().to_owned()
    };
    assert_eq!(expiration(&at(0, 6 * 3600 - 1)), "20260109055959");
    let misses = |count: u32| format!("coredns_dnssec_cache_misses_total{{server=\"\"}} {count}\n");
    let text = || shared.get::<Metrics>().text();
    assert!(text().contains(&misses(2)), "{}", text());
    assert_eq!(expiration(&at(6 * 86_400, 0)), "20260109055959");
    assert!(
        text().contains(&misses(2)) && text().contains("coredns_dnssec_cache_hits_total{server=\"\"} 2\n")
    );
    assert!(
        text().contains("coredns_dnssec_cache_entries{server=\"\",type=\"signature\"} 2\n"),
        "{}",
        text()
    );
    assert_eq!(expiration(&at(6 * 86_400 + 6 * 3600, 0)), "20260115060000");
    assert!(
        text().contains(&misses(4))
            && text().contains("coredns_dnssec_cache_entries{server=\"\",type=\"signature\"} 2\n")
    );
}

#[test]
fn what_is_popular_stays_whatever_else_is_asked_for() {
    let shared = Shared::default();
    let few = "dnssec {\n key file Kexample.+015+60141\n cache_capacity 4\n}";
    let tester = Tester::new(configured(few, &shared).then(Served::new()));
    for i in 0..100 {
        ask(&tester, &format!("x{i}.nothing.example. A"));
    }
    let text = shared.get::<Metrics>().text();
    // The SOA was signed once.
    assert!(text.contains("coredns_dnssec_cache_misses_total{server=\"\"} 101\n"), "{text}");
    assert!(text.contains("coredns_dnssec_cache_entries{server=\"\",type=\"signature\"} 4\n"), "{text}");
}

#[test]
fn an_answer_that_does_not_fit_is_truncated() {
    let tester = signing(ONE);
    let answer =
        tester.now(Duration::from_secs(NOW)).ask(Ask::new("nothing.example. A").edns(512).dnssec_ok());
    assert!(!answer.flags().has(Flags::TC), "{answer}");
    let many = "dnssec {\n key file Kexample.+008+58621 Kexample.+010+03593\n}";
    let tester = signing(many);
    let answer = ask_with(&tester, Ask::new("nothing.example. A").edns(512).dnssec_ok());
    assert!(answer.flags().has(Flags::TC), "{answer}");
    // What only helps is left out.
    let answer = ask_with(&signing(ONE), Ask::new("example. NS").edns(512).dnssec_ok());
    assert!(!answer.flags().has(Flags::TC), "{answer}");
}

#[test]
fn what_only_helps_is_left_out_whole_where_it_does_not_fit() {
    let many = |section: &str, owner: &str, count: u8| -> String {
        (0..count).map(|n| format!("\n{section} {owner} 60 A 192.0.2.{n}")).collect()
    };
    let served = |records: String| Tester::new(chain(ONE).then(Canned::new(&records)));
    let small = |question: &str| Ask::new(question).edns(512).dnssec_ok();
    // Servers that do not fit with their signature, as which alone they would.
    let servers =
        (0..10).map(|n| format!("\nauthority example. 60 NS server-number-{n}.example.")).collect::<String>();
    let answer = ask_with(&served(format!("www.example. 60 A 192.0.2.1{servers}")), small("www.example. A"));
    assert_eq!(kinds(&answer, 0), ["A www.example.", "RRSIG A www.example."]);
    assert_eq!((kinds(&answer, 1), answer.flags().has(Flags::TC)), (Vec::new(), false));
    // No part of a set, but one behind it that is smaller.
    let records = format!(
        "example. 60 MX 1 a.example.{}\nadditional b.example. 60 A 192.0.2.1",
        many("additional", "a.example.", 18)
    );
    let answer = ask_with(&served(records), small("example. MX"));
    assert_eq!(kinds(&answer, 2), ["A b.example.", "RRSIG A b.example."]);
    assert!(!answer.flags().has(Flags::TC));
    // Without the address of a server below the cut nobody finds it.
    for (glue, is_truncated) in [("ns.sub.example.", true), ("ns.other.example.", false)] {
        let records = format!("authority sub.example. 60 NS {glue}{}", many("additional", glue, 30));
        let answer = ask_with(&served(records), small("www.sub.example. A"));
        assert_eq!(kinds(&answer, 1).len(), 3, "{glue}");
        assert_eq!(answer.flags().has(Flags::TC), is_truncated, "{glue}");
    }
}

#[test]
fn keys_are_read_as_ldns_writes_them() {
    let public = std::fs::read_to_string(data().join("Kexample.+013+21992.key")).unwrap();
    let private = std::fs::read_to_string(data().join("Kexample.+013+21992.private")).unwrap();
    let of = |field: &str| private.lines().find(|line| line.starts_with(field)).unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let (_, key) = public.split_once("DNSKEY 257 3 13 ").unwrap();
    let key = key.replace([' ', '\n'], "");
    std::fs::write(
        folder.path().join("K.key"),
        format!("example.\tIN\tDNSKEY\t257 3 13 {key} ;{{id = 21992 (ksk), size = 256b}}\n"),
    )
    .unwrap();
    let text = format!("Private-key-format: v1.2\n{}\n{}\n\n", of("Algorithm"), of("PrivateKey"));
    std::fs::write(folder.path().join("K.private"), text).unwrap();
    let chain = configure_at(folder.path(), "dnssec {\n key file K\n}", &Shared::default()).unwrap();
    assert_eq!(signers(&ask(&Tester::new(chain.then(Served::new())), "example. DNSKEY")), ["21992"]);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (directive, mistake) in [
        ("dnssec", "Corefile:2:1: no key: nothing can be signed (`key file KEY` names one)"),
        ("dnssec {\n key\n}", "Corefile:3:2: "),
        ("dnssec {\n key file\n}", "Corefile:3:6: no files: give their names, without `.key` or `.private`"),
        (
            "dnssec {\n key aws_secretsmanager arn\n}",
            "Corefile:3:6: `aws_secretsmanager` is not supported: have the keys written to files",
        ),
        ("dnssec {\n key fil x\n}", "Corefile:3:6: "),
        ("dnssec {\n cache_capacity 0\n}", "Corefile:3:17: room for no signature: at least 1"),
        ("dnssec {\n cache_capacity many\n}", "Corefile:3:17: "),
        (
            "dnssec {\n cache_capacity 100000000\n}",
            "Corefile:3:17: more than memory can hold: less than 100000000",
        ),
        (
            "dnssec {\n key file Kexample.+013+21992\n key file Kexample.+013+21992.key\n}",
            "Corefile:4:11: this key is there already",
        ),
        ("dnssec {\n keys file x\n}", "Corefile:3:2: "),
        (
            "dnssec example.test {\n key file Kexample.+013+21992\n}",
            "Corefile:3:11: the key of example. signs none of example.test.",
        ),
        ("dnssec {\n key file Kmissing\n}", "Corefile:3:11: "),
    ] {
        let told = configure_at(&data(), directive, &Shared::default()).unwrap_err();
        assert!(told.starts_with(mistake), "{directive}: {told}");
    }
    let twice = configure_at(&data(), &format!("{ONE}\n{ONE}"), &Shared::default()).unwrap_err();
    assert!(twice.starts_with("Corefile:5:1: "), "{twice}");
}

#[test]
fn files_that_are_no_key_are_mistakes() {
    let public = std::fs::read_to_string(data().join("Kexample.+013+21992.key")).unwrap();
    let private = std::fs::read_to_string(data().join("Kexample.+013+21992.private")).unwrap();
    let other = std::fs::read_to_string(data().join("Kexample.+013+63821.private")).unwrap();
    for (public, private, mistake) in [
        (String::new(), private.clone(), "no DNSKEY record"),
        ("example. IN DNSKEY 257 3".to_owned(), private.clone(), "the DNSKEY record is malformed"),
        (public.replace(" 257 ", " 0 "), private.clone(), "not the key of a zone"),
        (public.replace(" 257 ", " 385 "), private.clone(), "not the key of a zone"),
        (public.replace(" 13 ", " 5 "), private.clone(), "algorithm 5 is not supported"),
        (public.clone(), "Private-key-format: v1.3\n".to_owned(), "the private key has no `PrivateKey`"),
        (public.clone(), other, "the private key is malformed, or not that of the public key"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("K.key"), public).unwrap();
        std::fs::write(folder.path().join("K.private"), private).unwrap();
        let told = configure_at(folder.path(), "dnssec {\n key file K\n}", &Shared::default()).unwrap_err();
        assert!(told.starts_with(&format!("Corefile:3:11: {mistake}")), "{told}");
    }
}

#[test]
fn it_keeps_the_contract() {
    let key = data().join("Kexample.+013+21992");
    conformance_of_directive::<Dnssec>(&format!("dnssec example. {{\n key file {}\n}}", key.display()));
}

/// Answers from the zone above.
struct Served(Zone);

impl Served {
    fn new() -> Served {
        let origin = "example.".parse::<cartonym_wire::NameBuf>().unwrap();
        let mut parser = Parser::new(ZONE.as_bytes(), "test", &origin, &NoIncludes);
        let mut edit = Zone::new(&origin, Hasher::new(1)).edit(Hasher::new(1));
        while let Some(record) = parser.next_record() {
            let record = record.unwrap();
            edit.add(record.owner, record.rtype, record.ttl, record.rdata).unwrap();
        }
        Served(edit.finish())
    }
}

impl Plugin for Served {
    fn name(&self) -> &'static str {
        "served"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if !query.name().is_within(self.0.origin()) {
            return Step::Next;
        }
        cartonym_authority::answer(&self.0, query, response, |_: &Name| false)
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data")
}

fn configure_at(root: &Path, directive: &str, shared: &Shared) -> Result<Chain, String> {
    let mut settings = Settings::default();
    settings.root = root.to_owned();
    configure_in::<Dnssec>("example.", directive, &mut settings, shared)
}

fn configured(directive: &str, shared: &Shared) -> Chain {
    configure_at(&data(), directive, shared).unwrap()
}

fn chain(directive: &str) -> Chain {
    configured(directive, &Shared::default())
}

fn signing(directive: &str) -> Tester {
    Tester::new(chain(directive).then(Served::new())).now(Duration::from_secs(NOW))
}

fn ask(tester: &Tester, question: &str) -> Answer {
    ask_with(tester, Ask::new(question).edns(1232).dnssec_ok())
}

fn ask_over_tcp(tester: &Tester, question: &str) -> Answer {
    ask_with(tester, Ask::new(question).dnssec_ok().over(cartonym_plugin::Transport::Tcp))
}

fn ask_with(tester: &Tester, ask: Ask) -> Answer {
    tester.ask(ask)
}

fn ask_waiting(tester: &Tester, question: &str) -> Answer {
    tester.resolve(Ask::new(question).edns(1232).dnssec_ok()).unwrap()
}

/// The records of a section as a master file has them, signatures without what only a key can say.
fn section(answer: &Answer, section: u8) -> Vec<String> {
    let message = Message::new(answer.as_bytes()).unwrap();
    let records = message.records().map(Result::unwrap);
    let of_it = records.filter(|record| record.section == section && record.rtype != Type::OPT);
    let mut rdata = vec![0; MAX_MESSAGE_LEN];
    of_it
        .map(|record| {
            let (start, len) = (record.rdata_start, record.rdata.len());
            let len = expand_rdata(answer.as_bytes(), record.rtype, start, len, &mut rdata).unwrap();
            let text = rdata_to_text(record.rtype, &rdata[..len]).to_string();
            let text = match record.rtype {
                Type::RRSIG => text.rsplit_once(' ').unwrap().0.to_owned(),
                _ => text,
            };
            format!("{} {} {} {text}", record.owner, record.ttl_bits, record.rtype)
        })
        .collect()
}

/// Type and owner of each record of a section; of a signature, the type that it covers as well.
fn kinds(answer: &Answer, number: u8) -> Vec<String> {
    section(answer, number)
        .iter()
        .map(|line| match &*line.split(' ').collect::<Vec<_>>() {
            [owner, _, "RRSIG", covered, ..] => format!("RRSIG {covered} {owner}"),
            [owner, _, rtype, ..] => format!("{rtype} {owner}"),
            _ => panic!("{line}"),
        })
        .collect()
}

/// The numbers of the keys of all signatures.
fn signers(answer: &Answer) -> Vec<String> {
    let lines = (0..3).flat_map(|number| section(answer, number)).filter(|line| line.contains(" RRSIG "));
    let signatures = lines.filter(|line| line.split(' ').nth(2) == Some("RRSIG"));
    signatures.filter_map(|line| line.split(' ').nth(9).map(str::to_owned)).collect()
}
