//! Serving: from the command line to sockets, and from a signal to the end.

use std::fs;
use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use cartonym::plugin::Shared;
use cartonym::plugin::metrics::Route;
use cartonym::plugins::Plugins;

use crate::Result;
use crate::cli::ServeOptions;
use crate::configuration::{Configuration, ConfigurationError, Defaults, server_label};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::faults::report;
use crate::process::count_panics;
use crate::registries::Registries;
use crate::reload::Reloader;
use crate::signals::{Order, Signals};
use crate::source::{self, Source};

/// Serves until a signal says stop.
pub(crate) fn run(plugins: &Plugins, options: &ServeOptions) -> Result<()> {
    log_to_stderr(Least::Info);
    count_panics();
    let source = Source::of(options)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Start(error.to_string()))?;
    let served = runtime.block_on(serve(plugins, options, source));
    // A store that is still being opened may take long, and is left as it was.
    runtime.shutdown_timeout(LAST);
    served
}

async fn serve(plugins: &Plugins, options: &ServeOptions, source: Source) -> Result<()> {
    let corefile = source.parse()?;
    source::warn(&corefile);
    let defaults = Defaults { port: options.dns_port.unwrap_or(DNS_PORT) };
    let mut signals = Signals::listen()?;
    let mut daemon = tokio::select! {
        daemon = Daemon::start(&corefile, plugins, &defaults) => daemon?,
        _ = signals.end() => return Ok(()),
    };
    if let Some(path) = &options.pidfile {
        write_pid(path)?;
    }
    if !options.quiet {
        daemon.greet(&source)?;
    }
    let faults = tokio::spawn(report());
    let mut reloader = Reloader::new(source, &corefile, plugins, defaults);
    let end = loop {
        let is_ordered = tokio::select! {
            order = signals.next() => match order {
                Order::Reload => true,
                end => break end,
            },
            () = reloader.due(&daemon) => false,
        };
        // A store that the new configuration names may be long in coming.
        tokio::select! {
            () = reloader.look(&mut daemon, is_ordered) => {}
            end = signals.end() => break end,
        }
    };
    if end == Order::Quit {
        return Ok(());
    }
    faults.abort();
    let stop = async {
        daemon.linger().await;
        daemon.stop().await;
    };
    tokio::select! {
        () = stop => Ok(()),
        () = signals.impatience() => Err(Failure::Killed),
    }
}

/// Reads a Corefile, and prints what it would serve.
pub(crate) fn check(plugins: &Plugins, file: &Path) -> Result<()> {
    let source = Source::at(file)?;
    let corefile = source.parse()?;
    let mut out = std::io::stdout().lock();
    for warning in &corefile.warnings {
        writeln!(out, "warning: {}", warning.in_full())?;
    }
    let configuration =
        Configuration::assemble(&corefile, plugins, &Defaults { port: DNS_PORT }, Shared::default())?;
    let registries = Registries::check(&corefile).map_err(ConfigurationError::from)?;
    for listener in &configuration.listeners {
        for zone in &listener.zones {
            writeln!(out, "{}://{zone} on {}", listener.scheme.name(), listener.address)?;
            let label = server_label(listener.scheme, listener.address);
            let is_its = |route: &&Route| route.server == label && route.zone == zone.to_string();
            for route in configuration.routes.iter().filter(is_its) {
                writeln!(out, "    {}", route.plugins.join(", "))?;
            }
        }
    }
    for page in &configuration.pages {
        writeln!(out, "http://{}{}", page.address, page.path)?;
    }
    for registry in registries {
        writeln!(out, "{registry}")?;
    }
    Ok(())
}

fn write_pid(path: &Path) -> Result<()> {
    let write = fs::write(path, format!("{}\n", std::process::id()));
    write.map_err(|error| Failure::File { path: path.display().to_string(), error })
}

/// Where nobody says otherwise, what is at least so bad is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Least {
    Info,
    /// For commands that speak for themselves.
    Warning,
}

pub(crate) fn log_to_stderr(least: Least) {
    // HTTP/2 warns of what strangers do, which is for debugging.
    let default = match least {
        Least::Info => "info,h2=error",
        Least::Warning => "warn,h2=error",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CARTONYM_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // A second subscriber is refused, which is what a test wants.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

/// How long an end waits for what blocks.
const LAST: Duration = Duration::from_secs(1);
/// That of DNS.
const DNS_PORT: u16 = 53;
