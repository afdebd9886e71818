//! From an endpoint's end until DNS leaves it out, at an interval of a second and a threshold of one.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartonym::registry::{HealthCheckType, ServiceId, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::Result;
use crate::setup::{Figures, World, percentile};
use crate::targets;

const INTERVAL: Duration = Duration::from_secs(1);
const KILLED: usize = 200;
/// Kills that are waited for at a time.
const LANES: usize = 4;

pub(crate) async fn run() -> Result<()> {
    let world = Arc::new(World::new(INTERVAL).await?);
    let (stays, _running) = targets::good(Ipv4Addr::new(127, 3, 0, 1)).await?;
    let mut lanes: Vec<Vec<_>> = (0..LANES).map(|_| Vec::new()).collect();
    for n in 0..KILLED {
        // One that stays beside each that is killed, or DNS would answer the dead rather than none.
        let name = format!("web-{n}");
        let service = world.service(&name, HealthCheckType::Http).await?;
        let (dies, target) = targets::good(DIES).await?;
        world.register(service, "dies", dies).await?;
        world.register(service, "stays", stays).await?;
        lanes[n % LANES].push((name, service, target));
    }
    sleep(3 * INTERVAL).await;
    let lanes = lanes.into_iter().enumerate().map(|(n, lane)| tokio::spawn(kill_all(world.clone(), n, lane)));
    let (mut gone, mut lag) = (Vec::new(), Vec::new());
    for lane in lanes.collect::<Vec<_>>() {
        for (from_kill, from_verdict) in lane.await?? {
            gone.push(from_kill);
            lag.push(from_verdict);
        }
    }
    println!("{KILLED} endpoints killed, checked every {INTERVAL:?}, one failure decides");
    println!("     half of them are gone from DNS after {:.1} ms", percentile(&mut gone, 50));
    let mut figures = Figures::default();
    figures.at_most("from the kill until DNS leaves it out, p99", percentile(&mut gone, 99), 1200.0, "ms");
    figures.at_most("from the verdict until DNS leaves it out, half", percentile(&mut lag, 50), 5.0, "ms");
    figures.at_most("from the verdict until DNS leaves it out, p99", percentile(&mut lag, 99), 5.0, "ms");
    figures.end()
}

/// Kills one after the other: for each, milliseconds from the kill, and from the end of the check that found it out.
async fn kill_all(
    world: Arc<World>,
    lane: usize,
    all: Vec<(String, ServiceId, JoinHandle<()>)>,
) -> Result<Vec<(f64, f64)>> {
    let mut times = Vec::new();
    for (n, (name, service, target)) in all.into_iter().enumerate() {
        let asker = world.asker(&name).await?;
        // At all moments of the interval.
        sleep(INTERVAL.mul_f64(((n * LANES + lane) as f64 * 0.618).fract())).await;
        if !asker.ask().await?.contains(&DIES) {
            return Err(format!("{name} is out of DNS though it lives").into());
        }
        let killed = Instant::now();
        target.abort();
        while asker.ask().await?.contains(&DIES) {
            sleep(Duration::from_millis(1)).await;
        }
        let (from_kill, now) = (killed.elapsed(), Timestamp::now());
        let found = world.checker.status(service, &"dies".parse()?).and_then(|status| status.last_failure);
        let found = found.ok_or("nothing was found")?.at;
        times.push((from_kill.as_secs_f64() * 1000.0, (now.as_millis() - found.as_millis()) as f64));
    }
    Ok(times)
}

const DIES: Ipv4Addr = Ipv4Addr::new(127, 3, 0, 2);
