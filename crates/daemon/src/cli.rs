//! The command line: our own commands, and CoreDNS's flags with their one dash.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use cartonym::plugins::Plugins;
use cartonym::wire::NameBuf;
use clap::{Args, Parser, Subcommand};

use crate::{Result, VERSION};

/// Service discovery through the AWS Cloud Map API, and DNS that answers it.
#[derive(Parser, Debug)]
#[command(name = "cartonym", disable_version_flag = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeOptions,
    /// Print the version and exit.
    #[arg(long)]
    pub(crate) version: bool,
    /// Print the plugins in their order of execution and exit.
    #[arg(long)]
    pub(crate) plugins: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Serve DNS and the Cloud Map API, as a Corefile says, or with none on loopback.
    Serve(ServeOptions),
    /// Read a Corefile and print what would be served; opens nothing.
    Check {
        /// The Corefile.
        #[arg(default_value = "Corefile")]
        file: PathBuf,
    },
    /// Read a master file and print what is wrong with it; a zone with an error would not be served.
    CheckZone(CheckZoneOptions),
    /// Show service discovery at work, from the first namespace to the last instance, in one process.
    Demo {
        /// Go on serving when the story is told.
        #[arg(long)]
        keep: bool,
    },
    /// Print what the AWS CLI and SDKs need in their environment.
    Env {
        /// Where the API is.
        #[arg(default_value = "http://127.0.0.1:8053")]
        endpoint: String,
    },
}

/// Which zone to check, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckZoneOptions {
    /// The master file.
    pub(crate) file: PathBuf,
    /// The zone's name; that of its SOA if the file says it in full.
    pub(crate) origin: Option<NameBuf>,
    /// Take warnings for errors.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// How to serve.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeOptions {
    /// The Corefile; `./Corefile` if it is there. `stdin` reads standard input.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) conf: Option<PathBuf>,
    /// The port of servers that name none.
    #[arg(short = 'p', long = "dns-port", default_value_t = 53, value_name = "PORT")]
    pub(crate) dns_port: u16,
    /// Write the process id to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,
    /// Print nothing at the start.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Where the registry is kept, without a Corefile.
    #[arg(long, default_value = crate::backend::DEFAULT_FOLDER, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where DNS listens, without a Corefile.
    #[arg(long, default_value = "127.0.0.1:5300", value_name = "ADDRESS")]
    pub(crate) dns: Option<SocketAddr>,
    /// Where the API listens, without a Corefile.
    #[arg(long, default_value = "127.0.0.1:8053", value_name = "ADDRESS")]
    pub(crate) api: Option<SocketAddr>,
}

/// CoreDNS's flags begin with one dash; so that both are read, they get their second.
pub(crate) fn with_long_dashes(args: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    args.map(|arg| {
        let (flag, value) =
            arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value)));
        let long = match flag {
            "-conf" => "--conf",
            "-dns.port" => "--dns-port",
            "-pidfile" => "--pidfile",
            "-plugins" => "--plugins",
            "-quiet" => "--quiet",
            "-version" => "--version",
            _ => return arg,
        };
        value.map_or_else(|| long.to_owned(), |value| format!("{long}={value}"))
    })
}

pub(crate) fn print_version() -> Result<()> {
    writeln!(std::io::stdout(), "cartonym-{VERSION}")?;
    Ok(())
}

pub(crate) fn print_plugins(plugins: &Plugins) -> Result<()> {
    for name in plugins.names() {
        writeln!(std::io::stdout(), "dns.{name}")?;
    }
    Ok(())
}

/// Local endpoints have no `data-` twin, which DiscoverInstances would be sent to.
pub(crate) fn print_env(endpoint: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{}", environment(endpoint))?;
    Ok(())
}

pub(crate) fn environment(endpoint: &str) -> String {
    format!(
        "export AWS_ENDPOINT_URL_SERVICEDISCOVERY={endpoint}\n\
         export AWS_DISABLE_HOST_PREFIX_INJECTION=true\n\
         export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1"
    )
}
