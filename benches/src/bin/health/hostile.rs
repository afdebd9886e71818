//! Targets that mean no good: each check ends within its limits, and memory is flat.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use cartonym::registry::HealthCheckType;
use tokio::time::sleep;

use crate::Result;
use crate::setup::{Figures, Usage, World};
use crate::targets::{Elsewhere, Malice};

/// Targets of each kind.
const EACH: u8 = 20;
const WARM: Duration = Duration::from_secs(5);
const TIME: Duration = Duration::from_secs(20);
/// Route 53's, in milliseconds: to connect, and from there to be answered; and some for a processor that is busy.
const LIMIT: f64 = 4000.0 + 2000.0 + 250.0;
/// Megabytes that memory may grow by, once each has been checked.
const GROWTH: f64 = 4.0;

pub(crate) async fn run() -> Result<()> {
    let targets = Elsewhere::start("hostile")?;
    let world = World::new(Duration::from_millis(500)).await?;
    let mut all = Vec::new();
    for (malice, port) in Malice::ALL.into_iter().zip(&targets.ports) {
        let is_tls = matches!(malice, Malice::BrokenTls);
        let kind = if is_tls { HealthCheckType::Https } else { HealthCheckType::Http };
        let service = world.service(&format!("{malice:?}"), kind).await?;
        for n in 0..EACH {
            let id = format!("i-{n}");
            world.register(service, &id, (Ipv4Addr::new(127, 5, 0, 1 + n), *port).into()).await?;
            all.push((malice, service, id.parse()?));
        }
    }
    sleep(WARM).await;
    let (before, counts, began) = (Usage::now()?, world.checker.counts(), Instant::now());
    let mut slowest: HashMap<&str, f64> = HashMap::new();
    let mut passed = 0;
    while began.elapsed() < TIME {
        sleep(Duration::from_millis(100)).await;
        for (malice, service, id) in &all {
            let Some(last) = world.checker.status(*service, id).and_then(|status| status.last) else {
                continue;
            };
            let name = slowest.entry(name(*malice)).or_default();
            *name = name.max(last.latency.as_secs_f64() * 1000.0);
            passed += u32::from(last.failure.is_none());
        }
    }
    let checks = world.checker.counts().checks - counts.checks;
    println!("{checks} checks of {} hostile targets in {TIME:?}", all.len());
    let mut figures = Figures::default();
    for malice in Malice::ALL {
        let most = slowest.get(name(malice)).copied().unwrap_or(f64::INFINITY);
        figures.at_most(&format!("{}, the longest check", name(malice)), most, LIMIT, "ms");
    }
    figures.at_most("checks that passed", passed.into(), 0.0, "");
    figures.at_most("memory grown by", Usage::now()?.megabytes - before.megabytes, GROWTH, "MB");
    figures.end()
}

fn name(malice: Malice) -> &'static str {
    match malice {
        Malice::EndlessHead => "an endless head",
        Malice::Drip => "a drip",
        Malice::HugeBody => "a body of 10 GB",
        Malice::BrokenTls => "broken TLS",
        Malice::Redirect => "a redirect loop",
    }
}
