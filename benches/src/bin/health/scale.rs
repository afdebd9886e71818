//! Ten thousand instances, a hundredth of them black holes, checked every second by one thread.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use cartonym::registry::{HealthCheckType, HealthStatus};
use tokio::time::sleep;

use crate::Result;
use crate::setup::{Figures, Usage, World};
use crate::targets::Elsewhere;

const INSTANCES: u32 = 10_000;
const HOLES: u32 = 100;
const TIME: Duration = Duration::from_secs(30);

pub(crate) async fn run(kind: HealthCheckType) -> Result<()> {
    let targets = Elsewhere::start("good")?;
    let [good, hole] = targets.ports[..] else { return Err("the targets name no two ports".into()) };
    let world = World::new(Duration::from_secs(1)).await?;
    let service = world.service("web", kind).await?;
    for n in 0..INSTANCES {
        // An address for each.
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + n);
        let port = if n < HOLES { hole } else { good };
        world.register(service, &format!("i-{n}"), (address, port).into()).await?;
    }
    // Until every connection is made and every black hole is known.
    sleep(Duration::from_secs(10)).await;
    let (before, counts, began) = (Usage::now()?, world.checker.counts(), Instant::now());
    sleep(TIME).await;
    let (after, now, passed) = (Usage::now()?, world.checker.counts(), began.elapsed().as_secs_f64());
    let rate = |count: u64| count as f64 / passed;
    println!("{INSTANCES} instances by {kind:?}, {HOLES} of them black holes, every second for {TIME:?}");
    println!(
        "     {:.0}/s failed, {:.0}/s without a result, {:.0}/s postponed",
        rate(now.failures - counts.failures),
        rate(now.inconclusive - counts.inconclusive),
        rate(now.postponed - counts.postponed)
    );
    let model = world.registry.model();
    let service = model.service(service).ok_or("no service")?;
    let statuses = service.instances.iter().map(|entry| entry.instance.status(&service.service.health));
    let unhealthy = statuses.filter(|status| *status == HealthStatus::Unhealthy).count();
    let mut figures = Figures::default();
    // A twentieth of the interval is added by chance, and black holes take longer than it.
    figures.at_least("checks", rate(now.checks - counts.checks), 9_500.0, "/s");
    let processor = 100.0 * (after.seconds - before.seconds) / passed;
    figures.at_most("processor", processor, 60.0, "% of one core");
    figures.at_most("memory", after.megabytes, 100.0, "MB");
    figures.at_most(
        "unhealthy that are no black holes",
        (unhealthy as f64 - f64::from(HOLES)).abs(),
        0.0,
        "",
    );
    figures.end()
}
