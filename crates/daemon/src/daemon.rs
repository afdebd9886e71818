//! A daemon at work: DNS, and the HTTP surface beside it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use cartonym::corefile::{Corefile, Scheme};
use cartonym::plugin::{Metrics, Shared};
use cartonym::plugins::Plugins;
use cartonym::plugins::health::Lameduck;
use cartonym::plugins::ready::Ending;
use cartonym::server::{Running, Server};

use crate::cli::environment;
use crate::configuration::{Configuration, Defaults, Listener};
use crate::counted::counted;
use crate::failure::Failure;
use crate::process::Process;
use crate::registries::{Open, Registries, report};
use crate::source::Source;
use crate::surface::Surface;
use crate::{Result, VERSION};

/// A daemon whose sockets are open.
pub(crate) struct Daemon {
    dns: Running,
    zones: Vec<String>,
    registries: Vec<Open>,
    surface: Surface,
    shared: Shared,
    process: Arc<Process>,
}

impl Daemon {
    /// Binds every address, opens the registries, and serves.
    pub(crate) async fn start(corefile: &Corefile, plugins: &Plugins, defaults: &Defaults) -> Result<Daemon> {
        let failed = |error| Failure::Start(report(&error));
        let rehearsed = Configuration::rehearse(corefile, plugins, defaults)?;
        // First of all: where an address is not to be had, no store is made.
        let mut surface = Surface::default();
        surface.reserve(&Registries::apis(corefile)?, &rehearsed.pages)?;
        let reserved = server(&rehearsed.listeners)?.reserve().map_err(failed)?;
        let configuration =
            Configuration::open(rehearsed, corefile, plugins, defaults, Shared::default(), &[]).await?;
        let registries = configuration.registries.all();
        let process = Arc::new(Process::default());
        process.tell(&configuration.shared.get::<Metrics>(), &registries);
        let prepared = surface.prepare(&registries, &configuration.pages)?;
        let zones = zone_lines(&configuration.listeners);
        let dns = server(&configuration.listeners)?.start_on(reserved).map_err(failed)?;
        surface.serve(prepared);
        Ok(Daemon { dns, zones, registries, surface, shared: configuration.shared, process })
    }

    /// Serves another configuration from now on; no query is lost.
    ///
    /// # Errors
    ///
    /// An address that is not to be had; all is as before then.
    pub(crate) fn update(&mut self, configuration: Configuration) -> Result<()> {
        let registries = configuration.registries.all();
        let prepared = self.surface.prepare(&registries, &configuration.pages)?;
        let zones = zone_lines(&configuration.listeners);
        let server = server(&configuration.listeners)?;
        self.dns.update(server).map_err(|error| Failure::Start(report(&error)))?;
        // Before anybody sees the new ones, or they would seem to begin anew.
        let metrics = configuration.shared.get::<Metrics>();
        metrics.go_on_from(&self.shared.get::<Metrics>());
        self.process.tell(&metrics, &registries);
        self.surface.serve(prepared);
        (self.zones, self.registries, self.shared) = (zones, registries, configuration.shared);
        Ok(())
    }

    /// What the plugins of the configuration have in common.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What has happened to the process.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// The registries that are open, for a configuration that wants them too.
    pub(crate) fn registries(&self) -> &[Open] {
        &self.registries
    }

    /// Where DNS listens.
    pub(crate) fn dns_addresses(&self) -> Vec<SocketAddr> {
        self.dns.local_addrs()
    }

    /// Where the APIs listen.
    pub(crate) fn api_addresses(&self) -> Vec<SocketAddr> {
        self.surface.api_addresses()
    }

    /// Where the APIs listen, and of which registry each is.
    fn apis(&self) -> impl Iterator<Item = (SocketAddr, &Open)> {
        let with_api = self.registries.iter().filter(|open| open.settings.api.is_some());
        self.api_addresses().into_iter().zip(with_api)
    }

    /// Says that the end is near, and serves for as long as `lameduck` wants, so that others can learn of it.
    pub(crate) async fn linger(&self) {
        self.shared.get::<Ending>().begin();
        tokio::time::sleep(self.shared.get::<Lameduck>().duration()).await;
    }

    /// Answers what is in progress, and lets go of everything.
    pub(crate) async fn stop(self) {
        // Other nodes take the checks over while this one ends.
        self.registries.iter().for_each(|open| open.checker.stop());
        // The API first: what it acknowledges, DNS still answers.
        self.surface.stop().await;
        self.dns.shutdown().await;
    }

    /// Says on standard output what is served.
    pub(crate) fn greet(&self, source: &Source) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if !matches!(source, Source::Default { .. }) {
            for zone in &self.zones {
                writeln!(out, "{zone}")?;
            }
            for (address, open) in self.apis() {
                writeln!(out, "http://{address} over {}", open.settings.backend)?;
            }
            writeln!(out, "cartonym-{VERSION}")?;
            return Ok(());
        }
        writeln!(out, "cartonym {VERSION}")?;
        for address in self.dns_addresses() {
            writeln!(out, "  DNS   {address}, UDP and TCP")?;
        }
        for (address, open) in self.apis() {
            let model = open.registry.model();
            let namespaces = counted(model.namespaces().len(), "namespace");
            let instances = counted(model.instance_count(), "instance");
            writeln!(out, "  API   http://{address}")?;
            writeln!(out, "  data  {} ({namespaces}, {instances})", open.settings.backend)?;
        }
        if let (Some(dns), Some(api)) = (self.dns_addresses().first(), self.api_addresses().first()) {
            writeln!(out, "\nTry next, in another terminal:\n")?;
            writeln!(out, "{}", environment(&format!("http://{api}")))?;
            writeln!(out, "aws servicediscovery create-public-dns-namespace --name shop.example")?;
            writeln!(out, "dig @{} -p {} shop.example SOA", dns.ip(), dns.port())?;
        }
        out.flush()?;
        Ok(())
    }
}

/// What is to be listened to.
fn server(listeners: &[Listener]) -> Result<Server> {
    listeners.iter().try_fold(Server::new(), |server, listener| Ok(server.with(listener.open()?)))
}

/// The lines that CoreDNS prints for the zones, each once.
fn zone_lines(listeners: &[Listener]) -> Vec<String> {
    let mut lines = Vec::new();
    for listener in listeners {
        for zone in &listener.zones {
            let line = zone_line(listener.scheme, &zone.to_string(), listener.address);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// The line that CoreDNS prints for a zone.
fn zone_line(scheme: Scheme, zone: &str, address: SocketAddr) -> String {
    let scheme = if scheme == Scheme::Dns { String::new() } else { format!("{}://", scheme.name()) };
    let on = if address.ip().is_unspecified() { String::new() } else { format!(" on {}", address.ip()) };
    format!("{scheme}{zone}:{}{on}", address.port())
}
