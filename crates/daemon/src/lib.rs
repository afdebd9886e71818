//! The cartonym program: command line, configuration, signals, HTTP surface.
//!
//! A daemon of one's own, with a plugin of one's own, is one statement:
//!
//! ```text
//! fn main() -> std::process::ExitCode {
//!     cartonym_daemon::main(cartonym_daemon::standard().with::<Chaos>())
//! }
//! ```

mod backend;
mod changes;
mod check_zone;
mod cli;
mod client;
mod configuration;
mod counted;
mod daemon;
mod demo;
mod directives;
mod encryption;
mod endpoint;
mod exchange;
mod exec;
mod failure;
mod faults;
mod health;
mod health_command;
mod health_page;
mod process;
mod proxyproto;
mod registries;
mod reload;
#[cfg(feature = "remote")]
mod remote;
mod serve;
mod shed;
mod signals;
mod source;
mod surface;
mod timeouts;
mod unfinished;
mod xdp;

use std::process::ExitCode;

use cartonym::plugins::Plugins;
use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;

/// The standard set of plugins, and the daemon's own directives.
pub fn standard() -> Plugins {
    cartonym::plugins::standard()
        .with::<directives::Root>()
        .with::<directives::Bind>()
        .with::<encryption::TlsDirective>()
        .with::<timeouts::TimeoutsDirective>()
        .with::<timeouts::HttpsDirective>()
        .with::<shed::ShedDirective>()
        .with::<proxyproto::ProxyprotoDirective>()
        .with::<xdp::XdpDirective>()
        .with::<registries::RegistryDirective>()
}

/// Runs the program with these plugins, as its command line says.
pub fn main(plugins: Plugins) -> ExitCode {
    let cli = Cli::parse_from(cli::with_long_dashes(std::env::args_os()));
    run(&plugins, &cli).unwrap_or_else(|failure| failure.report())
}

fn run(plugins: &Plugins, cli: &Cli) -> Result<ExitCode> {
    cli.nothing_before()?;
    match &cli.command {
        Some(Command::Serve(options)) => serve::run(plugins, options)?,
        Some(Command::Check { file }) => serve::check(plugins, &cli.to_check(file.as_deref())?)?,
        Some(Command::CheckZone(options)) => check_zone::run(options)?,
        Some(Command::Export { place, to }) => exchange::export(place, to.as_deref())?,
        Some(Command::Import { place, from }) => exchange::import(place, from.as_deref())?,
        Some(Command::Backup { place, to }) => exchange::backup(place, to)?,
        Some(Command::Repair { folder, to }) => exchange::repair(folder, to)?,
        Some(Command::Demo { keep }) => demo::run(plugins, *keep)?,
        Some(Command::Env { endpoint }) => cli::print_env(endpoint)?,
        Some(Command::Health(options)) => health_command::run(options)?,
        Some(Command::Exec(options)) => return exec::run(options),
        None if cli.version => cli::print_version()?,
        None if cli.plugins => cli::print_plugins(plugins)?,
        None => serve::run(plugins, &cli.serve)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

type Result<T> = std::result::Result<T, Failure>;
