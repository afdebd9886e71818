//! A Route 53 on the loopback interface, as little of it as is asked.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A Route 53 that says what it is told to.
pub(crate) struct Fake {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// How it takes requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Well,
    /// Nobody may read anything.
    Refusing,
    /// Behind the last page comes the first.
    Circling,
}

/// A record set.
#[derive(Clone)]
pub(crate) struct Set {
    name: String,
    rtype: &'static str,
    identifier: Option<String>,
    /// What else is said of it.
    xml: String,
}

struct State {
    /// The record sets by hosted zone, in their order.
    zones: HashMap<String, Vec<Set>>,
    mood: Mood,
    /// The paths that were asked for.
    asked: Vec<String>,
    /// The id of the key that the last request was signed with.
    key: String,
}

impl Fake {
    pub(crate) fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { zones: HashMap::new(), mood: Mood::Well, asked: Vec::new(), key: String::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Who goes away in the middle is not waited for.
                let _ = serve(stream, &shared);
            }
        });
        Fake { address, state }
    }

    /// Where it is, and with whose key it is asked often: lines of a block.
    pub(crate) fn lines(&self) -> String {
        format!("{}aws_access_key AKID hush\nrefresh 50ms\n", self.endpoint())
    }

    /// Where it is: a line of a block.
    pub(crate) fn endpoint(&self) -> String {
        format!("aws_endpoint http://{}\n", self.address)
    }

    /// The id of the key that the last request was signed with.
    pub(crate) fn key(&self) -> String {
        self.state.lock().unwrap().key.clone()
    }

    /// A hosted zone has these record sets from now on, besides those that every one has.
    pub(crate) fn hosts(&self, id: &str, origin: &str, sets: impl IntoIterator<Item = Set>) {
        let soa = "ns-1.test. hostmaster.test. 1 7200 900 1209600 86400";
        let own = [set(origin, "SOA", &[soa]), set(origin, "NS", &["ns-1.test.", "ns-2.test."])];
        let sets = own.into_iter().chain(sets).collect();
        self.state.lock().unwrap().zones.insert(id.to_owned(), sets);
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// What was asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

impl Set {
    /// With a routing policy: one of several of its name and type.
    pub(crate) fn weighted(mut self, identifier: &str) -> Set {
        self.xml += &format!("<SetIdentifier>{identifier}</SetIdentifier><Weight>1</Weight>");
        self.identifier = Some(identifier.to_owned());
        self
    }
}

/// A set of records, as Route 53 writes them.
pub(crate) fn set(name: &str, rtype: &'static str, values: &[&str]) -> Set {
    let records: String = values
        .iter()
        .map(|value| format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>"))
        .collect();
    let xml = format!("<TTL>60</TTL><ResourceRecords>{records}</ResourceRecords>");
    Set { name: name.to_owned(), rtype, identifier: None, xml }
}

/// An alias of a name of a hosted zone.
pub(crate) fn alias(name: &str, rtype: &'static str, zone: &str, target: &str) -> Set {
    let xml = format!(
        "<AliasTarget><HostedZoneId>{zone}</HostedZoneId><DNSName>{target}</DNSName>\
         <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
    );
    Set { name: name.to_owned(), rtype, identifier: None, xml }
}

/// Waits for what comes soon.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within thirty seconds: {what}");
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut key = String::new();
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        let signed = line.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        key = signed.map_or(key, str::to_owned);
    }
    let target = first.split(' ').nth(1).unwrap_or_default();
    let (status, body) = {
        let mut state = state.lock().unwrap();
        state.key = key;
        answer(target, &mut state)
    };
    write!(
        &stream,
        "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(target: &str, state: &mut State) -> (&'static str, String) {
    state.asked.push(target.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let sets = path.strip_prefix("/2013-04-01/hostedzone/").and_then(|rest| rest.strip_suffix("/rrset"));
    let Some(sets) = sets.and_then(|id| state.zones.get(id)) else {
        return ("404 Not Found", refusal("NoSuchHostedZone", "there is none"));
    };
    if state.mood == Mood::Refusing {
        return ("403 Forbidden", refusal("AccessDenied", "not you"));
    }
    let asked: HashMap<&str, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key, decoded(value)))
        .collect();
    let is_start = |set: &Set| {
        asked.get("name").is_none_or(|name| *name == set.name)
            && asked.get("type").is_none_or(|rtype| rtype == set.rtype)
            && asked.get("identifier").is_none_or(|identifier| Some(identifier) == set.identifier.as_ref())
    };
    let start = sets.iter().position(is_start).unwrap_or_default();
    let next = sets.get(start + PAGE).or(sets.first().filter(|_| state.mood == Mood::Circling));
    let page: String = sets.iter().skip(start).take(PAGE).map(written).collect();
    let next = next.map_or_else(
        || "<IsTruncated>false</IsTruncated>".to_owned(),
        |set| {
            let (name, rtype) = (&set.name, set.rtype);
            let identifier = set.identifier.iter();
            let identifier: String = identifier
                .map(|identifier| format!("<NextRecordIdentifier>{identifier}</NextRecordIdentifier>"))
                .collect();
            format!(
                "<IsTruncated>true</IsTruncated><NextRecordName>{name}</NextRecordName>\
                 <NextRecordType>{rtype}</NextRecordType>{identifier}"
            )
        },
    );
    let body = format!(
        "<?xml version=\"1.0\"?>\n<ListResourceRecordSetsResponse xmlns=\"{NAMESPACE}\"><ResourceRecordSets>{page}\
         </ResourceRecordSets>{next}<MaxItems>{PAGE}</MaxItems></ListResourceRecordSetsResponse>"
    );
    ("200 OK", body)
}

fn written(set: &Set) -> String {
    let Set { name, rtype, xml, .. } = set;
    format!("<ResourceRecordSet><Name>{name}</Name><Type>{rtype}</Type>{xml}</ResourceRecordSet>")
}

fn refusal(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
}

/// Reads `%5C` and the like.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_at(2);
        decoded.push(char::from(u8::from_str_radix(number, 16).unwrap()));
        decoded.push_str(rest);
    }
    decoded
}

/// Record sets on a page.
const PAGE: usize = 3;
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
