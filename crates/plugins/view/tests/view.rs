//! Which block takes which query.

use std::time::Duration;

use cartonym_plugin::{Plugin, Query, Response, Step, Transport, follow};
use cartonym_plugin_view::Conditions;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Ask, Canned, Tester, allocations, configure};
use cartonym_wire::{Message, Name, NameBuf, Rcode, Section, Ttl, Type};

/// Whether a query is in the view of an expression.
fn admits(expression: &str, ask: impl Into<Ask>) -> bool {
    let chain = configure::<Conditions>(&format!("view v {{\n expr {expression}\n }}")).unwrap();
    let chain = chain.then(Canned::default().rcode(Rcode::NXDOMAIN));
    let responder = Responder::builder().zone(Name::ROOT, chain).build();
    match Tester::with(responder).ask(ask).rcode() {
        Rcode::NXDOMAIN => true,
        Rcode::REFUSED => false,
        other => panic!("{other}"),
    }
}

fn mistake(expression: &str) -> String {
    configure::<Conditions>(&format!("view v {{\n expr {expression}\n }}")).unwrap_err()
}

#[test]
fn an_expression_is_true_or_not() {
    let table = [
        ("type() == 'A'", true),
        ("type() != 'A'", false),
        ("type() in ['AAAA', 'A']", true),
        ("type() not in ['AAAA', 'A']", false),
        ("name() == 'www.example.'", true),
        ("\"name() == 'www.example.'\"", true),
        ("name() startsWith 'www.' and name() endsWith '.example.'", true),
        ("name() contains 'exa' && !(name() contains 'org')", true),
        (r"name() matches '^w+\\.example\\.$'", true),
        (r"name() matches `^w+\.example\.$`", true),
        ("name() not matches '^x'", true),
        ("name() < 'x' && name() > 'a'", true),
        ("class() == 'IN' && proto() == 'udp'", true),
        ("incidr(client_ip(), '192.0.2.0/24')", true),
        ("incidr(client_ip(), '198.51.100.0/24') || incidr(client_ip(), '2001:db8::/32')", false),
        ("incidr('[2001:db8::1]', '2001:db8::/32') && incidr('192.0.2.1', '192.0.2.1/32')", true),
        ("incidr('nothing', '0.0.0.0/0')", false),
        ("client_ip() == '192.0.2.1'", true),
        ("bufsize() == 512 && opcode() == 0 && size() > 12 && size() < 512", true),
        ("do()", false),
        ("not do()", true),
        ("!!do() == do()", true),
        ("id() % 2 in [0, 1] && id() - id() + 2 * 3 == 6 && -7 / 2 == -3", true),
        ("2 + 3 * 4 == 14 && (2 + 3) * 4 == 20", true),
        ("(-9223372036854775807 - 1) / -1 < 0 && (-9223372036854775807 - 1) % -1 == 0", true),
        ("true || false && false", true),
        ("(true || false) && false", false),
        ("true == false", false),
        ("true != false", true),
        ("type() == 'A' ? proto() == 'udp' : false", true),
        ("(do() ? 'x' : name()) == 'www.example.'", true),
        ("(do() ? 1 : 2) == 2", true),
        ("metadata('view/name') == ''", true),
        ("\"any(['198.51.100.0/24', '192.0.2.0/24'], incidr(client_ip(), #))\"", true),
        ("\"any(['198.51.100.0/24', '203.0.113.0/24'], incidr(client_ip(), #))\"", false),
        ("\"not any(['a.', 'b.'], name() startsWith # or name() endsWith #)\"", true),
        ("\"any([3, 4], # % 2 == 0 && # > 3) && any([1], true)\"", true),
        ("replace(client_ip(), '.', '-') == '192-0-2-1'", true),
        ("replace(replace(name(), 'example.', ''), 'w', 'ww') == 'wwwwww.'", true),
        ("replace('ab', '', '-') == '-a-b-'", true),
        ("replace(name(), 'x', '') == 'www.eample.'", true),
    ];
    for (expression, expected) in table {
        assert_eq!(
            admits(expression, Ask::new("www.Example. A").from("192.0.2.1")),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn what_a_client_says_counts() {
    assert!(admits("do() && bufsize() == 1400", Ask::new("a. A").edns(1400).dnssec_ok()));
    assert!(admits("proto() == 'tcp' && bufsize() == 65535", Ask::new("a. A").over(Transport::Tcp)));
    assert!(admits("incidr(client_ip(), '2001:db8::/32')", Ask::new("a. A").from("2001:db8::7")));
    assert!(admits("client_ip() == '2001:db8::7'", Ask::new("a. A").from("2001:db8::7")));
    assert!(admits("type() == 'TYPE65280'", "a. TYPE65280"));
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let table = [
        ("name()", "3:7: a condition is expected, not a text"),
        ("type() == 1", "3:14: `==` does not go with a text and a number"),
        ("type() == 'A' && size()", "3:24: a condition is expected, not a number"),
        ("group('x') == ''", "3:7: there is no `group`"),
        ("any == 'A'", "3:11: `any` is a function: `any()`"),
        ("any([], true)", "3:12: the list of `any` is of texts and numbers that are written out"),
        ("any([name()], true)", "3:12: the list of `any` is of texts and numbers that are written out"),
        ("any(['a'], name())", "3:18: a condition is expected, not a text"),
        ("any(['a'], any(['b'], true))", "3:18: there is no `any` in the condition of another"),
        ("\"any(['a'], incidr(client_ip(), #))\"", "3:39: `a` is not a network"),
        ("\"name() == #\"", "3:18: `#` is an element of a list, in the condition of `any`"),
        (
            "replace(name(), name(), 'a') == ''",
            "3:7: `replace` takes a text, and two that are written out: what is replaced and by what",
        ),
        ("typ() == 'A'", "3:7: there is no `typ` (did you mean `type()`?)"),
        ("type == 'A'", "3:12: `type` is a function: `type()`"),
        ("type('A')", "3:7: `type` takes no arguments"),
        ("type() ==", "3:16: the expression ends too early"),
        ("(do()", "3:12: `)` is expected here"),
        ("do() do()", "3:12: the expression goes on where it should end"),
        ("do() & do()", "3:12: `&` means nothing here"),
        ("name() == 'a", "3:17: the text has no ' at its end"),
        (r"name() == 'a\.b'", r"3:17: `\.` is no escape; a backslash is `\\`"),
        ("name() matches '('", "3:22: this is no regular expression"),
        ("name() matches name()", "3:22: `matches` takes a pattern that is written out"),
        ("incidr(client_ip(), '192.0.2.0/40')", "3:27: `192.0.2.0/40` is not a network"),
        ("incidr(client_ip())", "3:7: `incidr` takes an address and a network"),
        ("incidr(1, '::/0')", "3:14: an address is a text"),
        ("size() / 0 == 1", "3:16: a divisor is a number that is written out, and not 0"),
        ("size() == 1.5", "3:17: `1.5` is not a whole number"),
        ("type() in ['A', 1]", "3:23: a list is of texts or of numbers; this is a number"),
        ("type() in []", "3:17: the list is empty"),
        ("type() in 'A'", "3:14: `in` does not go with a text and a text"),
        ("metadata(name()) == ''", "3:7: `metadata` takes a label that is written out"),
    ];
    for (expression, expected) in table {
        assert_eq!(mistake(expression), format!("Corefile:{expected}"), "{expression}");
    }
}

#[test]
fn whatever_an_expression_has_become_it_is_read_or_refused() {
    let expression =
        r"not (type() in ['A', 'B'] or name() matches `^a\.`) && -1 + 2 * 3 % 4 < size() ? do() : 1 != 2";
    for (at, _) in expression.char_indices() {
        for change in ["", "(", "'", "]", "-", "é", " "] {
            let changed = format!("{}{change}{}", &expression[..at], &expression[at + 1..]);
            let read = configure::<Conditions>(&format!("view v {{\n expr \"{changed}\"\n }}"));
            assert!(read.is_ok() || read.unwrap_err().starts_with("Corefile:"), "{changed}");
        }
    }
}

#[test]
fn an_expression_has_an_end() {
    let deep = format!("{}do(){}", "(".repeat(1000), ")".repeat(1000));
    assert!(mistake(&deep).contains("brackets are too deep"));
    let long = format!("size() == 1{}", " + 1".repeat(1000));
    assert!(mistake(&long).contains("the expression is too deep"));
    // Conditions are as many as one likes.
    assert!(!admits(&vec!["do()"; 5000].join(" || "), "a. A"));
    let names: Vec<String> = (0..2000).map(|n| format!("name() == 'host-{n}.example.'")).collect();
    assert!(admits(&names.join(" || "), "host-1999.example. A"));
    let numbers: Vec<String> = (0..2000).map(|n| format!("{n} + 1")).collect();
    assert!(admits(&format!("2000 in [{}]", numbers.join(", ")), "a. A"));
    // What is side by side does not hide what is deep.
    let both = format!("do() && {long}");
    assert!(mistake(&both).contains("the expression is too deep"));
}

#[test]
fn all_expressions_of_a_view_must_be_true() {
    let of = |lines: &str| configure::<Conditions>(&format!("view v {{\n{lines}\n}}"));
    let chain = of("expr type() == 'A'\nexpr do()").unwrap().then(Canned::default());
    assert_eq!(Tester::new(chain).ask("a. A").rcode(), Rcode::REFUSED);
    assert_eq!(of("").unwrap_err(), "Corefile:2:1: a view of which queries? `expr` is missing");
    assert!(of("exp do()").unwrap_err().contains("expr"));
    assert!(of("expr").unwrap_err().contains("at least 1 argument"));
    assert!(configure::<Conditions>("view {\nexpr do()\n}").is_err());
}

/// The first of the routes of each zone that takes a query, by its rcode.
fn routed(question: &str) -> Rcode {
    let view =
        |expression: &str| configure::<Conditions>(&format!("view v {{\n expr {expression}\n }}")).unwrap();
    let canned = |chain: Chain, rcode| chain.then(Canned::default().rcode(rcode));
    let zone = |text: &str| text.parse::<NameBuf>().unwrap();
    let responder = Responder::builder()
        .route(0, &zone("example."), canned(view("type() == 'A'"), Rcode::NXDOMAIN))
        .route(1, &zone("example."), canned(view("type() in ['A', 'TXT']"), Rcode::SERVFAIL))
        .route(2, &zone("example."), canned(Chain::new(), Rcode::NOTIMP))
        .route(3, &zone("sub.example."), canned(view("type() == 'MX'"), Rcode::FORMERR))
        .build();
    Tester::with(responder).ask(question).rcode()
}

#[test]
fn the_first_route_that_takes_a_query_has_it() {
    assert_eq!(routed("a.example. A"), Rcode::NXDOMAIN);
    assert_eq!(routed("a.example. TXT"), Rcode::SERVFAIL);
    assert_eq!(routed("a.example. AAAA"), Rcode::NOTIMP);
}

#[test]
fn what_no_view_of_a_zone_takes_goes_to_the_zone_above() {
    assert_eq!(routed("a.sub.example. MX"), Rcode::FORMERR);
    assert_eq!(routed("a.sub.example. A"), Rcode::NXDOMAIN);
    assert_eq!(routed("a.sub.example. AAAA"), Rcode::NOTIMP);
    assert_eq!(routed("sub.example. DS"), Rcode::NOTIMP);
    assert_eq!(routed("org. A"), Rcode::REFUSED);
}

#[test]
fn what_no_view_of_the_zones_above_takes_is_asked_of_the_zone_itself() {
    let view = configure::<Conditions>("view v {\n expr type() == 'MX'\n }").unwrap();
    let responder = Responder::builder()
        .route(0, Name::ROOT, view.then(Canned::default().rcode(Rcode::SERVFAIL)))
        .route(1, &"example.".parse::<NameBuf>().unwrap(), Chain::new().then(Canned::default()))
        .build();
    assert_eq!(Tester::with(responder).ask("example. DS").rcode(), Rcode::NOERROR);
}

/// Says that every name is `www.other.`.
struct Alias;

impl Plugin for Alias {
    fn name(&self) -> &'static str {
        "alias"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let target: NameBuf = "www.other.".parse().unwrap();
        let ttl = Ttl::from_secs(60);
        response.record(Section::Answer, query.owner(), Type::CNAME, ttl, target.as_wire()).unwrap();
        follow(query, response, &target)
    }
}

#[test]
fn an_alias_is_followed_within_the_view_of_the_client() {
    let view = || {
        let expression = "id() == 4660 && proto() == 'udp' && bufsize() == 1400 && do() \
                          && incidr(client_ip(), '192.0.2.0/24')";
        configure::<Conditions>(&format!("view v {{\n expr {expression}\n }}")).unwrap()
    };
    let name = |text: &str| text.parse::<NameBuf>().unwrap();
    let responder = Responder::builder()
        .route(0, &name("example."), Chain::new().then(Alias))
        .route(1, &name("other."), view().then(Canned::new("www.other. 60 A 192.0.2.1")))
        .route(2, &name("other."), Chain::new().then(Canned::new("www.other. 60 A 192.0.2.2")))
        .build();
    let tester = Tester::with(responder);
    let end = |ask: Ask| tester.resolve(ask).unwrap().answers().pop().unwrap();
    let ask = || Ask::new("www.example. A").from("192.0.2.7").edns(1400).dnssec_ok();
    assert_eq!(end(ask()), "www.other. 60 A 192.0.2.1");
    assert_eq!(end(ask().edns(1232)), "www.other. 60 A 192.0.2.2");
    assert_eq!(end(ask().over(Transport::Tcp)), "www.other. 60 A 192.0.2.2");
    assert_eq!(end(ask().from("198.51.100.7")), "www.other. 60 A 192.0.2.2");
    assert_eq!(end(Ask::new("www.example. A")), "www.other. 60 A 192.0.2.2");
}

/// Answers without taking memory, as a canned answer does not.
struct NoName;

impl Plugin for NoName {
    fn name(&self) -> &'static str {
        "no-name"
    }

    fn answer(&self, _: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        response.set_rcode(Rcode::NXDOMAIN);
        Step::Answered
    }
}

#[test]
fn to_evaluate_takes_no_memory() {
    let expression = "incidr(client_ip(), '192.0.2.0/24') && name() matches '^w' && type() in ['A', 'AAAA'] && \
                      metadata('view/name') == '' && size() + 1 > 12";
    let chain = configure::<Conditions>(&format!("view v {{\n expr {expression}\n }}")).unwrap();
    let chain = chain.then(NoName);
    let responder = Responder::builder().zone(Name::ROOT, chain).build();
    let ask = Ask::new("www.example. A").from("192.0.2.1");
    let (query, client) = (ask.to_message(), ask.client());
    let evaluate = || {
        let (mut scratch, mut out) = (Scratch::default(), [0; 512]);
        let moment = Moment { now: Duration::ZERO, random: 7 };
        let mut verdict = Verdict::Drop;
        assert_eq!(
            allocations(|| verdict = responder.respond(&mut scratch, &query, client, moment, &mut out)),
            0
        );
        let Verdict::Send(len) = verdict else { panic!("an answer is expected") };
        assert_eq!(Message::new(&out[..len]).unwrap().header().flags.rcode(), Rcode::NXDOMAIN);
    };
    // What one thread has does not serve another.
    std::thread::scope(|scope| {
        scope.spawn(evaluate).join().unwrap();
        scope.spawn(evaluate).join().unwrap();
    });
    evaluate();
}

#[test]
fn a_view_has_its_name() {
    let chain = configure::<Conditions>("view inside {\n expr do()\n }").unwrap();
    let plugin: &dyn Plugin = &**chain.plugins().next().unwrap();
    assert_eq!(plugin.view().unwrap().name(), "inside");
}
