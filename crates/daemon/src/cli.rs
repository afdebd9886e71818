//! The command line: our own commands, and CoreDNS's flags with their one dash.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cartonym::plugins::Plugins;
use cartonym::wire::NameBuf;
use clap::{Args, Parser, Subcommand};

use crate::exec::ExecOptions;
use crate::failure::Failure;
use crate::health_command::HealthOptions;
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
        /// The Corefile; that of `-conf` before the command, or else ./Corefile, if left out.
        file: Option<PathBuf>,
    },
    /// Read a master file and print what is wrong with it; a zone with an error would not be served.
    CheckZone(CheckZoneOptions),
    /// Write what a registry holds as lines of JSON.
    Export {
        #[command(flatten)]
        place: Place,
        /// The file; standard output if left out, or `-`.
        to: Option<PathBuf>,
    },
    /// Put what was exported into a registry, each record in the place of the one of its key; what else is there stays.
    Import {
        #[command(flatten)]
        place: Place,
        /// The file; standard input if left out, or `-`.
        from: Option<PathBuf>,
    },
    /// Make a store of what a registry holds, also while that is served.
    Backup {
        #[command(flatten)]
        place: Place,
        /// The new store's folder, which must not be there.
        to: PathBuf,
    },
    /// Make a new store of what can be read of one that is damaged, which stays as it is.
    ///
    /// Ends with status 1 if something is known to be lost; what cannot be read at all cannot be counted, and what can is not
    /// verified.
    Repair {
        /// The folder of the damaged store.
        folder: PathBuf,
        /// The new store's folder, which must not be there.
        to: PathBuf,
    },
    /// Show service discovery at work, from the first namespace to the last instance, in one process.
    Demo {
        /// Go on serving when the story is told.
        #[arg(long)]
        keep: bool,
    },
    /// Run a command that is in DNS for as long as it runs: register it, pass signals on, deregister it at its end.
    ///
    /// Ends with the command's status, 128 and more for a signal; 127 if there is no such command, 126 if it cannot be run, and
    /// 125 if it cannot be registered. As the first process of a container it reaps what others leave behind.
    Exec(ExecOptions),
    /// Print how a service's instances are, since when, and why.
    Health(HealthOptions),
    /// Print what the AWS CLI and SDKs need in their environment.
    Env {
        /// Where the API is.
        #[arg(default_value = "http://127.0.0.1:8053")]
        endpoint: String,
    },
}

/// Where a registry is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// The folder of an embedded registry that nobody serves.
    #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
    pub(crate) data: Option<PathBuf>,
    /// The API of a server that runs; AWS_ENDPOINT_URL_SERVICEDISCOVERY if left out, or else http://127.0.0.1:8053.
    #[arg(long, value_name = "ENDPOINT")]
    url: Option<String>,
}

impl Place {
    /// The API of the server, where no folder is named.
    // Not clap's to read: what is in the environment is not in conflict with a folder that is named.
    pub(crate) fn url(&self) -> String {
        let url = self.url.clone().or_else(|| std::env::var("AWS_ENDPOINT_URL_SERVICEDISCOVERY").ok());
        url.unwrap_or_else(|| "http://127.0.0.1:8053".to_owned())
    }
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
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServeOptions {
    /// The Corefile; `./Corefile` if it is there. `stdin` reads standard input.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) conf: Option<PathBuf>,
    /// The port of servers that name none; 53 if left out, or without a Corefile 5300.
    #[arg(short = 'p', long = "dns-port", value_name = "PORT", conflicts_with = "dns")]
    pub(crate) dns_port: Option<u16>,
    /// Write the process id to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) pidfile: Option<PathBuf>,
    /// Print nothing at the start.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Where the registry is kept, without a Corefile; ./cartonym-data if left out.
    #[arg(long, value_name = "DIR", conflicts_with = "conf")]
    pub(crate) data: Option<PathBuf>,
    /// Where DNS listens, without a Corefile; 127.0.0.1:5300 if left out.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "conf")]
    pub(crate) dns: Option<SocketAddr>,
    /// Where the API listens, without a Corefile; 127.0.0.1:8053 if left out.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "conf")]
    pub(crate) api: Option<SocketAddr>,
}

impl ServeOptions {
    /// An option that only a server without a Corefile has, if one is given.
    pub(crate) fn without_corefile(&self) -> Option<&'static str> {
        let given =
            [("--data", self.data.is_some()), ("--dns", self.dns.is_some()), ("--api", self.api.is_some())];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}

impl Cli {
    /// The Corefile to check, which is named before the command or behind it.
    pub(crate) fn to_check(&self, file: Option<&Path>) -> Result<PathBuf> {
        match (self.serve.conf.as_deref(), file) {
            (Some(conf), Some(file)) if conf != file => {
                Err(Failure::TwoCorefiles { conf: conf.to_owned(), file: file.to_owned() })
            }
            (conf, file) => Ok(file.or(conf).unwrap_or(Path::new("Corefile")).to_owned()),
        }
    }

    /// Refuses what is said of serving before a command that does not read it there.
    pub(crate) fn nothing_before(&self) -> Result<()> {
        let read = match self.command {
            Some(Command::Check { .. }) => {
                ServeOptions { conf: self.serve.conf.clone(), ..ServeOptions::default() }
            }
            Some(_) => ServeOptions::default(),
            None => return Ok(()),
        };
        if self.serve == read { Ok(()) } else { Err(Failure::Misplaced) }
    }
}

/// CoreDNS's flags begin with one dash; so that both are read, they get their second.
pub(crate) fn with_long_dashes(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut is_of_another = false;
    args.map(move |arg| {
        // What stands behind two dashes is another program's.
        is_of_another |= arg == "--";
        let Some(text) = arg.to_str().filter(|_| !is_of_another) else { return arg };
        let (flag, value) = text.split_once('=').map_or((text, None), |(flag, value)| (flag, Some(value)));
        let long = match flag {
            "-conf" => "--conf",
            "-dns.port" => "--dns-port",
            "-pidfile" => "--pidfile",
            "-plugins" => "--plugins",
            "-quiet" => "--quiet",
            "-version" => "--version",
            _ => return arg,
        };
        value.map_or_else(|| long.into(), |value| format!("{long}={value}").into())
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
         export AWS_ACCESS_KEY_ID=\"${{AWS_ACCESS_KEY_ID:-any}}\"\n\
         export AWS_SECRET_ACCESS_KEY=\"${{AWS_SECRET_ACCESS_KEY:-any}}\"\n\
         export AWS_DEFAULT_REGION=\"${{AWS_DEFAULT_REGION:-us-east-1}}\""
    )
}
