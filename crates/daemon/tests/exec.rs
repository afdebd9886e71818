//! `cartonym exec` beside a daemon: a real command that is in DNS for as long as it runs.

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cartonym::wire::Type;
use common::{Daemon, Process, ask, cartonym, run, wait_until};

/// A daemon with the service `web.shop.example`, whose records have a TTL of one second.
fn daemon() -> (tempfile::TempDir, Daemon, serde_json::Value) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path());
    let service = daemon.service();
    (folder, daemon, service)
}

fn exec(daemon: &Daemon, options: &[&str], command: &[&str]) -> Command {
    exec_at(daemon.api, options, command)
}

fn exec_at(api: SocketAddr, options: &[&str], command: &[&str]) -> Command {
    let mut exec = cartonym(&["exec", "--service", "web.shop.example", "--port", "8080", "--id", "web-1"]);
    exec.arg("--endpoint").arg(format!("http://{api}")).args(options).arg("--").args(command);
    exec
}

fn spawn(mut command: Command) -> Process {
    Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// What becomes of a registration that the API has made.
#[derive(Clone, Copy)]
enum Does {
    Pass,
    /// Its answer is not passed on, until the client goes.
    Hang,
    /// Nor is it waited for.
    Close,
}

/// The daemon's API, where the answers to registrations get lost.
struct Proxy {
    address: SocketAddr,
    registrations: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `does` says what becomes of each registration, from 0 on.
    fn start(daemon: &Daemon, does: fn(usize) -> Does) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, api) = (listener.local_addr().unwrap(), daemon.api);
        let registrations = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&registrations);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || pass(client.unwrap(), api, &seen, does));
            }
        });
        Proxy { address, registrations }
    }

    fn exec(&self, options: &[&str], command: &[&str]) -> Command {
        exec_at(self.address, options, command)
    }

    /// The bodies of the registrations so far.
    fn registrations(&self) -> Vec<String> {
        self.registrations.lock().unwrap().clone()
    }
}

/// Passes one request and its answer on.
fn pass(mut client: TcpStream, api: SocketAddr, seen: &Mutex<Vec<String>>, does: fn(usize) -> Does) {
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut octets = [0; 4096];
        let len = client.read(&mut octets).unwrap();
        request.extend_from_slice(&octets[..len]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
        if length.is_none_or(|length| body.len() >= length.parse().unwrap()) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let mut does_now = Does::Pass;
    if head.contains(".RegisterInstance") {
        let mut seen = seen.lock().unwrap();
        does_now = does(seen.len());
        seen.push(body);
    }
    let mut server = TcpStream::connect(api).unwrap();
    server.write_all(&request).unwrap();
    let mut answer = [0; 65536];
    let len = server.read(&mut answer).unwrap();
    match does_now {
        Does::Pass => {
            client.write_all(&answer[..len]).unwrap();
            std::io::copy(&mut server, &mut client).ok();
        }
        Does::Hang => _ = client.read(&mut [0; 1]),
        Does::Close => {}
    }
}

/// The last octets of the addresses that DNS answers.
fn answered(daemon: &Daemon) -> Vec<u8> {
    ask(daemon.dns, "web.shop.example", Type::A).map(|(_, octets)| octets).unwrap_or_default()
}

#[test]
fn a_command_is_in_dns_while_it_runs_and_drains_at_its_end() {
    let (_folder, daemon, service) = daemon();
    let status = |instance: &str| daemon.healths(&service).get(instance).cloned();
    let options = ["--address", "192.0.2.7", "--drain", "5s"];
    let mut process = spawn(exec(&daemon, &options, &["sleep", "60"]));
    wait_until("it is in DNS", || answered(&daemon) == [7]);
    process.signal("TERM");
    assert_eq!(process.wait(), Some(128 + 15));
    assert!(answered(&daemon).is_empty());
    // For as long as was said: the TTL, a second, may be over before anybody has looked.
    assert_eq!(status("web-1"), Some("UNHEALTHY".into()));
    wait_until("it is removed", || status("web-1").is_none());
}

#[test]
fn it_is_out_of_dns_before_the_command_is_told_to_end() {
    let (folder, daemon, _) = daemon();
    let told = folder.path().join("told");
    let script = format!("trap 'touch {}; exit 7' TERM; while :; do sleep 0.05; done", told.display());
    let options = ["--address", "192.0.2.7", "--linger", "5s"];
    let mut process = spawn(exec(&daemon, &options, &["sh", "-c", &script]));
    wait_until("it is in DNS", || answered(&daemon) == [7]);
    process.signal("TERM");
    wait_until("it is out of DNS", || answered(&daemon).is_empty());
    assert!(!told.exists());
    assert_eq!(process.wait(), Some(7));
    assert!(told.exists());
}

#[test]
fn its_status_is_the_commands_or_what_shells_say_of_one_that_is_not_there() {
    let (_folder, daemon, service) = daemon();
    let status = |command: &[&str]| run(&mut exec(&daemon, &[], command));
    assert_eq!(status(&["sh", "-c", "exit 42"]).0, Some(42));
    assert_eq!(status(&["sh", "-c", "kill -KILL $$"]).0, Some(128 + 9));
    let (code, _, said) = status(&["/there/is/no-such-thing"]);
    assert_eq!(code, Some(127));
    assert!(said.contains("/there/is/no-such-thing: No such file"), "{said}");
    assert_eq!(status(&["/"]).0, Some(126));
    wait_until("none is left", || daemon.healths(&service).is_empty());
}

#[test]
fn signals_are_passed_on() {
    let (folder, daemon, _) = daemon();
    let out = folder.path().join("out");
    let script = format!(
        "trap 'echo hup >>{0}' HUP; trap 'exit 0' USR1; echo up >>{0}; while :; do sleep 0.05; done",
        out.display()
    );
    let mut process = spawn(exec(&daemon, &["--address", "192.0.2.7"], &["sh", "-c", &script]));
    let said = || std::fs::read_to_string(&out).unwrap_or_default();
    wait_until("it is up", || said() == "up\n");
    process.signal("HUP");
    wait_until("it has it", || said() == "up\nhup\n");
    assert_eq!(answered(&daemon), [7], "a HUP does not ask for the end");
    process.signal("USR1");
    assert_eq!(process.wait(), Some(0));
}

/// Needs script(1) for the terminal.
#[test]
fn an_interrupt_comes_once_whether_a_terminal_sends_it_or_another_process() {
    let (folder, daemon, _) = daemon();
    let (out, file) = (folder.path().join("out"), folder.path().join("script"));
    let script = format!(
        "trap 'echo int >>{0}' INT; trap 'exit 0' USR1; echo $PPID >>{0}; while :; do sleep 0.05; done",
        out.display()
    );
    std::fs::write(&file, script).unwrap();
    let inner = exec(&daemon, &["--address", "192.0.2.7"], &["sh", file.to_str().unwrap()]);
    let words = [inner.get_program()].into_iter().chain(inner.get_args());
    // Not every shell steps aside for its last command, and one that stays is ended by the terminal's interrupt.
    let line =
        ["exec"].into_iter().chain(words.map(|word| word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut terminal = Process(terminal.spawn().unwrap());
    let said = || std::fs::read_to_string(&out).unwrap_or_default();
    wait_until("it is up", || said().ends_with('\n'));

    let pid = said().trim().to_owned();
    let kill =
        |signal: &str| assert!(Command::new("kill").args([signal, pid.as_str()]).status().unwrap().success());
    kill("-INT");
    wait_until("that of another process comes", || said() == format!("{pid}\nint\n"));
    // As when somebody presses Ctrl-C.
    terminal.0.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    wait_until("that of the terminal comes", || said() == format!("{pid}\nint\nint\n"));
    kill("-USR1");
    assert_eq!(terminal.wait(), Some(0));
    assert_eq!(said(), format!("{pid}\nint\nint\n"));
}

#[test]
fn heartbeats_keep_it_and_a_process_that_is_gone_without_a_word_lapses() {
    let (_folder, daemon, service) = daemon();
    daemon.register(&service, 9);
    let options = ["--address", "192.0.2.7", "--ttl", "4s"];
    let mut process = spawn(exec(&daemon, &options, &["sleep", "30"]));
    wait_until("it is in DNS", || answered(&daemon) == [7, 9]);
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        assert_eq!(answered(&daemon), [7, 9]);
        std::thread::sleep(Duration::from_millis(50));
    }
    process.signal("KILL");
    process.wait();
    wait_until("it lapses", || answered(&daemon) == [9]);
}

#[test]
fn a_heartbeat_that_has_no_answer_leaves_time_for_another() {
    let (_folder, daemon, service) = daemon();
    daemon.register(&service, 9);
    let proxy = Proxy::start(&daemon, |n| if n == 1 { Does::Hang } else { Does::Pass });
    let mut process = spawn(proxy.exec(&["--address", "192.0.2.7", "--ttl", "6s"], &["sleep", "60"]));
    wait_until("it is in DNS", || answered(&daemon) == [7, 9]);
    while proxy.registrations().len() < 6 {
        assert_eq!(answered(&daemon), [7, 9]);
        std::thread::sleep(Duration::from_millis(50));
    }
    process.signal("TERM");
    process.wait();
}

#[test]
fn a_signal_before_the_registration_is_answered_leaves_nothing_behind() {
    let (_folder, daemon, service) = daemon();
    let proxy = Proxy::start(&daemon, |_| Does::Hang);
    let mut process = spawn(proxy.exec(&["--address", "192.0.2.7"], &["sleep", "60"]));
    wait_until("it is registered", || answered(&daemon) == [7]);
    process.signal("TERM");
    assert_eq!(process.wait(), Some(128 + 15));
    wait_until("it is gone", || daemon.healths(&service).is_empty());
}

#[test]
fn to_give_up_leaves_nothing_behind_and_each_try_is_the_same_request() {
    let (_folder, daemon, service) = daemon();
    let proxy = Proxy::start(&daemon, |_| Does::Close);
    let (code, _, said) =
        run(&mut proxy.exec(&["--address", "192.0.2.7", "--retry", "5s"], &["sleep", "60"]));
    assert_eq!(code, Some(125), "{said}");
    let tries = proxy.registrations();
    assert!(tries.len() > 1 && tries.iter().all(|one| *one == tries[0]), "{tries:?}");
    wait_until("it is gone", || daemon.healths(&service).is_empty());
}

#[test]
fn what_is_refused_takes_nothing_away() {
    let (_folder, daemon, service) = daemon();
    daemon.register(&service, 1);
    let (code, _, said) = run(&mut exec(&daemon, &["--attribute", "AWS_INSTANCE_PORT=x"], &["true"]));
    assert_eq!(code, Some(125), "{said}");
    assert_eq!(answered(&daemon), [1]);
}

#[test]
fn a_host_that_the_api_is_on_is_not_registered_as_what_every_host_calls_itself() {
    let (_folder, daemon, service) = daemon();
    let mut exec = exec(&daemon, &[], &["sleep", "60"]);
    let mut process = Process(exec.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    wait_until("it is registered, or not started", || {
        !daemon.healths(&service).is_empty() || process.0.try_wait().unwrap().is_some()
    });
    if process.0.try_wait().unwrap().is_some() {
        // No way leads out of this host.
        let mut said = String::new();
        process.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("--address"), "{said}");
        return;
    }
    let asked = serde_json::json!({ "ServiceId": service, "InstanceId": "web-1" });
    let instance = daemon.client().call("GetInstance", asked);
    let attributes = &instance["Instance"]["Attributes"];
    let address = ["AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6"].map(|key| attributes[key].as_str());
    let address: IpAddr = address.into_iter().flatten().next().unwrap().parse().unwrap();
    assert!(!address.is_loopback(), "{address}");
}

#[test]
fn a_service_may_be_called_as_an_id_begins() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path());
    let client = daemon.client();
    let request = serde_json::json!({ "Name": "srv-shop.example" });
    let operation = client.call("CreatePublicDnsNamespace", request);
    let operation = client.call("GetOperation", operation);
    let records = serde_json::json!([{ "Type": "A", "TTL": 1 }]);
    client.call(
        "CreateService",
        serde_json::json!({
            "Name": "srv-web",
            "NamespaceId": operation["Operation"]["Targets"]["NAMESPACE"],
            "DnsConfig": { "DnsRecords": records },
        }),
    );
    let mut exec = cartonym(&["exec", "--service", "srv-web.srv-shop.example", "--address", "192.0.2.7"]);
    exec.arg("--endpoint").arg(daemon.api.to_string()).args(["--", "true"]);
    assert_eq!(run(&mut exec).0, Some(0));
}

#[test]
fn an_api_that_is_away_is_tried_for_as_long_as_is_said() {
    // A port that no test is ever given.
    let nobody = "127.0.0.99:1";
    let mut exec = cartonym(&["exec", "--service", "web.shop.example", "--retry", "600ms", "--endpoint"]);
    let begin = Instant::now();
    let (code, _, said) = run(exec.arg(nobody).args(["--", "true"]));
    assert_eq!(code, Some(125));
    assert!(begin.elapsed() >= Duration::from_millis(500));
    assert!(said.contains(&format!("the API at {nobody} does not answer")), "{said}");
}

#[test]
fn a_service_that_is_not_there_is_no_reason_to_wait() {
    let (_folder, daemon, _) = daemon();
    let mut exec = cartonym(&["exec", "--service", "web", "--namespace", "other.example", "--endpoint"]);
    let (code, _, said) = run(exec.arg(daemon.api.to_string()).args(["--", "true"]));
    assert_eq!(code, Some(125));
    assert!(said.contains("there is no service web.other.example"), "{said}");
}

/// Needs unshare(1) and leave to use it; passed over without, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.
#[test]
fn as_the_first_process_it_reaps_what_others_leave_behind() {
    let apart = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
    let may = Command::new("unshare").args(apart).arg("true").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CARTONYM_REQUIRE_PEERS").is_none(), "unshare is not there, or not allowed");
        return;
    }
    let (_folder, daemon, _) = daemon();
    // An orphan that ends while its new parent, the first process, has something else to do.
    let script = "test $PPID = 1 || exit 3; sh -c 'sleep 0.2 &'; sleep 0.6
        for second in 1 2 3 4 5 6 7 8 9 10; do grep -q 'State:.*Z' /proc/[0-9]*/status || exit 0; sleep 1; done
        exit 1";
    let mut command = Command::new("unshare");
    let inner = exec(&daemon, &[], &["sh", "-c", script]);
    command.args(apart).arg(inner.get_program()).args(inner.get_args());
    assert_eq!(run(&mut command).0, Some(0));
}
