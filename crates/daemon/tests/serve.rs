//! The program as its users meet it: it starts, ends, comes back, and says what is wrong.

mod common;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::Duration;

use cartonym::wire::{Rcode, Type};
use common::{Daemon, ask, ask_tcp, cartonym, free_address, run, wait_until};

const NAME: &str = "web.shop.example.";

#[test]
fn what_was_acknowledged_is_there_after_a_clean_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(folder.path());
    let service = daemon.service();
    daemon.register(&service, 1);
    daemon.register(&service, 2);
    assert_eq!(ask(daemon.dns, NAME, Type::A), Some((Rcode::NOERROR, vec![1, 2])));
    daemon.signal("TERM");
    assert_eq!(daemon.wait(), Some(0));
    let daemon = Daemon::start(folder.path());
    assert_eq!(ask_tcp(daemon.dns, NAME, Type::A), Some((Rcode::NOERROR, vec![1, 2])));
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(folder.path());
    let service = daemon.service();
    for host in 1..=5 {
        daemon.register(&service, host);
        daemon.signal("KILL");
        assert_eq!(daemon.wait(), None);
        daemon = Daemon::start(folder.path());
        assert_eq!(ask(daemon.dns, NAME, Type::A), Some((Rcode::NOERROR, (1..=host).collect())));
    }
}

#[test]
fn a_collector_has_every_query_and_a_stop_when_the_daemon_ends() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tap");
    let listener = UnixListener::bind(&socket).unwrap();
    let collector = std::thread::spawn(move || collect(listener.accept().unwrap().0).unwrap());
    let (dns, api) = (free_address(), free_address());
    let text =
        format!(".:{} {{\n bind 127.0.0.1\n dnstap {} full\n whoami\n}}\n", dns.port(), socket.display());
    let mut daemon = Daemon::with_corefile(folder.path(), &text, dns, api);
    let answered = (0..100).filter(|_| ask(dns, "tapped.example.", Type::A).is_some()).count();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(), Some(0));
    let frames = collector.join().unwrap();
    let told = frames.iter().filter(|frame| frame.windows(6).any(|part| part == b"tapped")).count();
    assert!(answered > 0 && told >= 2 * answered, "{answered} {told}");
}

/// Reads a frame stream to its STOP: the frames of data, each query and response.
fn collect(mut stream: UnixStream) -> io::Result<Vec<Vec<u8>>> {
    const ACCEPT: u8 = 1;
    const STOP: u8 = 3;
    const FINISH: u8 = 5;
    let word = |stream: &mut UnixStream| {
        let mut word = [0; 4];
        stream.read_exact(&mut word).map(|()| u32::from_be_bytes(word))
    };
    let control = |kind: u8| [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, kind];
    let mut frames = Vec::new();
    stream.write_all(&control(ACCEPT))?;
    loop {
        let (is_control, len) = match word(&mut stream)? {
            0 => (true, word(&mut stream)?),
            len => (false, len),
        };
        let mut frame = vec![0; len as usize];
        stream.read_exact(&mut frame)?;
        match is_control {
            true if frame == [0, 0, 0, STOP] => {
                stream.write_all(&control(FINISH))?;
                return Ok(frames);
            }
            true => {}
            false => frames.push(frame),
        }
    }
}

#[test]
fn an_endpoint_that_fails_is_out_of_dns_and_one_that_recovers_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (dns, api) = (common::free_address(), common::free_address());
    let text = format!(
        ".:{} {{\n bind 127.0.0.1\n registry {{\n  backend memory\n  api {api}\n  health_interval 200ms\n }}\n}}\n",
        dns.port()
    );
    let daemon = Daemon::with_corefile(folder.path(), &text, dns, api);
    let service = daemon.checked_service();
    // Addresses of their own: what other tests listen on must not take the place of one that is gone.
    let [first, second] =
        [78, 2].map(|host| TcpListener::bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap());
    daemon.register_at(&service, 78, first.local_addr().unwrap());
    let recovering = second.local_addr().unwrap();
    daemon.register_at(&service, 2, recovering);
    assert_eq!(ask(dns, NAME, Type::A), Some((Rcode::NOERROR, vec![2, 78])));
    drop(first);
    wait_until("the first is out", || ask(dns, NAME, Type::A) == Some((Rcode::NOERROR, vec![2])));
    drop(second);
    wait_until("both failed", || daemon.healths(&service).values().all(|status| status == "UNHEALTHY"));
    wait_until("nobody fit: all are answered", || {
        ask(dns, NAME, Type::A) == Some((Rcode::NOERROR, vec![2, 78]))
    });
    let mut again = None;
    wait_until("its port is free", || {
        again = TcpListener::bind(recovering).ok();
        again.is_some()
    });
    wait_until("the second is back", || ask(dns, NAME, Type::A) == Some((Rcode::NOERROR, vec![2])));
}

#[test]
fn the_demonstration_ends_well() {
    let (code, out, err) = run(&mut cartonym(&["demo"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("192.0.2.4 192.0.2.5 192.0.2.6"), "{out}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("new/data");
    let mut command = cartonym(&["serve", "--api", "127.0.0.1:0", "--dns", &address, "--data"]);
    let (code, _, err) = run(command.arg(&data));
    assert_eq!(code, Some(1));
    assert!(err.contains(&address), "{err}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = cartonym(&["serve", "--dns", "127.0.0.1:0", "--api", &address, "--data"]);
    let (code, _, err) = run(command.arg(&data));
    assert_eq!(code, Some(1));
    assert!(err.contains(&address) && err.contains("Cloud Map API"), "{err}");
    #[cfg(target_os = "linux")]
    assert!(err.contains(&std::process::id().to_string()), "by whom: {err}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a start that failed has left something behind"
    );
}

#[test]
fn a_start_that_waits_for_its_store_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    // It is connected to, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dns = free_address();
    let corefile = format!(
        ".:{} {{\nbind {}\nregistry {{\nbackend etcd http://{}\n}}\n}}\n",
        dns.port(),
        dns.ip(),
        silent.local_addr().unwrap()
    );
    fs::write(folder.path().join("Corefile"), corefile).unwrap();
    let mut process = common::Process(cartonym(&["-quiet"]).current_dir(folder.path()).spawn().unwrap());
    // Addresses are bound first, and signals listened to before.
    wait_until("the address is bound", || std::net::TcpStream::connect(dns).is_ok());
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn an_option_that_a_corefile_leaves_no_say_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Corefile"), "whoami\n").unwrap();
    let (code, _, err) = run(cartonym(&["serve", "--data", "elsewhere"]).current_dir(folder.path()));
    assert_eq!(code, Some(1));
    assert!(err.contains("--data") && err.contains("./Corefile"), "{err}");
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn a_folder_in_use_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path());
    let mut command = cartonym(&["serve", "--dns", "127.0.0.1:0", "--api", "127.0.0.1:0", "--data"]);
    let (code, _, err) = run(command.arg(folder.path()));
    assert_eq!(code, Some(1));
    assert!(err.contains(&folder.path().display().to_string()), "{err}");
    daemon.service();
    assert_eq!(ask(daemon.dns, NAME, Type::A), Some((Rcode::NXDOMAIN, vec![])));
}

#[test]
fn a_mistake_in_a_corefile_has_a_place_and_help() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    let table = [
        (".:0 {\n    regsitry\n}\n", ":2:5: ", "registry"),
        (".:0 {\n    registry {\n        backend embeded\n    }\n}\n", ":3:17: ", "embedded"),
        (".:0 {\n    registry {\n        api nowhere\n    }\n}\n", ":3:13: ", "address and port"),
        (".:0 {\n    registry {\n        health_interval 10ms\n    }\n}\n", ":3:25: ", "200ms"),
        (".:0 {\n    registry {\n        health_intervall 1s\n    }\n}\n", ":3:9: ", "health_interval"),
        (".:0 {\n    bind localhost\n}\n", ":2:10: ", "IP address"),
        (".:0 {\n    whoami\n", ":1:5: ", "never closed"),
        (".:0 .:0 {\n    whoami\n}\n", ":1:5: ", "already"),
        ("tls://.:0 {\n    whoami\n}\n", ":1:1: ", "tls"),
    ];
    for (text, place, word) in table {
        fs::write(&file, text).unwrap();
        for command in [&["check"][..], &["-conf"][..]] {
            let (code, _, err) = run(cartonym(command).arg(&file));
            assert_eq!(code, Some(1), "{text}");
            assert!(err.contains(place) && err.contains(word), "{text}\n{err}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a wrong Corefile makes no store");
}

#[test]
fn check_says_what_would_be_served_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    let data = folder.path().join("data");
    let text = format!(
        "shop.example:5301 {{\n bind 127.0.0.1\n errors\n registry {{\n  backend embedded {}\n  api 127.0.0.1:8054\n }}\n}}\n",
        data.display()
    );
    fs::write(&file, text).unwrap();
    let (code, out, err) = run(cartonym(&["check"]).arg(&file));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("dns://shop.example. on 127.0.0.1:5301\n    errors, registry\n"), "{out}");
    // As the start says it.
    assert!(out.contains(&format!("http://127.0.0.1:8054 over {}\n", data.display())), "{out}");
    assert!(!data.exists());
}

#[test]
fn an_empty_corefile_is_the_root_s_with_whoami() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    fs::write(&file, "# nothing\n").unwrap();
    let (code, out, err) = run(cartonym(&["check"]).arg(&file));
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(out, "dns://. on 0.0.0.0:53\n    log, whoami\ndns://. on [::]:53\n    log, whoami\n");
}

#[test]
fn check_says_a_registry_of_two_blocks_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    let block = |zone: &str| format!("{zone}:5301 {{\n registry {{\n  backend memory\n }}\n}}\n");
    fs::write(&file, block("a.example") + &block("b.example")).unwrap();
    let (_, out, err) = run(cartonym(&["check"]).arg(&file));
    assert_eq!(out.matches("registry over memory\n").count(), 1, "{out}{err}");
}

#[test]
fn what_is_wrong_on_the_command_line_has_no_place_in_a_corefile() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file\""), "").unwrap();
    let mut command =
        cartonym(&["serve", "--dns", "127.0.0.1:0", "--api", "127.0.0.1:0", "--data", "file\""]);
    let (code, _, err) = run(command.current_dir(folder.path()));
    assert_eq!(code, Some(1));
    assert!(err.starts_with("cartonym: file\" is no folder"), "{err}");
}

#[test]
fn a_corefile_that_is_not_there_is_named() {
    let (code, _, err) = run(&mut cartonym(&["-conf", "no/such/Corefile"]));
    assert_eq!(code, Some(1));
    assert!(err.starts_with("cartonym: the Corefile no/such/Corefile cannot be read: "), "{err}");
}

#[test]
fn check_reads_the_corefile_that_is_named_before_it_or_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["Corefile", "one"] {
        fs::write(folder.path().join(name), format!("{name}.example:5301 {{\n whoami\n}}\n")).unwrap();
    }
    let check = |args: &[&str]| run(cartonym(args).current_dir(folder.path()));
    for (args, zone) in [
        (&["check"][..], "corefile.example."),
        (&["-conf", "one", "check"], "one.example."),
        (&["check", "one"], "one.example."),
        (&["-conf", "one", "check", "one"], "one.example."),
    ] {
        let (code, out, err) = check(args);
        assert_eq!((code, &*err), (Some(0), ""), "{args:?}");
        assert!(out.contains(zone), "{args:?}: {out}");
    }
    let (code, _, err) = check(&["-conf", "one", "check", "Corefile"]);
    assert_eq!(
        (code, &*err),
        (Some(1), "cartonym: `-conf` names one and `check` names Corefile; name one\n")
    );
}

#[test]
fn what_stands_before_a_command_is_not_ignored() {
    for args in [&["-conf", "x", "serve"][..], &["-conf", "x", "demo"], &["--data", "x", "check"]] {
        let (code, out, err) = run(&mut cartonym(args));
        assert_eq!((code, &*out), (Some(1), ""), "{args:?}");
        assert!(err.contains("before the command"), "{args:?}: {err}");
    }
}

#[test]
fn a_file_where_the_registry_s_folder_should_be_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let args = ["serve", "--dns", "127.0.0.1:0", "--api", "127.0.0.1:0", "--data", "file"];
    let (code, _, err) = run(cartonym(&args).current_dir(folder.path()));
    assert_eq!(
        (code, &*err),
        (Some(1), "cartonym: file is no folder; a registry is kept in a folder of its own\n")
    );
}

#[test]
fn a_folder_is_taken_as_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let name = "a {$HOME} \"{%HOME%}\" \\";
    let mut command =
        cartonym(&["serve", "--quiet", "--dns", "127.0.0.1:0", "--api", "127.0.0.1:0", "--data", name]);
    let _daemon = common::Process(command.current_dir(folder.path()).spawn().unwrap());
    wait_until("the store is there", || folder.path().join(name).join("registry.redb").exists());
}

#[test]
fn without_a_corefile_the_default_port_is_that_of_dns() {
    let folder = tempfile::tempdir().unwrap();
    let dns = free_address();
    let mut command = cartonym(&["--quiet", "--api", "127.0.0.1:0", "--data", "data", "-dns.port"]);
    let _daemon =
        common::Process(command.arg(dns.port().to_string()).current_dir(folder.path()).spawn().unwrap());
    wait_until("the daemon answers", || ask(dns, ".", Type::SOA).is_some());
    let (code, _, err) = run(&mut cartonym(&["-dns.port", "53", "--dns", "127.0.0.1:0"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("--dns-port") && err.contains("--dns "), "{err}");
}

#[test]
fn the_demonstration_is_not_interrupted_by_the_log() {
    let demo = |log: Option<&str>| {
        let mut command = cartonym(&["demo"]);
        command.env_remove("CARTONYM_LOG").envs(log.map(|log| ("CARTONYM_LOG", log)));
        run(&mut command).2
    };
    assert_eq!(demo(None), "");
    assert!(demo(Some("info")).contains("INFO"));
}

#[test]
fn a_master_file_is_served_beside_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("db.example.org"),
        "$TTL 60\n@ SOA ns hostmaster 1 60 10 3600 5\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.80\n",
    )
    .unwrap();
    let address = common::free_address();
    let file = folder.path().join("Corefile");
    let text = format!(
        "example.org:{0} {{\n root {1}\n bind 127.0.0.1\n file db.example.org\n}}\n.:{0} {{\n bind 127.0.0.1\n registry {{\n  backend memory\n }}\n}}\n",
        address.port(),
        folder.path().display()
    );
    fs::write(&file, text).unwrap();
    let mut command = cartonym(&["-quiet", "-conf"]);
    let _daemon = common::Process(command.arg(&file).spawn().unwrap());
    common::wait_until("the daemon answers", || ask(address, ".", Type::SOA).is_some());
    assert_eq!(ask(address, "www.example.org.", Type::A), Some((Rcode::NOERROR, vec![80])));
    assert_eq!(ask(address, "nx.example.org.", Type::A), Some((Rcode::NXDOMAIN, vec![])));
    assert_eq!(ask(address, "www.example.net.", Type::A), Some((Rcode::REFUSED, vec![])));
}

#[test]
fn a_zone_s_file_is_read_once_at_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("zone");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // What is written into a pipe is read by one: who opens it again waits for another writer, for ever.
    let (write, written) = (pipe.clone(), "@ 60 SOA ns.example. h.example. 1 2 3 4 5\n@ 60 A 192.0.2.1\n");
    let writer = std::thread::spawn(move || fs::write(write, written).unwrap());
    let dns = free_address();
    let corefile = format!(
        "example.:{} {{\nbind {}\nfile {} {{\nreload 0\n}}\n}}\n",
        dns.port(),
        dns.ip(),
        pipe.display()
    );
    let _daemon = Daemon::with_corefile(folder.path(), &corefile, dns, dns);
    writer.join().unwrap();
    assert_eq!(ask(dns, "example.", Type::A), Some((Rcode::NOERROR, vec![1])));
}

#[test]
fn of_several_blocks_the_last_says_how_long_datagrams_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let text = "x".repeat(200);
    let zone = format!("@ 60 SOA ns.example. h.example. 1 2 3 4 5\n@ 60 TXT {text} {text} {text} {text}\n");
    fs::write(folder.path().join("zone"), zone).unwrap();
    let dns = free_address();
    let block = |zone: &str, size: u16| {
        format!(
            "{zone}:{} {{\nbind {}\nbufsize {size}\nfile {} {zone}\n}}\n",
            dns.port(),
            dns.ip(),
            folder.path().join("zone").display()
        )
    };
    let corefile = block("a.example.", 512) + &block("b.example.", 1232);
    let _daemon = Daemon::with_corefile(folder.path(), &corefile, dns, dns);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let query = b"\0\x07\0\0\0\x01\0\0\0\0\0\x01\x01a\x07example\0\0\x10\0\x01\0\0\x29\x10\0\0\0\0\0\0\0";
    socket.send_to(query, dns).unwrap();
    let mut room = [0; 4096];
    let len = socket.recv(&mut room).unwrap();
    assert!(len > 800 && room[2] & 2 == 0, "{len} octets, truncated or not");
}
