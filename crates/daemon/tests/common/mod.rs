//! The program as a process, and the simplest clients of its two sides.

#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cartonym::cloudmap::Credentials;
use cartonym::registry::Timestamp;
use cartonym::wire::{Message, NameBuf, Rcode, Type};
pub(crate) use cartonym_testing::free_address;
use hyper::Request;
use serde_json::{Map, Value, json};

/// A program that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(format!("-{signal}")).arg(pid).status().unwrap().success());
    }

    /// Waits for the end: the exit code, none after a signal.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the daemon does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The daemon, serving a folder on ports of its own.
pub(crate) struct Daemon {
    process: Process,
    pub(crate) dns: SocketAddr,
    pub(crate) api: SocketAddr,
}

impl Daemon {
    /// Starts it, and waits until it answers.
    pub(crate) fn start(data: &Path) -> Daemon {
        let (dns, api) = (free_address(), free_address());
        let mut command = cartonym(&["serve", "--quiet"]);
        command.arg("--data").arg(data).arg("--dns").arg(dns.to_string()).arg("--api").arg(api.to_string());
        let process = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        wait_until("the daemon answers", || ask(dns, ".", Type::SOA).is_some());
        Daemon { process, dns, api }
    }

    /// Starts it with a Corefile, in a folder, that says where it listens.
    pub(crate) fn with_corefile(folder: &Path, text: &str, dns: SocketAddr, api: SocketAddr) -> Daemon {
        let file = folder.join("Corefile");
        std::fs::write(&file, text).unwrap();
        let mut command = cartonym(&["-quiet", "-conf"]);
        let process =
            Process(command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        wait_until("the daemon answers", || ask(dns, ".", Type::SOA).is_some());
        Daemon { process, dns, api }
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Waits for the end: the exit code, none after a signal.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.process.wait()
    }

    /// A namespace `shop.example` with a service `web`: the service's id.
    pub(crate) fn service(&self) -> Value {
        self.client().service()
    }

    pub(crate) fn checked_service(&self) -> Value {
        self.client().checked_service()
    }

    pub(crate) fn register(&self, service: &Value, host: u8) {
        self.client().register(service, host);
    }

    pub(crate) fn register_at(&self, service: &Value, host: u8, address: SocketAddr) {
        self.client().register_at(service, host, address);
    }

    pub(crate) fn healths(&self, service: &Value) -> Map<String, Value> {
        self.client().healths(service)
    }

    pub(crate) fn client(&self) -> Client {
        Client { dns: self.dns, api: self.api }
    }
}

/// Where a daemon is.
pub(crate) struct Client {
    pub(crate) dns: SocketAddr,
    pub(crate) api: SocketAddr,
}

impl Client {
    /// One call of the API that succeeds.
    pub(crate) fn call(&self, operation: &str, request: Value) -> Value {
        let (status, body) = self.try_call(operation, request);
        assert_eq!(status, 200, "{operation}: {body}");
        body
    }

    /// One call of the API: its status and what is answered.
    pub(crate) fn try_call(&self, operation: &str, request: Value) -> (u16, Value) {
        let body = request.to_string();
        let request = Request::post("/")
            .header("host", "x")
            .header("connection", "close")
            .header("content-type", "application/x-amz-json-1.1")
            .header("content-length", body.len())
            .header("x-amz-target", format!("Route53AutoNaming_v20170314.{operation}"));
        // Who wants no signature does not look at it.
        let credentials =
            Credentials { id: "AKID".into(), secret: "hush".into(), region: "us-east-1".into() };
        let request = credentials.sign(request.body(body.into()).unwrap(), Timestamp::now()).unwrap();
        let mut text = "POST / HTTP/1.1\r\n".to_owned();
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        let mut stream = TcpStream::connect(self.api).unwrap();
        write!(stream, "{text}\r\n{}", String::from_utf8_lossy(request.body())).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
        (head[9..12].parse().unwrap(), body)
    }

    /// A namespace `shop.example` with a service `web`: the service's id.
    pub(crate) fn service(&self) -> Value {
        self.service_with(json!({}))
    }

    /// The same, its instances checked by TCP; one result decides.
    pub(crate) fn checked_service(&self) -> Value {
        self.service_with(json!({ "HealthCheckConfig": { "Type": "TCP", "FailureThreshold": 1 } }))
    }

    fn service_with(&self, more: Value) -> Value {
        let operation = self.call("CreatePublicDnsNamespace", json!({ "Name": "shop.example" }));
        let operation = self.call("GetOperation", json!({ "OperationId": operation["OperationId"] }));
        let records = json!([{ "Type": "A", "TTL": 1 }, { "Type": "SRV", "TTL": 1 }]);
        let mut request = more;
        request["Name"] = json!("web");
        request["NamespaceId"] = operation["Operation"]["Targets"]["NAMESPACE"].clone();
        request["DnsConfig"] = json!({ "DnsRecords": records });
        self.call("CreateService", request)["Service"]["Id"].clone()
    }

    pub(crate) fn deregister(&self, service: &Value, host: u8) {
        self.call("DeregisterInstance", json!({ "ServiceId": service, "InstanceId": format!("web-{host}") }));
    }

    pub(crate) fn register(&self, service: &Value, host: u8) {
        self.register_at(service, host, ([192, 0, 2, host], 80).into());
    }

    pub(crate) fn register_at(&self, service: &Value, host: u8, address: SocketAddr) {
        let attributes = json!({
            "AWS_INSTANCE_IPV4": address.ip().to_string(),
            "AWS_INSTANCE_PORT": address.port().to_string(),
        });
        let request =
            json!({ "ServiceId": service, "InstanceId": format!("web-{host}"), "Attributes": attributes });
        self.call("RegisterInstance", request);
    }

    /// The health of each instance of a service.
    pub(crate) fn healths(&self, service: &Value) -> Map<String, Value> {
        let health = self.call("GetInstancesHealthStatus", json!({ "ServiceId": service }));
        health["Status"].as_object().unwrap().clone()
    }
}

/// The program under test.
pub(crate) fn cartonym(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cartonym"));
    command.args(args).stdin(Stdio::null()).env("CARTONYM_LOG", "warn");
    // Who runs the tests may have keys.
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub(crate) fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A page: its status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Whether a program that others write is there; it must be where `CARTONYM_REQUIRE_PEERS` is set, as CI does.
pub(crate) fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&folders).any(|folder| folder.join(program).exists());
    assert!(is_there || std::env::var_os("CARTONYM_REQUIRE_PEERS").is_none(), "{program} is not installed");
    is_there
}

/// Tries until `done`, for a minute at most.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The rcode and the last octets of the answer's RDATA, sorted; none without an answer.
pub(crate) type Answer = Option<(Rcode, Vec<u8>)>;

/// Asks over UDP. Where nobody listens there is no answer at once; a busy machine has time to give one.
pub(crate) fn ask(server: SocketAddr, name: &str, qtype: Type) -> Answer {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query(name, qtype)).ok()?;
    let mut buffer = [0; 4096];
    let len = socket.recv(&mut buffer).ok()?;
    read(&buffer[..len])
}

/// Asks over TCP.
pub(crate) fn ask_tcp(server: SocketAddr, name: &str, qtype: Type) -> Answer {
    let mut stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let query = query(name, qtype);
    stream.write_all(&(query.len() as u16).to_be_bytes()).ok()?;
    stream.write_all(&query).ok()?;
    let mut len = [0; 2];
    stream.read_exact(&mut len).ok()?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message).ok()?;
    read(&message)
}

fn query(name: &str, qtype: Type) -> Vec<u8> {
    let name: NameBuf = name.parse().unwrap();
    let mut query = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(name.as_wire());
    query.extend_from_slice(&qtype.0.to_be_bytes());
    query.extend_from_slice(&[0, 1]);
    query
}

fn read(message: &[u8]) -> Answer {
    let message = Message::new(message).ok()?;
    let answers = message.records().map(Result::unwrap).filter(|record| record.section == 0);
    let mut octets: Vec<u8> = answers.filter_map(|record| record.rdata.last().copied()).collect();
    octets.sort_unstable();
    Some((message.header().flags.rcode(), octets))
}
