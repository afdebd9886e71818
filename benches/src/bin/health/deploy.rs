//! A rolling deploy of ten instances, one by one, queried a thousand times a second. The old ones die without a word: only the
//! checks find out.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cartonym::registry::HealthCheckType;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::Result;
use crate::setup::{Asker, Figures, World};
use crate::targets;

const INSTANCES: u8 = 10;
const QUERY: Duration = Duration::from_millis(1);
/// How long after its death an instance may be named.
const GRACE: Duration = Duration::from_millis(1500);

/// When instances died, by address.
type Deaths = Arc<Mutex<HashMap<Ipv4Addr, Instant>>>;

#[derive(Default)]
struct Seen {
    answers: u32,
    empty: u32,
    stale: u32,
}

pub(crate) async fn run() -> Result<()> {
    let world = World::new(Duration::from_secs(1)).await?;
    let service = world.service("web", HealthCheckType::Http).await?;
    let mut old = Vec::new();
    for n in 1..=INSTANCES {
        let address = Ipv4Addr::new(127, 4, 0, n);
        let (at, target) = targets::good(address).await?;
        world.register(service, &format!("old-{n}"), at).await?;
        old.push((format!("old-{n}"), address, target));
    }
    sleep(Duration::from_secs(3)).await;
    let deaths = Deaths::default();
    let (end, ended) = watch::channel(false);
    let queries = tokio::spawn(ask_until(ended, world.asker("web").await?, deaths.clone()));
    let begin = Instant::now();
    let mut new = Vec::new();
    for (n, (id, address, target)) in old.into_iter().enumerate() {
        let (at, running) = targets::good(Ipv4Addr::new(127, 4, 1, n as u8)).await?;
        world.register(service, &format!("new-{n}"), at).await?;
        new.push(running);
        target.abort();
        deaths.lock().map_err(|_| "poisoned")?.insert(address, Instant::now());
        sleep(2 * GRACE).await;
        world.registry.deregister_instance(service, &id.parse()?).await?;
    }
    let time = begin.elapsed().as_secs_f64();
    end.send_replace(true);
    let seen = queries.await??;
    drop(new);
    println!("{INSTANCES} instances replaced in {time:.0} s");
    let mut figures = Figures::default();
    figures.at_least("queries", f64::from(seen.answers) / time, 950.0, "q/s");
    figures.at_most("empty answers", seen.empty.into(), 0.0, "of all");
    figures.at_most("answers that name one over 1.5 s after its death", seen.stale.into(), 0.0, "of all");
    figures.end()
}

/// Asks until the end, and counts what is wrong; fails only if DNS does not answer.
async fn ask_until(ended: watch::Receiver<bool>, asker: Asker, deaths: Deaths) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut ticks = interval(QUERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !*ended.borrow() {
        ticks.tick().await;
        let answer = asker.ask().await?;
        let deaths = deaths.lock().map_err(|_| "poisoned")?;
        let is_stale = |address| deaths.get(address).is_some_and(|died: &Instant| died.elapsed() > GRACE);
        seen.answers += 1;
        seen.empty += u32::from(answer.is_empty());
        seen.stale += u32::from(answer.iter().any(is_stale));
    }
    Ok(seen)
}
