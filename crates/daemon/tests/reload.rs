//! Another configuration takes the place of the one that serves: nobody's query is lost, and a mistake changes nothing.

mod common;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cartonym::wire::{Rcode, Type};
use common::{Process, ask, cartonym, free_address, wait_until};

/// A daemon with a Corefile that tests write anew.
struct Reloaded {
    process: Process,
    folder: tempfile::TempDir,
}

impl Reloaded {
    fn start(corefile: &str, dns: SocketAddr) -> Reloaded {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Corefile");
        fs::write(&file, corefile).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = cartonym(&["-quiet", "-conf"]);
        command.arg(&file).env("CARTONYM_LOG", "info").stdout(Stdio::null()).stderr(log);
        let process = Process(command.current_dir(folder.path()).spawn().unwrap());
        wait_until("the daemon answers", || ask(dns, ".", Type::SOA).is_some());
        Reloaded { process, folder }
    }

    fn write(&self, corefile: &str) {
        // Whole at once, as whoever reloads by the clock must do.
        let new = self.folder.path().join("new");
        fs::write(&new, corefile).unwrap();
        fs::rename(new, self.folder.path().join("Corefile")).unwrap();
    }

    /// Has the Corefile read again, and waits for the end of it.
    fn reload(&self) {
        let before = self.outcomes();
        self.process.signal("USR1");
        wait_until("the daemon has read it", || self.outcomes() > before);
    }

    fn outcomes(&self) -> usize {
        self.log().matches("reloaded").count()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

/// A block that answers every A query with 192.0.2.`host`.
fn block(address: SocketAddr, host: u8) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        ".:{port} {{\n bind {ip}\n template IN A {{\n  answer \"{{{{ .Name }}}} 60 A 192.0.2.{host}\"\n }}\n}}\n"
    )
}

fn host(address: SocketAddr) -> Option<u8> {
    ask(address, "www.example.", Type::A)?.1.first().copied()
}

/// What is answered for the name that the zone of [`primary_and_secondary`] has.
fn www(dns: SocketAddr) -> Option<(Rcode, Vec<u8>)> {
    ask(dns, "www.example.org.", Type::A)
}

/// A block that has the zone `example.org` from a file in `folder`, and one that has it from there.
fn primary_and_secondary(primary: SocketAddr, folder: &Path, secondary: SocketAddr) -> [String; 2] {
    let file = folder.join("db");
    fs::write(
        &file,
        "@ 60 SOA ns host 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.1\nwww 60 A 192.0.2.7\n",
    )
    .unwrap();
    let begin = |at: SocketAddr| format!("example.org:{} {{\n bind {}\n", at.port(), at.ip());
    [
        format!("{} file {}\n transfer {{\n  to *\n }}\n}}\n", begin(primary), file.display()),
        format!("{} secondary {{\n  transfer from {primary}\n }}\n}}\n", begin(secondary)),
    ]
}

#[test]
fn a_zone_from_a_primary_that_is_away_is_answered_through_a_reload() {
    let (folder, primary, dns) = (tempfile::tempdir().unwrap(), free_address(), free_address());
    let [first, second] = primary_and_secondary(primary, folder.path(), dns);
    let daemon = Reloaded::start(&format!("{first}{second}"), dns);
    let answer = Some((Rcode::NOERROR, vec![7]));
    wait_until("the zone is transferred", || www(dns) == answer);
    // Without the primary; and then with another block that would have the zone from there.
    let other = free_address();
    let [_, third] = primary_and_secondary(primary, folder.path(), other);
    for blocks in [second.clone(), format!("{second}{third}")] {
        daemon.write(&blocks);
        daemon.reload();
        assert_eq!(www(dns), answer);
    }
    assert_eq!(www(other), answer);
    daemon.write(&second.replace(&primary.to_string(), &free_address().to_string()));
    daemon.reload();
    assert_eq!(www(dns), Some((Rcode::SERVFAIL, vec![])), "what another primary had is not answered");
}

#[test]
fn no_query_is_lost_or_answered_wrong_through_many_reloads() {
    let dns = free_address();
    let daemon = Reloaded::start(&block(dns, 1), dns);
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let askers: Vec<_> = (0..2)
        .map(|_| {
            let (done, asked) = (Arc::clone(&done), Arc::clone(&asked));
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let host = host(dns).expect("an answer");
                    assert!((1..=20).contains(&host), "{host}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for number in 2..=20 {
        daemon.write(&block(dns, number));
        daemon.reload();
        assert_eq!(host(dns), Some(number));
    }
    done.store(true, Ordering::Relaxed);
    askers.into_iter().for_each(|asker| asker.join().unwrap());
    assert!(asked.load(Ordering::Relaxed) > 100);
}

#[test]
fn a_mistake_is_refused_whole_and_everything_goes_on() {
    let (dns, api, other) = (free_address(), free_address(), free_address());
    let registry = format!(
        "shop.example:{} {{\n bind 127.0.0.1\n registry {{\n  backend memory\n  api {api}\n }}\n}}\n",
        dns.port()
    );
    let daemon = Reloaded::start(&format!("{registry}{}", block(dns, 1)), dns);
    let taken = free_address();
    let _taken = std::net::UdpSocket::bind(taken).unwrap();
    let mistakes = [
        (".:0 {\n whoamy\n}", "did you mean `whoami`?".to_owned()),
        (&*format!("{}{}", block(other, 2), block(taken, 3)), taken.to_string()),
        (".:0 {\n import nowhere.conf\n}", "nowhere.conf".to_owned()),
    ];
    for (mistake, word) in &mistakes {
        daemon.write(mistake);
        daemon.reload();
        let log = daemon.log();
        let line = log.lines().rfind(|line| line.contains("not reloaded")).unwrap();
        assert!(line.contains(word), "{line}");
        assert_eq!(host(dns), Some(1));
        TcpStream::connect(api).unwrap();
        assert_eq!(ask(other, ".", Type::A), None);
    }
    daemon.write(&format!("{registry}{}", block(dns, 4)));
    daemon.reload();
    assert_eq!(host(dns), Some(4));
    TcpStream::connect(api).unwrap();
}

#[test]
fn addresses_open_and_close() {
    let (first, second) = (free_address(), free_address());
    let daemon = Reloaded::start(&block(first, 1), first);
    daemon.write(&block(second, 2));
    daemon.reload();
    assert_eq!(host(second), Some(2));
    wait_until("the first is closed", || std::net::UdpSocket::bind(first).is_ok());
    daemon.write(&format!("{}{}", block(first, 3), block(second, 4)));
    daemon.reload();
    assert_eq!((host(first), host(second)), (Some(3), Some(4)));
}

#[test]
fn a_registry_is_carried_over_and_takes_new_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (dns, api, new_api) = (free_address(), free_address(), free_address());
    let text = |api: SocketAddr, more: &str| corefile(folder.path(), dns, api, more);
    let reloaded = Reloaded::start(&text(api, ""), dns);
    let client = common::Client { dns, api };
    let service = client.service();
    client.register(&service, 1);
    reloaded.write(&text(api, "whoami"));
    reloaded.reload();
    client.register(&service, 2);
    reloaded.write(&text(new_api, "region eu-central-1"));
    reloaded.reload();
    let client = common::Client { dns, api: new_api };
    client.register(&service, 3);
    let answer = ask(dns, "web.shop.example.", Type::A);
    assert_eq!(answer, Some((Rcode::NOERROR, vec![1, 2, 3])), "{}", reloaded.log());
    wait_until("the old API is gone", || TcpStream::connect(api).is_err());
}

#[test]
fn a_registry_that_stays_as_it_is_keeps_what_it_has_whatever_comes_before_it() {
    let [dns, api, other] = [(); 3].map(|()| free_address());
    let block = |zone: &str, api: SocketAddr, more: &str| {
        let port = dns.port();
        format!(
            "{zone}:{port} {{\n bind 127.0.0.1\n registry {{\n  backend memory\n  api {api}\n  {more}\n }}\n}}\n"
        )
    };
    let kept = block(".", api, "");
    let daemon = Reloaded::start(&kept, dns);
    let client = common::Client { dns, api };
    let service = client.service();
    client.register(&service, 1);
    daemon.write(&format!("{}{kept}", block("other.example", other, "")));
    daemon.reload();
    client.register(&service, 2);
    assert_eq!(
        ask(dns, "web.shop.example.", Type::A),
        Some((Rcode::NOERROR, vec![1, 2])),
        "{}",
        daemon.log()
    );
    // Of two that are alike, the one that listens where the new one does.
    daemon.write(&block(".", api, "region eu-central-1"));
    daemon.reload();
    client.register(&service, 3);
    assert_eq!(
        ask(dns, "web.shop.example.", Type::A),
        Some((Rcode::NOERROR, vec![1, 2, 3])),
        "{}",
        daemon.log()
    );
}

#[test]
fn the_end_does_not_wait_for_a_reload() {
    let dns = free_address();
    // A server that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut daemon = Reloaded::start(&block(dns, 1), dns);
    let registry = format!("registry {{\n backend etcd http://{}\n }}", silent.local_addr().unwrap());
    daemon.write(&format!("{}.:0 {{\n bind 127.0.0.1\n {registry}\n}}\n", block(dns, 2)));
    daemon.process.signal("USR1");
    wait_until("the reload has begun", || daemon.log().contains("reloading"));
    assert_eq!(host(dns), Some(1));
    daemon.process.signal("TERM");
    assert_eq!(daemon.process.wait(), Some(0), "{}", daemon.log());
    assert_eq!(daemon.outcomes(), 0, "{}", daemon.log());
}

fn corefile(data: &Path, dns: SocketAddr, api: SocketAddr, more: &str) -> String {
    let (inside, beside) = if more.starts_with("region") { (more, "") } else { ("", more) };
    format!(
        ".:{} {{\n bind 127.0.0.1\n registry {{\n  backend embedded {}\n  api {api}\n  {inside}\n }}\n {beside}\n}}\n",
        dns.port(),
        data.display()
    )
}

#[test]
fn a_changed_file_is_found_by_the_clock() {
    let dns = free_address();
    let text = |host: u8| format!("{}.:0 {{\n bind 127.0.0.1\n reload 2s 0\n whoami\n}}\n", block(dns, host));
    let daemon = Reloaded::start(&text(1), dns);
    daemon.write(&text(2));
    wait_until("the change is served", || host(dns) == Some(2));
    daemon.write(".:0 {\n whoamy\n}\n");
    wait_until("the mistake is seen", || daemon.log().contains("not reloaded"));
    assert_eq!(host(dns), Some(2));
}

#[test]
fn signals_end_it_or_do_not() {
    let dns = free_address();
    for (signal, code) in [("TERM", Some(0)), ("INT", Some(0)), ("QUIT", Some(0))] {
        let mut daemon = Reloaded::start(&block(dns, 1), dns);
        daemon.process.signal("HUP");
        daemon.process.signal("USR2");
        daemon.reload();
        assert_eq!(host(dns), Some(1));
        daemon.process.signal(signal);
        assert_eq!(daemon.process.wait(), code, "{signal}");
    }
}
