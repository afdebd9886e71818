//! Serving: from the command line to sockets, and from a signal to the end.

use std::fs;
use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;

use cartonym::plugin::Shared;
use cartonym::plugin::metrics::Route;
use cartonym::plugins::Plugins;

use crate::Result;
use crate::cli::ServeOptions;
use crate::configuration::{Configuration, Defaults, server_label};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::faults::report;
use crate::process::count_panics;
use crate::reload::Reloader;
use crate::signals::{Order, Signals};
use crate::source::{self, Source};

/// Serves until a signal says stop.
pub(crate) fn run(plugins: &Plugins, options: &ServeOptions) -> Result<()> {
    log_to_stderr();
    count_panics();
    let source = Source::of(options)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Start(error.to_string()))?;
    runtime.block_on(async {
        let corefile = source.parse()?;
        source::warn(&corefile);
        let defaults = Defaults { port: options.dns_port };
        let mut signals = Signals::listen()?;
        let configuration = Configuration::open(&corefile, plugins, &defaults, &[]).await?;
        let mut daemon = Daemon::start(configuration).await?;
        if let Some(path) = &options.pidfile {
            write_pid(path)?;
        }
        if !options.quiet {
            daemon.greet(&source)?;
        }
        let faults = tokio::spawn(report());
        let mut reloader = Reloader::new(source, &corefile, plugins, defaults);
        loop {
            tokio::select! {
                order = signals.next() => match order {
                    Order::Reload => reloader.reload(&mut daemon).await,
                    Order::Stop => break,
                    Order::Quit => return Ok(()),
                },
                () = reloader.due(&daemon) => reloader.look(&mut daemon).await,
            }
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
        Configuration::assemble(&corefile, plugins, &Defaults { port: 53 }, Shared::default())?;
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
    Ok(())
}

fn write_pid(path: &Path) -> Result<()> {
    let write = fs::write(path, format!("{}\n", std::process::id()));
    write.map_err(|error| Failure::File { path: path.display().to_string(), error })
}

pub(crate) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CARTONYM_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(LOGGED));
    // A second subscriber is refused, which is what a test wants.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

/// What is logged where nobody says otherwise. HTTP/2 warns of what strangers do, which is for debugging.
const LOGGED: &str = "info,h2=error";
