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
mod check_zone;
mod cli;
mod configuration;
mod daemon;
mod demo;
mod directives;
mod encryption;
mod endpoint;
mod failure;
mod faults;
mod health;
mod process;
mod registries;
mod reload;
mod serve;
mod signals;
mod source;
mod surface;
mod timeouts;

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
        .with::<registries::RegistryDirective>()
}

/// Runs the program with these plugins, as its command line says.
pub fn main(plugins: Plugins) -> ExitCode {
    let cli = Cli::parse_from(cli::with_long_dashes(std::env::args()));
    let result = match cli.command {
        Some(Command::Serve(options)) => serve::run(&plugins, &options),
        Some(Command::Check { file }) => serve::check(&plugins, &file),
        Some(Command::CheckZone(options)) => check_zone::run(&options),
        Some(Command::Demo { keep }) => demo::run(&plugins, keep),
        Some(Command::Env { endpoint }) => cli::print_env(&endpoint),
        None if cli.version => cli::print_version(),
        None if cli.plugins => cli::print_plugins(&plugins),
        None => serve::run(&plugins, &cli.serve),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

type Result<T> = std::result::Result<T, Failure>;
