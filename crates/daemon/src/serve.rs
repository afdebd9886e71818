//! Serving: from the command line to sockets, and from a signal to the end.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cartonym::corefile::{Corefile, Filesystem, Scheme};
use cartonym::plugin::Shared;
use cartonym::plugins::Plugins;
use cartonym::server::{Running, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::{ServeOptions, environment};
use crate::configuration::{Configuration, Defaults};
use crate::failure::Failure;
use crate::registries::{Open, report};
use crate::surface::Surface;
use crate::{Result, VERSION};

/// Serves until a signal says stop.
pub(crate) fn run(plugins: &Plugins, options: &ServeOptions) -> Result<()> {
    log_to_stderr();
    let source = Source::of(options)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Start(error.to_string()))?;
    runtime.block_on(async {
        let corefile = source.parse()?;
        let defaults = Defaults { port: options.dns_port };
        let signals = Signals::listen()?;
        let daemon = Daemon::start(Configuration::open(&corefile, plugins, &defaults).await?).await?;
        if let Some(path) = &options.pidfile {
            write_pid(path)?;
        }
        if !options.quiet {
            daemon.greet(&source)?;
        }
        signals.wait().await;
        daemon.stop().await;
        Ok(())
    })
}

/// Reads a Corefile, and prints what it would serve.
pub(crate) fn check(plugins: &Plugins, file: &Path) -> Result<()> {
    let source = Source::File(file.to_owned());
    let corefile = source.parse()?;
    let mut out = std::io::stdout().lock();
    for warning in &corefile.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let configuration =
        Configuration::assemble(&corefile, plugins, &Defaults { port: 53 }, &Shared::default())?;
    for listener in &configuration.listeners {
        for zone in &listener.zones {
            writeln!(out, "{}://{zone} on {}", listener.scheme.name(), listener.address)?;
        }
    }
    for page in &configuration.pages {
        writeln!(out, "http://{}{}", page.address, page.path)?;
    }
    Ok(())
}

/// A daemon whose sockets are open.
pub(crate) struct Daemon {
    dns: Running,
    zones: Vec<String>,
    registries: Vec<Open>,
    api: Vec<SocketAddr>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Daemon {
    /// Binds every address, and serves.
    pub(crate) async fn start(configuration: Configuration) -> Result<Daemon> {
        let registries = configuration.registries.all();
        let surface = Surface::bind(&registries, &configuration.pages).await?;
        let mut server = Server::new();
        let mut zones = Vec::new();
        for listener in configuration.listeners {
            for zone in &listener.zones {
                let line = zone_line(listener.scheme, &zone.to_string(), listener.address);
                if !zones.contains(&line) {
                    zones.push(line);
                }
            }
            server = server.listen(listener.address, listener.responder);
        }
        let dns = server.start().map_err(|error| Failure::Start(report(&error)))?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let api = surface.api_addresses();
        surface.serve(&mut tasks, &stopped);
        Ok(Daemon { dns, zones, registries, api, tasks, stop })
    }

    /// Where DNS listens.
    pub(crate) fn dns_addresses(&self) -> Vec<SocketAddr> {
        self.dns.local_addrs()
    }

    /// Where the APIs listen.
    pub(crate) fn api_addresses(&self) -> &[SocketAddr] {
        &self.api
    }

    /// Answers what is in progress, and lets go of everything.
    pub(crate) async fn stop(mut self) {
        // The API first: what it acknowledges, DNS still answers.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_TIME, all).await;
        self.dns.shutdown().await;
    }

    fn greet(&self, source: &Source) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if !matches!(source, Source::Default { .. }) {
            for zone in &self.zones {
                writeln!(out, "{zone}")?;
            }
            writeln!(out, "cartonym-{VERSION}")?;
            return Ok(());
        }
        writeln!(out, "cartonym {VERSION}")?;
        for address in self.dns_addresses() {
            writeln!(out, "  DNS   {address}, UDP and TCP")?;
        }
        for (address, open) in self.api.iter().zip(&self.registries) {
            let model = open.registry.model();
            let (namespaces, instances) = (model.namespaces().len(), model.instance_count());
            writeln!(out, "  API   http://{address}")?;
            writeln!(
                out,
                "  data  {} ({namespaces} namespaces, {instances} instances)",
                open.settings.backend
            )?;
        }
        if let (Some(dns), Some(api)) = (self.dns_addresses().first(), self.api.first()) {
            writeln!(out, "\nTry next, in another terminal:\n")?;
            writeln!(out, "{}", environment(&format!("http://{api}")))?;
            writeln!(out, "aws servicediscovery create-public-dns-namespace --name shop.example")?;
            writeln!(out, "dig @{} -p {} shop.example SOA", dns.ip(), dns.port())?;
        }
        out.flush()?;
        Ok(())
    }
}

/// Where the configuration comes from.
enum Source {
    File(PathBuf),
    Stdin,
    /// No Corefile: the words of one, made from the command line.
    Default {
        text: String,
    },
}

impl Source {
    fn of(options: &ServeOptions) -> Result<Source> {
        match &options.conf {
            Some(path) if path.as_os_str() == "stdin" => Ok(Source::Stdin),
            Some(path) => Ok(Source::File(path.clone())),
            None if Path::new("Corefile").exists() => Ok(Source::File("Corefile".into())),
            None => Ok(Source::Default { text: default_corefile(options) }),
        }
    }

    fn parse(&self) -> Result<Corefile> {
        let (name, text) = match self {
            Source::File(path) => {
                let name = path.display().to_string();
                let text =
                    fs::read_to_string(path).map_err(|error| Failure::File { path: name.clone(), error })?;
                (name, text)
            }
            Source::Stdin => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Failure::File { path: "stdin".to_owned(), error })?;
                ("stdin".to_owned(), text)
            }
            Source::Default { text } => ("the command line".to_owned(), text.clone()),
        };
        let corefile = Corefile::parse(&name, &text, &Filesystem)?;
        for warning in &corefile.warnings {
            tracing::warn!("{warning}");
        }
        if corefile.servers.is_empty() {
            return Ok(Corefile::parse("an empty Corefile", "whoami\nlog\n", &Filesystem)?);
        }
        Ok(corefile)
    }
}

/// The Corefile of a daemon that has none.
fn default_corefile(options: &ServeOptions) -> String {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let dns = options.dns.unwrap_or(loopback(5300));
    let api = options.api.unwrap_or(loopback(8053));
    let data = options.data.display();
    format!(
        ".:{} {{\n    bind {}\n    registry {{\n        backend embedded \"{data}\"\n        api {api}\n        endpoint sd.cartonym.internal\n    }}\n    errors\n}}\n",
        dns.port(),
        dns.ip(),
    )
}

/// The line that CoreDNS prints for a zone.
fn zone_line(scheme: Scheme, zone: &str, address: SocketAddr) -> String {
    let scheme = if scheme == Scheme::Dns { String::new() } else { format!("{}://", scheme.name()) };
    let on = if address.ip().is_unspecified() { String::new() } else { format!(" on {}", address.ip()) };
    format!("{scheme}{zone}:{}{on}", address.port())
}

/// The signals that end a daemon; listened to before anybody is told that there is one.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    // Terminals that close must not end a daemon.
    _hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Signals> {
        let listen = |kind| signal(kind).map_err(|error| Failure::Start(error.to_string()));
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            _hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn write_pid(path: &Path) -> Result<()> {
    let write = fs::write(path, format!("{}\n", std::process::id()));
    write.map_err(|error| Failure::File { path: path.display().to_string(), error })
}

pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CARTONYM_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second subscriber is refused, which is what a test wants.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

const STOP_TIME: Duration = Duration::from_secs(5);
