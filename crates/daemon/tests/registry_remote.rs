//! A registry that another side keeps, a daemon or what others have written: from a call there to an answer here, through
//! an outage.
//!
//! A program that is not installed is passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

mod common;

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cartonym::wire::{Rcode, Type};
use common::{Client, Daemon, Process, ask, free_address, get, is_installed, wait_until};
use serde_json::json;

const NAME: &str = "web.shop.example.";

#[test]
fn dns_answers_here_what_is_registered_there_whether_the_other_side_is_away_or_not() {
    let sides = Sides::new("100ms");
    let (dns, api) = sides.here;
    let answers = |hosts: &[u8]| ask(dns, NAME, Type::A) == Some((Rcode::NOERROR, hosts.to_vec()));

    let other = sides.start_there();
    let service = other.service();
    other.register(&service, 1);
    let daemon = sides.start_here();
    assert!(answers(&[1]));
    other.register(&service, 2);
    wait_until("the second is answered", || answers(&[1, 2]));
    let (status, refused) = daemon.client().try_call("CreateHttpNamespace", json!({ "Name": "more" }));
    assert_eq!((status, &refused["__type"]), (400, &json!("AccessDeniedException")));
    wait_until("it is kept", || is_kept(&sides.last_seen(), "web-2"));

    drop(other);
    wait_until("the other side is missed", || get(api, "/readyz").1.contains("away"));
    assert_eq!(get(api, "/readyz").0, 200);
    assert!(answers(&[1, 2]));
    drop(daemon);
    let _daemon = sides.start_here();
    assert!(answers(&[1, 2]));

    let other = sides.start_there();
    other.client().deregister(&service, 1);
    wait_until("one less is answered", || answers(&[2]));
}

#[test]
fn what_changes_there_is_told_and_not_waited_for() {
    // Two looks are further from each other than anything here is waited for.
    told_and_not_waited_for(Sides::new("10m"));
}

#[test]
fn so_it_is_where_it_is_told_to_who_signs() {
    told_and_not_waited_for(Sides { key: Some("AKID hush"), ..Sides::new("10m") });
}

fn told_and_not_waited_for(sides: Sides) {
    let (dns, api) = sides.here;
    let answers =
        |name: &str, hosts: &[u8]| ask(dns, name, Type::A) == Some((Rcode::NOERROR, hosts.to_vec()));

    let other = sides.start_there();
    let service = other.service();
    other.register(&service, 1);
    let _daemon = sides.start_here();
    assert!(answers(NAME, &[1]));
    for host in 2..=6 {
        other.register(&service, host);
        let hosts: Vec<u8> = (1..=host).collect();
        wait_until("one more is answered", || answers(NAME, &hosts));
    }
    let made = other.client().call("CreateHttpNamespace", json!({ "Name": "plain" }));
    assert!(made["OperationId"].is_string());
    let namespaces = || get(api, "/").1.contains("namespaces 2\n");
    wait_until("the namespace is there", namespaces);

    drop(other);
    wait_until("the other side is missed", || get(api, "/readyz").1.contains("away"));
    let other = sides.start_there();
    other.client().deregister(&service, 1);
    wait_until("one less is answered", || answers(NAME, &[2, 3, 4, 5, 6]));
    wait_until("nothing is missed", || get(api, "/readyz").1 == "OK\n");
}

/// moto is Cloud Map as others have written it: no page `/changes`, ids of other lengths, revisions that fall.
#[test]
fn what_moto_keeps_is_answered() {
    if !is_installed("moto_server") {
        return;
    }
    let sides = Sides { key: Some("AKID hush"), ..Sides::new("100ms") };
    let (here, there) = (sides.here.0, sides.there.1);
    let mut moto = Command::new("moto_server");
    moto.args(["--port", &there.port().to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let _moto = Process(moto.spawn().unwrap());
    wait_until("moto listens", || TcpStream::connect(there).is_ok());

    let other = Client { dns: here, api: there };
    let service = other.service();
    other.register(&service, 1);
    let _daemon = sides.start_here();
    let answers = |hosts: &[u8]| ask(here, NAME, Type::A) == Some((Rcode::NOERROR, hosts.to_vec()));
    assert!(answers(&[1]));
    other.register(&service, 2);
    wait_until("the second is answered", || answers(&[1, 2]));
    other.deregister(&service, 1);
    wait_until("one less is answered", || answers(&[2]));
}

/// A daemon that keeps a registry and one that follows it, each with a folder, and addresses for DNS and the API.
struct Sides {
    folder: tempfile::TempDir,
    there: (SocketAddr, SocketAddr),
    here: (SocketAddr, SocketAddr),
    poll: &'static str,
    /// What the one that keeps it wants signed with.
    key: Option<&'static str>,
}

impl Sides {
    fn new(poll: &'static str) -> Sides {
        let addresses = || (free_address(), free_address());
        Sides { folder: tempfile::tempdir().unwrap(), there: addresses(), here: addresses(), poll, key: None }
    }

    fn start_there(&self) -> Daemon {
        let key = self.key.map(|key| format!("\n  access_key {key}")).unwrap_or_default();
        let keep = format!("backend embedded {}{key}", self.path("there/store").display());
        self.start("there", self.there, &keep)
    }

    fn start_here(&self) -> Daemon {
        let (api, poll, last_seen) = (self.there.1, self.poll, self.last_seen());
        let credentials = self.key.map(|key| format!("\n  credentials {key}")).unwrap_or_default();
        let last_seen = last_seen.display();
        let follow =
            format!("backend remote http://{api}\n  poll {poll}\n  last_seen {last_seen}{credentials}");
        self.start("here", self.here, &follow)
    }

    fn start(&self, side: &str, (dns, api): (SocketAddr, SocketAddr), backend: &str) -> Daemon {
        let folder = self.path(side);
        std::fs::create_dir_all(&folder).unwrap();
        Daemon::with_corefile(&folder, &corefile(dns, api, backend), dns, api)
    }

    fn last_seen(&self) -> PathBuf {
        self.path("here/last-seen")
    }

    fn path(&self, of: &str) -> PathBuf {
        self.folder.path().join(of)
    }
}

fn corefile(dns: SocketAddr, api: SocketAddr, backend: &str) -> String {
    format!(".:{} {{\n bind 127.0.0.1\n registry {{\n  {backend}\n  api {api}\n }}\n}}\n", dns.port())
}

fn is_kept(last_seen: &Path, instance: &str) -> bool {
    std::fs::read_to_string(last_seen).is_ok_and(|text| text.contains(instance))
}
