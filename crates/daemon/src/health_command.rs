//! `cartonym health`: how a service's instances are, and why.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::Value;
use tokio::time::sleep;

use crate::Result;
use crate::client::{CallError, Client};
use crate::failure::Failure;
use crate::health_page::PATH;

/// Whose health to print.
#[derive(Args, Clone, Debug)]
pub(crate) struct HealthOptions {
    /// The service: its DNS name, its id, or its name with --namespace.
    service: String,
    /// The namespace: its name or id.
    #[arg(long)]
    namespace: Option<String>,
    /// Where the API is.
    #[arg(long, env = "AWS_ENDPOINT_URL_SERVICEDISCOVERY", default_value = "http://127.0.0.1:8053")]
    endpoint: String,
    /// Go on, and print a line for each change.
    #[arg(long)]
    watch: bool,
}

/// What is printed of an instance.
#[derive(Clone, PartialEq)]
struct Shown {
    status: String,
    reason: String,
    since: f64,
    latency: Option<f64>,
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn run(options: &HealthOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Start(error.to_string()))?;
    runtime.block_on(async {
        let client = Client::new(&options.endpoint)?;
        let service = client.service(&options.service, options.namespace.as_deref()).await?;
        let path = format!("{PATH}{}", service.id);
        let mut known = look(&client, &path).await?;
        let mut out = std::io::stdout();
        writeln!(out, "{:<32} {:<10} {:>8} {:>10}  REASON", "INSTANCE", "STATUS", "SINCE", "LATENCY")?;
        for (id, shown) in &known {
            writeln!(out, "{}", line(id, shown))?;
        }
        if !options.watch {
            return Ok(());
        }
        loop {
            sleep(PAUSE).await;
            let seen = match look(&client, &path).await {
                // Who watches wants to see how it ends.
                Err(error) if error.may_pass() => continue,
                seen => seen?,
            };
            print_changes(&known, &seen)?;
            known = seen;
        }
    })
}

fn print_changes(known: &BTreeMap<String, Shown>, seen: &BTreeMap<String, Shown>) -> Result<()> {
    let mut out = std::io::stdout();
    for (id, shown) in seen {
        let is_same = |before: &Shown| before.status == shown.status && before.reason == shown.reason;
        if !known.get(id).is_some_and(is_same) {
            writeln!(out, "{}", line(id, shown))?;
        }
    }
    for id in known.keys().filter(|id| !seen.contains_key(*id)) {
        writeln!(out, "{id:<32} gone")?;
    }
    Ok(())
}

/// What the node at the API knows, by instance.
async fn look(client: &Client, path: &str) -> std::result::Result<BTreeMap<String, Shown>, CallError> {
    let mut page = client.page(path).await?;
    let Value::Array(instances) = page["instances"].take() else { return Ok(BTreeMap::new()) };
    let shown = instances.iter().map(|instance| {
        let text = |key: &str| instance[key].as_str().unwrap_or_default().to_owned();
        let latency = instance["last"]["latency_ms"].as_f64();
        let since = instance["since"].as_f64().unwrap_or_default();
        (text("id"), Shown { status: text("status"), reason: text("reason"), since, latency })
    });
    Ok(shown.collect())
}

fn line(id: &str, shown: &Shown) -> String {
    let Shown { status, reason, since, latency } = shown;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let latency = latency.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.1} ms"));
    format!("{id:<32} {status:<10} {:>8} {latency:>10}  {reason}", age(now - since)).trim_end().to_owned()
}

/// A time that has passed, in its largest unit.
fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_their_largest_unit() {
        let ages = [-1.0, 59.9, 60.0, 7200.0, 200_000.0].map(age);
        assert_eq!(ages, ["0s", "59s", "1m", "2h", "2d"]);
    }
}
