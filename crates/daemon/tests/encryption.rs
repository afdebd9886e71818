//! Listeners under TLS as their users meet them: kdig asks, and a Corefile is wrong.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cartonym_testing::certificate;
use common::{Process, cartonym, free_address, run, wait_until};
use tempfile::TempDir;

/// A folder with two certificates and their keys.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "other"] {
        let path = folder.path().join(name).with_extension("pem");
        fs::write(path, certificate(&format!("{name}.example"))).unwrap();
    }
    folder
}

/// Serves a Corefile in which `ADDRESS` stands for a port, and `FOLDER` for the folder.
fn serve(folder: &Path, corefile: &str) -> (Process, SocketAddr) {
    let address = free_address();
    let file = write(folder, &corefile.replace("PORT", &address.port().to_string()));
    let mut command = cartonym(&["-conf", &file, "-quiet"]);
    let process = Process(command.stdout(Stdio::null()).spawn().unwrap());
    wait_until("it listens", || TcpStream::connect(address).is_ok());
    (process, address)
}

fn write(folder: &Path, corefile: &str) -> String {
    let file = folder.join("Corefile");
    fs::write(&file, corefile.replace("FOLDER", &folder.display().to_string())).unwrap();
    file.display().to_string()
}

/// What kdig prints.
fn kdig(server: SocketAddr, args: &str) -> String {
    let (ip, port) = (server.ip(), server.port());
    let mut command = Command::new("kdig");
    command.arg(format!("@{ip}")).args(["-p", &port.to_string(), "+timeout=15", "+retry=0"]);
    let output = command.args(args.split_whitespace()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn kdig_asks_over_tls() {
    let folder = folder();
    let corefile = "tls://example:PORT {\n bind 127.0.0.1\n tls FOLDER/one.pem FOLDER/one.pem\n whoami\n}\n";
    let (_process, address) = serve(folder.path(), corefile);
    let ca = folder.path().join("one.pem");
    let args = format!("+tls-ca={} +tls-hostname=one.example www.example A", ca.display());
    let said = kdig(address, &args);
    assert!(said.contains("status: NOERROR"), "{said}");
    assert!(said.contains("TLS session (TLS1.3)"), "{said}");
    let said = kdig(address, &args.replace("one.example", "other.example"));
    assert!(!said.contains("status: NOERROR"), "{said}");
}

#[test]
fn kdig_asks_over_https() {
    let folder = folder();
    let corefile =
        "https://example:PORT {\n bind 127.0.0.1\n tls FOLDER/one.pem FOLDER/one.pem\n whoami\n}\n";
    let (_process, address) = serve(folder.path(), corefile);
    for method in ["+https", "+https +https-get"] {
        let said = kdig(address, &format!("{method} +multiline www.example A"));
        assert!(said.contains("status: NOERROR") && said.contains("HTTP session (HTTP/2"), "{said}");
    }
}

#[test]
fn queries_are_passed_on_over_tls() {
    let folder = folder();
    let tls = free_address();
    let corefile = format!(
        "tls://.:{port} {{\n bind 127.0.0.1\n tls FOLDER/one.pem FOLDER/one.pem FOLDER/other.pem {{\n  \
         client_auth require_and_verify\n }}\n chaos ours\n whoami\n}}\n\
         example:PORT {{\n bind 127.0.0.1\n forward . tls://127.0.0.1:{port} {{\n  \
         tls FOLDER/other.pem FOLDER/other.pem FOLDER/one.pem\n  tls_servername one.example\n }}\n}}\n\
         address.test:PORT {{\n bind 127.0.0.1\n forward . tls://127.0.0.1:{port} {{\n  \
         tls FOLDER/other.pem FOLDER/other.pem FOLDER/one.pem\n }}\n}}\n\
         wrong.test:PORT {{\n bind 127.0.0.1\n forward . tls://127.0.0.1%other.example:{port} {{\n  \
         tls FOLDER/other.pem FOLDER/other.pem FOLDER/one.pem\n }}\n}}\n",
        port = tls.port()
    );
    let (_process, address) = serve(folder.path(), &corefile);
    for (name, status) in [("example", "NOERROR"), ("address.test", "NOERROR"), ("wrong.test", "SERVFAIL")] {
        for over in ["+notcp", "+tcp"] {
            let said = kdig(address, &format!("{over} www.{name} A"));
            assert!(said.contains(&format!("status: {status}")), "{name}: {said}");
        }
    }
}

#[test]
fn unbound_forwards_over_tls() {
    let folder = folder();
    let corefile = "tls://example:PORT {\n bind 127.0.0.1\n tls FOLDER/one.pem FOLDER/one.pem\n whoami\n}\n";
    let (_process, address) = serve(folder.path(), corefile);
    let resolver = free_address();
    let config = format!(
        "server:\n interface: {}@{}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n directory: \"{folder}\"\n \
         pidfile: \"\"\n use-syslog: no\n do-not-query-localhost: no\n module-config: \"iterator\"\n \
         tls-cert-bundle: \"{folder}/one.pem\"\nforward-zone:\n name: \"example.\"\n forward-tls-upstream: yes\n \
         forward-addr: 127.0.0.1@{}#one.example\nremote-control:\n control-enable: no\n",
        resolver.ip(),
        resolver.port(),
        address.port(),
        folder = folder.path().display(),
    );
    let file = folder.path().join("unbound.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("unbound");
    command.arg("-d").arg("-c").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
    let _resolver = Process(command.spawn().unwrap());
    wait_until("the resolver answers", || kdig(resolver, "www.example A").contains("status: NOERROR"));
}

#[test]
fn clients_show_certificates_where_the_corefile_says_so() {
    let folder = folder();
    let corefile = "tls://example:PORT {\n bind 127.0.0.1\n root FOLDER\n tls one.pem one.pem other.pem {\n  \
                    client_auth require_and_verify\n }\n whoami\n}\n";
    let (_process, address) = serve(folder.path(), corefile);
    let pem = folder.path().join("other.pem").display().to_string();
    let shown = kdig(address, &format!("+tls +tls-certfile={pem} +tls-keyfile={pem} www.example A"));
    assert!(shown.contains("status: NOERROR"), "{shown}");
    let bare = kdig(address, "+tls www.example A");
    assert!(!bare.contains("status: NOERROR"), "{bare}");
}

#[test]
fn a_wrong_corefile_is_refused_where_it_is_wrong() {
    let folder = folder();
    let pem = |name: &str| folder.path().join(name).display().to_string();
    let (one, other) = (pem("one.pem"), pem("other.pem"));
    fs::write(folder.path().join("empty.pem"), "").unwrap();
    for (corefile, at, message) in [
        ("tls://example {\n whoami\n}\n".to_owned(), "1:1", "tls:// needs a certificate"),
        (format!("tls://. {{\n tls {one}\n}}\n"), "2:2", "`tls` takes 2 to 3 arguments"),
        (format!("tls://. {{\n tls {one} gone.pem\n}}\n"), &at(&one), "cannot read gone.pem"),
        (format!("tls://. {{\n tls {one} {other}\n}}\n"), &at(&one), "the private key does not fit"),
        (
            format!("tls://. {{\n root {}\n tls empty.pem {one}\n}}\n", folder.path().display()),
            "3:6",
            "no certificate",
        ),
        (
            format!("tls://. {{\n tls {one} {one} {{\n  client_auth often\n }}\n}}\n"),
            "3:15",
            "`often` is not one of",
        ),
        (
            format!("tls://. {{\n tls {one} {one} {{\n  client_auth verify_if_given\n }}\n}}\n"),
            "3:15",
            "needs the certificates of those who vouch",
        ),
        (
            format!("tls://a {{\n tls {one} {one}\n}}\ntls://b {{\n tls {other} {other}\n}}\n"),
            "4:1",
            "has a different `tls` in an earlier server block",
        ),
        (
            format!("a:853 {{\n whoami\n}}\ntls://b {{\n tls {one} {one}\n}}\n"),
            "4:1",
            "serves dns:// for an earlier server block already",
        ),
    ] {
        let file = write(folder.path(), &corefile);
        let (code, _, err) = run(&mut cartonym(&["check", &file]));
        assert_eq!(code, Some(1), "{corefile}");
        assert!(err.contains(&format!("Corefile:{at}: ")) && err.contains(message), "{corefile}{err}");
    }
}

/// The place behind a first argument in the second line.
fn at(argument: &str) -> String {
    format!("2:{}", 7 + argument.len())
}

#[test]
fn timeouts_are_refused_where_they_are_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for (corefile, at, message) in [
        (". {\n timeouts\n}\n", "2:2", "`timeouts` says nothing"),
        (". {\n timeouts 5s\n}\n", "2:11", "`timeouts` takes no argument"),
        (". {\n timeouts {\n  read 500ms\n }\n}\n", "3:8", "`500ms` is not from 1s to 24h"),
        (". {\n timeouts {\n  idle 25h\n }\n}\n", "3:8", "`25h` is not from 1s to 24h"),
        (". {\n timeouts {\n  maxtcpqueries 0\n }\n}\n", "3:17", "a connection without a query is none"),
        (". {\n timeouts {\n  forever 1s\n }\n}\n", "3:3", "unknown property `forever`"),
    ] {
        let file = write(folder.path(), corefile);
        let (code, _, err) = run(&mut cartonym(&["check", &file]));
        assert_eq!(code, Some(1), "{corefile}");
        assert!(err.contains(&format!("Corefile:{at}: ")) && err.contains(message), "{corefile}{err}");
    }
}

#[test]
fn an_idle_connection_is_closed_when_the_corefile_says() {
    let corefile =
        ".:PORT {\n bind 127.0.0.1\n timeouts {\n  idle 1\n  read 1m\n  maxtcpqueries -1\n }\n whoami\n}\n";
    let folder = tempfile::tempdir().unwrap();
    let (_process, address) = serve(folder.path(), corefile);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let begun = Instant::now();
    stream.write_all(b"\0\x11\0\x07\0\0\0\x01\0\0\0\0\0\0\0\0\x01\0\x01").unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    assert!(response.len() > 19 && begun.elapsed() >= Duration::from_secs(1));
}
