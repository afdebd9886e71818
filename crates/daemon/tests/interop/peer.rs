//! Servers of one zone, ours and others', as primary or secondary of each other.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::{Process, cartonym, wait_until};

pub(crate) const SECRET: &str = "c2VjcmV0IG9mIDI0IG9jdGV0cyE=";

/// Whose server it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Cartonym,
    Knot,
    Nsd,
    Bind,
}

/// What it is to its partner, whose address this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Primary(SocketAddr),
    Secondary(SocketAddr),
}

/// A server at work, with a folder of its own.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) served: Served,
    process: Process,
    folder: TempDir,
}

/// A zone where it is served.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) zone: &'static str,
}

impl Peer {
    /// Starts a server of a zone; a primary begins with the master file `text`.
    pub(crate) fn start(kind: Kind, role: Role, served: Served, text: &str) -> Peer {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup { folder: folder.path(), zone: served.zone, port: served.address.port(), role };
        if matches!(role, Role::Primary(_)) {
            fs::write(folder.path().join("db"), text).unwrap();
        }
        let (name, config) = match kind {
            Kind::Cartonym => ("Corefile", setup.cartonym()),
            Kind::Knot => ("knot.conf", setup.knot()),
            Kind::Nsd => ("nsd.conf", setup.nsd()),
            Kind::Bind => ("named.conf", setup.bind()),
        };
        let file = folder.path().join(name);
        fs::write(&file, config).unwrap();
        let mut command = match kind {
            Kind::Cartonym => cartonym(&["-quiet", "-conf"]),
            Kind::Knot => program("knotd", &["-c"]),
            Kind::Nsd => program("nsd", &["-d", "-c"]),
            Kind::Bind => program("named", &["-g", "-c"]),
        };
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn().unwrap_or_else(|error| panic!("{kind:?}: {error}")));
        let peer = Peer { kind, served, process, folder };
        if matches!(role, Role::Primary(_)) {
            wait_until("the primary answers", || peer.served.serial().is_some());
        }
        peer
    }

    /// Replaces the master file, and has it read again.
    pub(crate) fn rewrite(&self, text: &str) {
        fs::write(self.folder.path().join("db"), text).unwrap();
        self.process.signal("HUP");
    }
}

impl Served {
    pub(crate) fn serial(&self) -> Option<u32> {
        self.dig(&["+short", "SOA"]).split(' ').nth(2)?.parse().ok()
    }

    /// The records of the zone, as AXFR tells them, in an order of their own.
    pub(crate) fn records(&self) -> Vec<String> {
        let text = self.dig(&["+noall", "+answer", "+onesoa", "AXFR"]);
        let lines = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
        let mut records: Vec<String> =
            lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        records.sort();
        records
    }

    /// The answer to a signed question about the zone's apex.
    pub(crate) fn dig(&self, args: &[&str]) -> String {
        let output = Command::new("dig")
            .args(["@127.0.0.1", "-p", &self.address.port().to_string(), "+tries=1", "+time=10"])
            .args(["-y", &format!("hmac-sha256:key.:{SECRET}"), self.zone])
            .args(args)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn program(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(args);
    command
}

struct Setup<'a> {
    folder: &'a Path,
    zone: &'a str,
    port: u16,
    role: Role,
}

impl Setup<'_> {
    fn cartonym(&self) -> String {
        let serves = match self.role {
            Role::Primary(peer) => {
                format!("transfer {{\n  to key. {peer}\n }}\n file db {{\n  update key.\n  reload 100ms\n }}")
            }
            Role::Secondary(peer) => {
                format!("transfer {{\n  to key.\n }}\n secondary {{\n  transfer from {peer}\n  key key.\n }}")
            }
        };
        format!(
            "{}:{} {{\n root {}\n bind 127.0.0.1\n tsig {{\n  secret key. {SECRET}\n }}\n {serves}\n}}\n",
            self.zone,
            self.port,
            self.folder.display()
        )
    }

    fn knot(&self) -> String {
        let (peer, role) = match self.role {
            Role::Primary(peer) => (peer, "notify"),
            Role::Secondary(peer) => (peer, "master"),
        };
        format!(
            "server:\n    rundir: \"{0}\"\n    listen: 127.0.0.1@{1}\n\
             database:\n    storage: \"{0}\"\n\
             log:\n  - target: \"{0}/log\"\n    any: info\n\
             key:\n  - id: key.\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
             remote:\n  - id: peer\n    address: {2}@{3}\n    key: key.\n\
             acl:\n  - id: signed\n    key: key.\n    action: [transfer, update, notify]\n\
             \x20 - id: near\n    address: 127.0.0.1\n    action: [notify, query]\n\
             zone:\n  - domain: {4}\n    storage: \"{0}\"\n    file: db\n    {role}: peer\n    acl: [signed, near]\n",
            self.folder.display(),
            self.port,
            peer.ip(),
            peer.port(),
            self.zone
        )
    }

    fn nsd(&self) -> String {
        let role = match self.role {
            Role::Primary(peer) => {
                format!("notify: {}@{} key.\n store-ixfr: yes", peer.ip(), peer.port())
            }
            Role::Secondary(peer) => format!(
                "request-xfr: {}@{} key.\n allow-notify: 127.0.0.1 NOKEY\n allow-notify: 127.0.0.1 key.",
                peer.ip(),
                peer.port()
            ),
        };
        format!(
            "server:\n ip-address: 127.0.0.1@{1}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{0}\"\n database: \"\"\n\
             \x20pidfile: \"\"\n xfrdfile: \"{0}/xfrd\"\n xfrdir: \"{0}\"\n zonelistfile: \"{0}/list\"\n logfile: \"{0}/log\"\n\
             \x20server-count: 1\n xfrd-reload-timeout: 0\n\
             remote-control:\n control-enable: no\n\
             key:\n name: key.\n algorithm: hmac-sha256\n secret: \"{SECRET}\"\n\
             zone:\n name: {2}\n zonefile: db\n provide-xfr: 127.0.0.1 key.\n {role}\n",
            self.folder.display(),
            self.port,
            self.zone
        )
    }

    fn bind(&self) -> String {
        let role = match self.role {
            Role::Primary(peer) => format!(
                "type primary; allow-update {{ key key.; }}; also-notify {{ {} port {} key key.; }}; notify explicit;",
                peer.ip(),
                peer.port()
            ),
            Role::Secondary(peer) => format!(
                "type secondary; masterfile-format text; primaries {{ {} port {} key key.; }}; notify no;\n \
                 allow-notify {{ 127.0.0.1; }};",
                peer.ip(),
                peer.port()
            ),
        };
        format!(
            "options {{ directory \"{0}\"; listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none;\n\
             session-keyfile none; recursion no; dnssec-validation no; notify-delay 0; allow-transfer {{ key key.; }}; }};\n\
             controls {{ }};\nkey key. {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
             zone \"{2}\" {{ file \"db\"; {role} }};\n",
            self.folder.display(),
            self.port,
            self.zone
        )
    }
}
