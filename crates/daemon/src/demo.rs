//! The whole story in one process: a namespace, a service, instances that come and go, and DNS that follows.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use cartonym::corefile::{Corefile, Filesystem};
use cartonym::plugins::Plugins;
use cartonym::wire::{Message, NameBuf, Type};
use serde_json::{Value, json};

use crate::Result;
use crate::cli::environment;
use crate::configuration::Defaults;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::serve::{Least, log_to_stderr};

/// Tells the story; with `keep`, goes on serving until Ctrl-C.
pub(crate) fn run(plugins: &Plugins, keep: bool) -> Result<()> {
    log_to_stderr(Least::Warning);
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Start(error.to_string()))?;
    runtime.block_on(async {
        let corefile = Corefile::parse("the demonstration", COREFILE, &Filesystem)?;
        let defaults = Defaults { port: 0 };
        let daemon = Daemon::start(&corefile, plugins, &defaults).await?;
        let (dns, api) = match (daemon.dns_addresses().first(), daemon.api_addresses().first()) {
            (Some(dns), Some(api)) => (*dns, *api),
            _ => return Err(Failure::Demo("nothing listens".to_owned())),
        };
        let told = tokio::task::spawn_blocking(move || Story::new(dns, api)?.tell()).await;
        told.map_err(|error| Failure::Demo(error.to_string()))??;
        if keep {
            let mut out = std::io::stdout();
            writeln!(out, "\nStill serving; Ctrl-C ends it.\n\n{}", environment(&format!("http://{api}")))?;
            writeln!(out, "dig @{} -p {} web.shop.example A", dns.ip(), dns.port())?;
            tokio::signal::ctrl_c().await?;
        }
        daemon.stop().await;
        Ok(())
    })
}

/// A client of both sides, and where the story has got to.
struct Story {
    api: SocketAddr,
    dns: UdpSocket,
    latencies: Vec<Duration>,
}

impl Story {
    fn new(dns: SocketAddr, api: SocketAddr) -> Result<Story> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(dns)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(Story { api, dns: socket, latencies: Vec::new() })
    }

    fn tell(mut self) -> Result<()> {
        say("A namespace, through the AWS Cloud Map API:")?;
        let operation = self.call("CreatePublicDnsNamespace", &json!({ "Name": "shop.example" }))?;
        let operation = self.call("GetOperation", &json!({ "OperationId": operation["OperationId"] }))?;
        let namespace = &operation["Operation"]["Targets"]["NAMESPACE"];
        say(&format!("  shop.example is {namespace}"))?;
        let service = self.call(
            "CreateService",
            &json!({
                "Name": "web",
                "NamespaceId": namespace,
                "DnsConfig": { "DnsRecords": [{ "Type": "A", "TTL": 5 }, { "Type": "SRV", "TTL": 5 }] },
                "HealthCheckCustomConfig": {},
            }),
        )?;
        let service = service["Service"]["Id"].clone();
        say(&format!("  web.shop.example is {service}, with A and SRV records"))?;
        self.show(&[])?;
        say("\nThree instances register; DNS answers each before its call returns:")?;
        for host in 1..=3u8 {
            self.register(&service, host)?;
            self.show(&(1..=host).collect::<Vec<_>>())?;
        }
        say("\nOne is unwell, and gets better:")?;
        self.health(&service, 2, "UNHEALTHY")?;
        self.show(&[1, 3])?;
        self.health(&service, 2, "HEALTHY")?;
        self.show(&[1, 2, 3])?;
        say("\nA deploy: new ones come before old ones go.")?;
        for host in 4..=6u8 {
            self.register(&service, host)?;
            self.deregister(&service, host - 3)?;
        }
        self.show(&[4, 5, 6])?;
        self.report()
    }

    fn register(&mut self, service: &Value, host: u8) -> Result<()> {
        let address = format!("192.0.2.{host}");
        let attributes = json!({ "AWS_INSTANCE_IPV4": address, "AWS_INSTANCE_PORT": "8080" });
        let request =
            json!({ "ServiceId": service, "InstanceId": format!("web-{host}"), "Attributes": attributes });
        self.call("RegisterInstance", &request)?;
        self.time(|answers| answers.contains(&host))
    }

    fn deregister(&mut self, service: &Value, host: u8) -> Result<()> {
        self.call(
            "DeregisterInstance",
            &json!({ "ServiceId": service, "InstanceId": format!("web-{host}") }),
        )?;
        self.time(|answers| !answers.contains(&host))
    }

    fn health(&mut self, service: &Value, host: u8, status: &str) -> Result<()> {
        let request = json!({ "ServiceId": service, "InstanceId": format!("web-{host}"), "Status": status });
        self.call("UpdateInstanceCustomHealthStatus", &request)?;
        self.time(|answers| answers.contains(&host) == (status == "HEALTHY"))
    }

    /// How long after the reply of the API DNS answers accordingly.
    fn time(&mut self, right: impl Fn(&[u8]) -> bool) -> Result<()> {
        let start = Instant::now();
        for _ in 0..1000 {
            if right(&self.ask()?) {
                self.latencies.push(start.elapsed());
                return Ok(());
            }
        }
        Err(Failure::Demo("DNS does not follow the registry".to_owned()))
    }

    /// Prints what DNS answers, which must be `hosts`.
    fn show(&self, hosts: &[u8]) -> Result<()> {
        let mut answers = self.ask()?;
        answers.sort_unstable();
        let text: Vec<_> = answers.iter().map(|host| format!("192.0.2.{host}")).collect();
        say(&format!(
            "  web.shop.example A  {}",
            if text.is_empty() { "no such name".to_owned() } else { text.join(" ") }
        ))?;
        if answers != hosts {
            return Err(Failure::Demo(format!("DNS answers {answers:?}, not {hosts:?}")));
        }
        Ok(())
    }

    fn report(mut self) -> Result<()> {
        self.latencies.sort_unstable();
        let at = |share: usize| {
            self.latencies.get(self.latencies.len() * share / 100).copied().unwrap_or_default()
        };
        let count = self.latencies.len();
        say(&format!(
            "\n{count} changes; from the reply of the API to the right answer of DNS, the query's own time included: \
             median {:?}, most {:?}",
            at(50),
            self.latencies.last().copied().unwrap_or_default(),
        ))
    }

    /// The last octets of the service's addresses.
    fn ask(&self) -> Result<Vec<u8>> {
        let name: NameBuf = "web.shop.example".parse().map_err(|error| Failure::Demo(format!("{error}")))?;
        let mut query = vec![0x2a, 0x2a, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend_from_slice(name.as_wire());
        query.extend_from_slice(&[0, 1, 0, 1]);
        self.dns.send(&query)?;
        let mut buffer = [0; 4096];
        let len = self.dns.recv(&mut buffer)?;
        let broken = |error| Failure::Demo(format!("a broken answer: {error}"));
        let message = Message::new(buffer.get(..len).unwrap_or_default()).map_err(broken)?;
        let records: std::result::Result<Vec<_>, _> = message.records().collect();
        let records = records.map_err(broken)?;
        let addresses = records.iter().filter(|record| record.section == 0 && record.rtype == Type::A);
        Ok(addresses.filter_map(|record| record.rdata.last().copied()).collect())
    }

    /// One call, as the AWS CLI makes it.
    fn call(&self, operation: &str, request: &Value) -> Result<Value> {
        let body = request.to_string();
        let mut stream = TcpStream::connect(self.api)?;
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.1\r\n\
             x-amz-target: Route53AutoNaming_v20170314.{operation}\r\ncontent-length: {}\r\n\r\n{body}",
            self.api,
            body.len(),
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or_default();
        if !head.starts_with("HTTP/1.1 200") {
            return Err(Failure::Demo(format!("{operation}: {body}")));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(body).map_err(|error| Failure::Demo(error.to_string()))
    }
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

const COREFILE: &str = "\
.:0 {
    bind 127.0.0.1
    registry {
        backend memory
        api 127.0.0.1:0
    }
}
";
