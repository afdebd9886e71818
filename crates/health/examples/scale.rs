//! Checks many instances and prints what that costs: `cargo run --release -p cartonym-health --example scale --
//! [http|tcp] [INSTANCES] [SECONDS] [BLACK HOLES]`, by default `http 10000 30 100`, once a second each.
//!
//! The targets are another process, so that all that is measured is the checks. Each instance has an address of its own
//! in 127.0.0.0/8. A black hole is a port whose
//! listener accepts nothing.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use cartonym_health::{Checker, Counts, Options};
use cartonym_registry::{
    Attributes, HealthCheck, HealthCheckConfig, HealthCheckType, MemoryBackend, NamespaceKind, NewNamespace,
    NewService, Registry, ServiceId, Tags, key,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Size {
    kind: HealthCheckType,
    instances: usize,
    black_holes: usize,
    time: Duration,
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let kind = match arguments.next().as_deref() {
        Some("targets") => return runtime()?.block_on(targets()),
        None | Some("http") => HealthCheckType::Http,
        Some("tcp") => HealthCheckType::Tcp,
        Some(other) => return Err(format!("{other} is neither http nor tcp").into()),
    };
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<usize>());
    let (instances, seconds) = (number(10_000)?, number(30)?);
    let size = Size { kind, instances, black_holes: number(100)?, time: Duration::from_secs(seconds as u64) };
    let mut child = Command::new(env::current_exe()?).arg("targets").stdout(Stdio::piped()).spawn()?;
    let mut ports = String::new();
    let said = child.stdout.take().ok_or("the targets say nothing")?;
    BufReader::new(said).read_line(&mut ports)?;
    let ports: Vec<u16> = ports.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [good, hole] = ports[..] else { return Err("the targets name no ports".into()) };
    // One thread: what it uses is what one core gives.
    let result = runtime()?.block_on(measure(&size, good, hole));
    child.kill()?;
    child.wait()?;
    result
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn measure(size: &Size, good: u16, hole: u16) -> Result<()> {
    let registry =
        Registry::open(std::sync::Arc::new(MemoryBackend::new()), cartonym_registry::Options::default())
            .await?;
    let service = service(&registry, size.kind).await?;
    let before = usage()?;
    for n in 0..size.instances {
        register(&registry, service, n, if n < size.black_holes { hole } else { good }).await?;
    }
    println!("{} instances registered; {:.1} MB", size.instances, usage()?.megabytes);
    let options = Options { interval: Duration::from_secs(1), ..Options::default() };
    let checker = Checker::start(registry.clone(), options);
    // Until every connection is made and every black hole is known.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (start, counts, began) = (usage()?, checker.counts(), Instant::now());
    tokio::time::sleep(size.time).await;
    let (end, after, passed) = (usage()?, checker.counts(), began.elapsed().as_secs_f64());
    print_rates(&counts, &after, passed);
    let percent = |of: fn(&Usage) -> f64| 100.0 * (of(&end) - of(&start)) / passed;
    let (own, kernel) = (percent(|usage| usage.own_seconds), percent(|usage| usage.kernel_seconds));
    println!("CPU: {:.1} % of one core, {kernel:.1} % of it in the kernel", own + kernel);
    println!("memory: {:.1} MB, {:.1} MB of it before there was a registry", end.megabytes, before.megabytes);
    let model = registry.model();
    let all = model.instances(service).into_iter().flat_map(|all| all.iter());
    let check = HealthCheck::Active(config(size.kind));
    let unhealthy = all.filter(|entry| !entry.instance.is_fit(&check)).count();
    println!("unhealthy: {unhealthy} of {}, {} of them black holes", size.instances, size.black_holes);
    Ok(())
}

fn print_rates(before: &Counts, after: &Counts, seconds: f64) {
    let rate = |count: fn(&Counts) -> u64| (count(after) - count(before)) as f64 / seconds;
    println!(
        "{:.0} checks/s, of which {:.0} failed; {:.0}/s without a result, {:.0}/s postponed; {} running",
        rate(|counts| counts.checks),
        rate(|counts| counts.failures),
        rate(|counts| counts.inconclusive),
        rate(|counts| counts.postponed),
        after.running,
    );
}

fn config(kind: HealthCheckType) -> HealthCheckConfig {
    HealthCheckConfig { kind, resource_path: None, failure_threshold: Some(1) }
}

async fn service(registry: &Registry, kind: HealthCheckType) -> Result<ServiceId> {
    let new = NewNamespace {
        name: "svc.example".into(),
        kind: NamespaceKind::DnsPublic,
        description: None,
        soa_ttl: None,
        creator_request_id: None,
        tags: Tags::default(),
    };
    let operation = registry.create_namespace(new).await?;
    let operation = registry.operation(operation).ok_or("no operation")?.operation;
    let new = NewService {
        namespace: operation.targets.namespace.ok_or("no namespace")?,
        name: "web".into(),
        description: None,
        dns: None,
        health: HealthCheck::Active(config(kind)),
        creator_request_id: None,
        tags: Tags::default(),
    };
    Ok(registry.create_service(new).await?.id)
}

async fn register(registry: &Registry, service: ServiceId, n: usize, port: u16) -> Result<()> {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + n as u32);
    let pairs = [(key::IPV4, address.to_string()), (key::PORT, port.to_string())];
    registry.register_instance(service, format!("i-{n}").parse()?, Attributes::new(pairs)?, None).await?;
    Ok(())
}

struct Usage {
    own_seconds: f64,
    kernel_seconds: f64,
    megabytes: f64,
}

/// What this process has used of the processor, and holds of memory (proc(5)).
fn usage() -> Result<Usage> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // A tick is a hundredth of a second on every Linux there is.
    let seconds =
        |at: usize| -> Result<f64> { Ok(fields.get(at).ok_or("no times")?.parse::<f64>()? / 100.0) };
    let status = fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: f64 = resident.trim().trim_end_matches("kB").trim().parse()?;
    Ok(Usage { own_seconds: seconds(11)?, kernel_seconds: seconds(12)?, megabytes: kilobytes / 1024.0 })
}

/// Answers on one port, and is a black hole on another; says which.
async fn targets() -> Result<()> {
    let good = TcpSocket::new_v4()?;
    good.bind(([0, 0, 0, 0], 0).into())?;
    let good = good.listen(16_384)?;
    let hole = TcpSocket::new_v4()?;
    hole.bind(([0, 0, 0, 0], 0).into())?;
    let hole = hole.listen(1)?;
    let queue = fill(hole.local_addr()?).await;
    println!("{} {}", good.local_addr()?.port(), hole.local_addr()?.port());
    answer(good).await?;
    drop(queue);
    Ok(())
}

/// Fills a listener's queue, so that it drops whoever else comes.
async fn fill(listener: SocketAddr) -> Vec<TcpStream> {
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listener.port());
    let mut queue = Vec::new();
    let patience = Duration::from_millis(100);
    while let Ok(Ok(stream)) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        queue.push(stream);
    }
    queue
}

async fn answer(listener: TcpListener) -> Result<()> {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        tokio::spawn(async move {
            let mut request = [0; 512];
            while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        });
    }
}
