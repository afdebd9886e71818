//! An instance that is registered for as long as its command runs.

use std::fs;
use std::net::IpAddr;
use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cartonym::registry::key;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::ExecOptions;
use crate::client::{CallError, Client};
use crate::registries::report;

/// An instance that is registered, and spoken for until it is not.
pub(crate) struct Registration {
    client: Client,
    /// What this run calls itself. Each is another: what was there before is replaced, whatever its health was.
    creator: String,
    /// What is asked for; nothing before the first time.
    request: Value,
    /// A registration on its way. It goes on while nobody waits, so that nothing said later overtakes it.
    said: Option<JoinHandle<Result<Value, CallError>>>,
    /// Whether the API may have the instance.
    may_be_there: bool,
    /// Between two heartbeats; `None` where none is needed.
    interval: Option<Duration>,
    next: Instant,
    is_ended: bool,
    /// Whether the last heartbeat was not heard.
    is_unheard: bool,
}

/// The wait before an API that does not answer is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the end waits for the API: for what is on its way, and again for the last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Heartbeats within the time that an instance lasts without one.
const BEATS: u32 = 3;

impl Registration {
    /// One that is nowhere yet.
    pub(crate) fn new(client: Client) -> Registration {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Registration {
            client,
            creator: format!("exec-{}-{since}", process::id()),
            request: Value::Null,
            said: None,
            may_be_there: false,
            interval: None,
            next: Instant::now(),
            is_ended: false,
            is_unheard: false,
        }
    }

    /// Registers the instance; tries for as long as the options say.
    ///
    /// Whether it succeeds, fails or is dropped, [`Registration::end`] takes back what may have come of it.
    pub(crate) async fn begin(&mut self, options: &ExecOptions) -> Result<(), CallError> {
        let end = Instant::now() + options.retry;
        let mut is_told = false;
        let name = loop {
            match self.register(options).await {
                Err(error) if error.may_pass() && Instant::now() + PAUSE < end => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(error = report(&error), "not registered yet; tried again");
                    }
                    sleep(PAUSE).await;
                }
                registered => break registered?,
            }
        };
        tracing::info!(service = name, instance = self.request["InstanceId"].as_str(), "registered");
        self.interval = (!options.ttl.is_zero()).then(|| options.ttl / BEATS);
        self.next = Instant::now() + self.interval.unwrap_or_default();
        Ok(())
    }

    /// Speaks for the instance when it is time; only ever returns when it has.
    ///
    /// To register it in the same words changes nothing while it is there, and brings it back if it is not.
    pub(crate) async fn beat(&mut self) {
        let Some(interval) = self.interval.filter(|_| !self.is_ended) else {
            return std::future::pending().await;
        };
        sleep_until(self.next).await;
        let begun = Instant::now();
        // A slow one must leave time for another.
        let heard = self.say(self.client.within(interval)).await;
        self.next = begun + if heard.is_ok() { interval } else { interval.min(PAUSE) };
        let was_unheard = std::mem::replace(&mut self.is_unheard, heard.is_err());
        match heard {
            Err(error) if !was_unheard => tracing::warn!(error = report(&error), "a heartbeat is not heard"),
            Ok(()) if was_unheard => tracing::info!("heartbeats are heard again"),
            _ => {}
        }
    }

    /// Deregisters the instance, once, if it may be registered.
    pub(crate) async fn end(&mut self) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        if self.said.is_some() && timeout(LAST_WORD, self.say(self.client.clone())).await.is_err() {
            self.may_be_there = true;
        }
        if !self.may_be_there {
            return;
        }
        let request =
            json!({ "ServiceId": self.request["ServiceId"], "InstanceId": self.request["InstanceId"] });
        match timeout(LAST_WORD, self.client.call("DeregisterInstance", &request)).await {
            Ok(Ok(_)) => tracing::info!("deregistered"),
            Ok(Err(error)) if error.is("InstanceNotFound") => tracing::info!("not registered any more"),
            Ok(Err(error)) => tracing::warn!(error = report(&error), "not deregistered"),
            Err(_) => tracing::warn!("not deregistered: the API does not answer in time"),
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Tries to register the instance; returns the service's name.
    async fn register(&mut self, options: &ExecOptions) -> Result<String, CallError> {
        let service = self.client.service(&options.service, options.namespace.as_deref()).await?;
        let address = match options.address {
            Some(address) => address,
            None => self.client.own_address().await?,
        };
        self.request = json!({
            "ServiceId": service.id,
            "InstanceId": options.id.clone().unwrap_or_else(|| own_id(options.port)),
            "CreatorRequestId": self.creator,
            "Attributes": attributes(options, address),
        });
        self.say(self.client.clone()).await?;
        Ok(service.name)
    }

    /// Says that the instance is there; if that is on its way already, waits for it.
    async fn say(&mut self, client: Client) -> Result<(), CallError> {
        let said = self.said.get_or_insert_with(|| {
            let request = self.request.clone();
            tokio::spawn(async move { client.call("RegisterInstance", &request).await })
        });
        let said = said.await;
        self.said = None;
        let answered = said.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        // What was refused is not there, unless it was before; what has no answer may be.
        self.may_be_there |= answered.as_ref().err().is_none_or(CallError::may_pass);
        answered.map(drop)
    }
}

fn attributes(options: &ExecOptions, address: IpAddr) -> Map<String, Value> {
    let family = if address.is_ipv4() { key::IPV4 } else { key::IPV6 };
    let mut attributes = Map::from_iter([
        (family.to_owned(), json!(address.to_string())),
        (key::DRAIN.to_owned(), json!(whole_seconds(options.drain).to_string())),
    ]);
    if let Some(port) = options.port {
        attributes.insert(key::PORT.to_owned(), json!(port.to_string()));
    }
    if !options.ttl.is_zero() {
        attributes.insert(key::TTL.to_owned(), json!(whole_seconds(options.ttl).to_string()));
    }
    attributes.extend(options.attributes.iter().map(|(key, value)| (key.clone(), json!(value))));
    attributes
}

/// Seconds, a part of one as a whole.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// An id that a restart on the same host has again, where there is a port to tell its instances apart.
fn own_id(port: Option<u16>) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = one_label(host.trim());
    match port {
        Some(port) => format!("{host}-{port}"),
        None => format!("{host}-pid-{}", process::id()),
    }
}

/// A host's name as the beginning of one label: whole, since hosts of two domains may share the first part of theirs.
fn one_label(host: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let label: String = host.chars().map(allowed).take(50).collect();
    if label.is_empty() { "host".to_owned() } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_two_domains_have_two_labels() {
        assert_eq!(one_label("web.a.example"), "web-a-example");
        assert_ne!(one_label("web.a.example"), one_label("web.b.example"));
        assert_eq!(one_label(""), "host");
        assert_eq!(one_label(&"x.".repeat(200)).len(), 50);
    }
}
