//! Answers that are signed as they are given, before the eyes of validators that others wrote.
//!
//! A program that is not installed is passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

mod common;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use cartonym::wire::{Message, Type};
use common::{Process, ask, cartonym, free_address, is_installed, wait_until};
use tempfile::TempDir;

const ZONE: &str = "\
$TTL 300
@            SOA   ns hostmaster 1 3600 600 86400 60
@            NS    ns
@            TXT   \"apex\"
ns           A     192.0.2.53
WWW          A     192.0.2.1
www          A     192.0.2.2
www          AAAA  2001:db8::1
mail         MX    10 WWW.Example.
long         172800 A 192.0.2.9
_s._tcp      SRV   1 2 80 www
alias        CNAME www
far          CNAME alias
nowhere      CNAME nothing
no-type      CNAME mail
*.wild       A     192.0.2.3
a.b          A     192.0.2.4
dname        DNAME www.b
x.www.b      A     192.0.2.5
sub          NS    ns.sub
ns.sub       A     192.0.2.53
safe         NS    ns.safe
ns.safe      A     192.0.2.53
inner        NS    ns.inner
ns.inner     A     192.0.2.53
to-safe      CNAME www.safe
to-sub       CNAME www.sub
";

const CHILD: &str = "\
$TTL 300
@    SOA  ns hostmaster 1 3600 600 86400 60
@    NS   ns
ns   A    192.0.2.53
www  A    192.0.2.6
";

/// Questions whose answers are proven: the rcode is always NOERROR, for what does not exist has nothing.
const PROVEN: &[(&str, usize)] = &[
    ("example. SOA", 1),
    ("example. NS", 1),
    ("example. DNSKEY", 0),
    ("example. MX", 0),
    ("www.example. A", 2),
    ("wWw.eXaMpLe. AAAA", 1),
    ("mail.example. MX", 1),
    ("long.example. A", 1),
    ("_s._tcp.example. SRV", 1),
    ("alias.example. A", 3),
    ("far.example. A", 4),
    ("far.example. CNAME", 1),
    ("x.wild.example. A", 1),
    ("x.y.wild.example. A", 1),
    ("*.wild.example. A", 1),
    ("x.wild.example. TXT", 0),
    ("www.example. TXT", 0),
    ("b.example. A", 0),
    ("nothing.example. A", 0),
    ("x.nothing.example. MX", 0),
    ("nothing.example. DS", 0),
    ("nothing.example. NSEC", 1),
    ("www.example. NSEC", 1),
    ("nowhere.example. A", 1),
    ("no-type.example. A", 1),
    ("x.dname.example. A", 3),
    ("www.example. DS", 0),
    ("sub.example. DS", 0),
    ("safe.example. DS", 1),
    // Signed in the same block, and no DS record says so.
    ("inner.example. DS", 0),
    ("www.safe.example. A", 1),
    ("nothing.safe.example. A", 0),
    ("to-safe.example. A", 2),
];

/// Questions whose answers are not, for a delegation without DS says that they need not be.
const UNPROVEN: &[(&str, usize)] =
    &[("www.sub.example. A", 1), ("to-sub.example. A", 2), ("www.inner.example. A", 1)];

#[test]
fn unbound_finds_all_proven_by_a_key_for_keys_and_one_for_the_rest() {
    through_unbound(&["-a ECDSAP256SHA256 -f KSK", "-a ECDSAP256SHA256"], "");
}

#[test]
fn unbound_finds_all_proven_by_one_key_also_from_the_cache() {
    through_unbound(&["-a ED25519 -f KSK"], "cache");
}

#[test]
fn unbound_finds_all_proven_by_rsa_and_ecdsa_with_384_bits() {
    through_unbound(&["-a RSASHA256 -b 2048 -f KSK", "-a ECDSAP384SHA384 -f KSK"], "");
}

#[test]
fn unbound_finds_all_proven_by_a_key_for_keys_and_one_of_another_algorithm() {
    through_unbound(&["-a RSASHA256 -b 2048 -f KSK", "-a ECDSAP256SHA256"], "");
}

#[test]
fn delv_finds_answers_and_denials_proven() {
    let Some(signed) = Signed::start(&["-a ECDSAP256SHA256 -f KSK"], "") else { return };
    if !is_installed("delv") {
        return;
    }
    let key = signed.anchor();
    let [_, _, _, flags, protocol, algorithm, key @ ..] = &*key.split_whitespace().collect::<Vec<_>>() else {
        panic!("{key}")
    };
    let anchor = format!(
        "trust-anchors {{ example. static-key {flags} {protocol} {algorithm} \"{}\"; }};",
        key.concat()
    );
    let file = signed.folder.path().join("delv.conf");
    fs::write(&file, anchor).unwrap();
    let delv = |question: &str| {
        let output = Command::new("delv")
            .args(["@127.0.0.1", "-p", &signed.dns.port().to_string(), "+root=example", "-a"])
            .arg(&file)
            .args(question.split(' '))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    for question in ["www.example. A", "alias.example. A", "x.wild.example. A", "safe.example. DS"] {
        let told = delv(question);
        assert!(told.contains("; fully validated\n"), "{question}: {told}");
    }
    for question in ["www.example. TXT", "nothing.example. A", "www.example. DS"] {
        let told = delv(question);
        assert!(told.contains("; negative response, fully validated\n"), "{question}: {told}");
    }
}

#[test]
fn an_altered_signature_is_noticed() {
    let Some(signed) = Signed::start(&["-a ECDSAP256SHA256 -f KSK"], "") else { return };
    if !is_installed("unbound") {
        return;
    }
    let server = signed.dns;
    let forger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = forger.local_addr().unwrap();
    std::thread::spawn(move || forge(&forger, server));
    let resolver = Resolver::start(&signed, address);
    assert_eq!(resolver.ask("www.example. AAAA"), ("NOERROR".to_owned(), true, 1));
    assert_eq!(resolver.ask("www.example. A").0, "SERVFAIL");
    assert_eq!(resolver.ask("www.example. TXT"), ("NOERROR".to_owned(), true, 0));
}

/// Starts a server with these keys, and unbound before it, and asks all there is.
fn through_unbound(keys: &[&str], more: &str) {
    let Some(signed) = Signed::start(keys, more) else { return };
    if !is_installed("unbound") {
        return;
    }
    let resolver = Resolver::start(&signed, signed.dns);
    for (questions, is_proven) in [(PROVEN, true), (UNPROVEN, false)] {
        for (question, answers) in questions {
            let answers = if question.ends_with("DNSKEY") { keys.len() } else { *answers };
            assert_eq!(resolver.ask(question), ("NOERROR".to_owned(), is_proven, answers), "{question}");
        }
    }
}

/// A server with a signed zone, one below it that is signed as well, and one that is not.
struct Signed {
    folder: TempDir,
    dns: SocketAddr,
    /// The first key's file, without `.key`.
    key: String,
    _server: Process,
}

impl Signed {
    /// None where no keys can be made.
    fn start(keys: &[&str], more: &str) -> Option<Signed> {
        if !is_installed("dnssec-keygen") || !is_installed("dig") {
            return None;
        }
        let (folder, dns) = (tempfile::tempdir().unwrap(), free_address());
        let keys: Vec<String> = keys.iter().map(|key| keygen(folder.path(), key, "example")).collect();
        let child = keygen(folder.path(), "-a ECDSAP256SHA256 -f KSK", "safe.example");
        let ds = run(folder.path(), "dnssec-dsfromkey", &["-2", &child]);
        fs::write(folder.path().join("db.example"), format!("{ZONE}{ds}")).unwrap();
        fs::write(folder.path().join("db.child"), CHILD).unwrap();
        let (root, port) = (folder.path().display(), dns.port());
        let corefile = format!(
            "(all) {{\n root {root}\n bind 127.0.0.1\n {more}\n}}\n\
             example:{port} {{\n import all\n dnssec example inner.example {{\n  key file {}\n }}\n \
             file db.example example\n file db.child inner.example\n}}\n\
             safe.example:{port} {{\n import all\n dnssec {{\n  key file {child}\n }}\n file db.child\n}}\n\
             sub.example:{port} {{\n import all\n file db.child\n}}\n",
            keys.join(" ")
        );
        let file = folder.path().join("Corefile");
        fs::write(&file, corefile).unwrap();
        let mut command = cartonym(&["-quiet", "-conf"]);
        let server = Process(command.arg(&file).stdout(Stdio::null()).spawn().unwrap());
        wait_until("the server answers", || ask(dns, "example.", Type::SOA).is_some());
        Some(Signed { folder, dns, key: keys[0].clone(), _server: server })
    }

    /// The DNSKEY record that a validator trusts.
    fn anchor(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join(format!("{}.key", self.key))).unwrap();
        text.lines().filter(|line| !line.starts_with(';')).collect()
    }
}

/// A validating resolver.
struct Resolver {
    address: SocketAddr,
    _process: Process,
}

impl Resolver {
    /// Starts unbound before `server`.
    fn start(signed: &Signed, server: SocketAddr) -> Resolver {
        let (folder, address) = (signed.folder.path(), free_address());
        fs::write(folder.join("anchor"), signed.anchor()).unwrap();
        let stubs: String = ["example.", "safe.example.", "sub.example."]
            .map(|zone| format!("stub-zone:\n name: {zone}\n stub-addr: {}@{}\n", server.ip(), server.port()))
            .concat();
        let config = format!(
            "server:\n interface: {}@{}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n directory: \"{2}\"\n \
             pidfile: \"\"\n use-syslog: no\n logfile: \"{2}/log\"\n val-log-level: 2\n do-not-query-localhost: no\n \
             harden-algo-downgrade: yes\n aggressive-nsec: yes\n \
             module-config: \"validator iterator\"\n trust-anchor-file: \"{2}/anchor\"\n\
             {stubs}remote-control:\n control-enable: no\n",
            address.ip(),
            address.port(),
            folder.display()
        );
        fs::write(folder.join("unbound.conf"), config).unwrap();
        let mut command = Command::new("unbound");
        command.arg("-d").arg("-c").arg(folder.join("unbound.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let resolver = Resolver { address, _process: Process(command.spawn().unwrap()) };
        wait_until("unbound answers", || ask(address, "localhost.", Type::A).is_some());
        resolver
    }

    /// The rcode of an answer, whether it is proven, and how many records it has but for signatures.
    fn ask(&self, question: &str) -> (String, bool, usize) {
        let output = Command::new("dig")
            .args(["@127.0.0.1", "-p", &self.address.port().to_string(), "+dnssec", "+tries=1", "+time=9"])
            .args(question.split(' '))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let after = |mark: &str| text.split(mark).nth(1).and_then(|rest| rest.split([',', ';']).next());
        let rcode = after("status: ").unwrap_or_else(|| panic!("{question}: {text}")).to_owned();
        let is_proven = after(";; flags:").is_some_and(|flags| flags.contains(" ad"));
        let section = text.split(";; ANSWER SECTION:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
        let records = section.unwrap_or_default().lines().filter(|line| !line.contains("\tRRSIG\t"));
        (rcode, is_proven, records.count())
    }
}

/// Passes queries on to `server`, and its answers back with a bit of the signatures of A records turned, until the socket
/// fails: the thread ends with the test.
fn forge(socket: &UdpSocket, server: SocketAddr) {
    let mut buffer = [0; 4096];
    while let Ok((len, client)) = socket.recv_from(&mut buffer) {
        let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
        upstream.send_to(&buffer[..len], server).unwrap();
        let Ok(len) = upstream.recv(&mut buffer) else { continue };
        let message = Message::new(&buffer[..len]).unwrap();
        let of_addresses = message.records().map(Result::unwrap).filter(|record| {
            record.section == 0 && record.rtype == Type::RRSIG && record.rdata.starts_with(&[0, 1])
        });
        let ends: Vec<usize> =
            of_addresses.map(|record| record.rdata_start + record.rdata.len() - 1).collect();
        ends.iter().for_each(|end| buffer[*end] ^= 1);
        let _ = socket.send_to(&buffer[..len], client);
    }
}

/// Makes a key: its file, without `.key`.
fn keygen(folder: &Path, options: &str, zone: &str) -> String {
    let args: Vec<&str> = ["-q"].into_iter().chain(options.split(' ')).chain([zone]).collect();
    run(folder, "dnssec-keygen", &args).trim().to_owned()
}

fn run(folder: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
