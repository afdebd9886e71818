//! `cartonym exec`: a command that is in DNS for as long as it runs.

mod command;
mod registration;

use std::ffi::OsString;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep_until};

use crate::Result;
use crate::client::{CallError, Client};
use crate::failure::Failure;
use crate::serve::{Least, log_to_stderr};

use command::{Command, Passed, SpawnError, Told};
use registration::Registration;

/// Which command to run, and as what it is registered.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExecOptions {
    /// The service: its DNS name, its id, or its name with --namespace.
    #[arg(long)]
    service: String,
    /// The namespace: its name or id.
    #[arg(long)]
    namespace: Option<String>,
    /// Where the API is.
    #[arg(long, env = "AWS_ENDPOINT_URL_SERVICEDISCOVERY", default_value = "http://127.0.0.1:8053")]
    endpoint: String,
    /// The port that the command listens on.
    #[arg(long)]
    port: Option<u16>,
    /// The address of this host; that on the way to the API if left out, or on the way out where the API is on this host.
    #[arg(long)]
    address: Option<IpAddr>,
    /// The instance's id; the host's name and the port, or else the process id, if left out.
    #[arg(long)]
    id: Option<String>,
    /// An attribute of the instance; may be given several times.
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = key_value)]
    attributes: Vec<(String, String)>,
    /// How long the instance lasts when this process is gone without a word; 0s for ever.
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = duration)]
    ttl: Duration,
    /// How long it stays in the API after the end; never shorter than the longest TTL of the service's records.
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = duration)]
    drain: Duration,
    /// How long the command goes on, out of DNS, before a signal that asks it to end is passed to it.
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = duration)]
    linger: Duration,
    /// How long an API that does not answer is tried before the command is not started.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration)]
    retry: Duration,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Why a command was not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecError {
    /// It is not registered.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It cannot be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A signal came before it was started.
    #[error("ended by a signal before the command was started")]
    Early(Passed),
}

impl ExecError {
    /// What this process ends with, as timeout(1) and env(1) do.
    pub(crate) fn status(&self) -> u8 {
        match self {
            ExecError::Call(_) => 125,
            ExecError::Spawn(error) => error.status(),
            ExecError::Early(signal) => signal.status(),
        }
    }
}

/// Runs the command; ends as it does.
pub(crate) fn run(options: &ExecOptions) -> Result<ExitCode> {
    log_to_stderr(Least::Warning);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Start(error.to_string()))?;
    let ended = runtime.block_on(watch(options));
    // A name that nobody resolves any more in time is no reason to stay.
    runtime.shutdown_background();
    ended.map(ExitCode::from)
}

async fn watch(options: &ExecOptions) -> Result<u8> {
    let mut command = Command::new(&options.command)?;
    let client = Client::new(&options.endpoint).map_err(ExecError::from)?;
    let mut registration = Registration::new(client);
    let begun = tokio::select! {
        begun = registration.begin(options) => begun.map_err(ExecError::from),
        signal = command.ended_early() => Err(ExecError::Early(signal)),
    };
    if let Err(error) = begun.and_then(|()| Ok(command.start()?)) {
        registration.end().await;
        return Err(error.into());
    }
    let status = run_to_end(&mut command, &mut registration, options.linger).await;
    // What has ended needs no time; where a signal came before, it is done already.
    registration.end().await;
    Ok(status)
}

async fn run_to_end(command: &mut Command, registration: &mut Registration, linger: Duration) -> u8 {
    // A signal that is to be passed on, and when.
    let mut held: Option<(Passed, Instant)> = None;
    loop {
        let release = held.map_or_else(Instant::now, |(_, when)| when);
        let told = tokio::select! {
            told = command.next() => told,
            () = registration.beat() => continue,
            () = sleep_until(release), if held.is_some() => match held.take() {
                Some((signal, _)) => Told::Signal(signal),
                None => continue,
            },
        };
        match told {
            Told::Ended(status) => return status,
            // Who asks for the end is not kept waiting twice.
            Told::Signal(signal) if signal.asks_for_end() && !registration.is_ended() => {
                registration.end().await;
                held = Some((signal, Instant::now() + linger));
            }
            Told::Signal(signal) => {
                // What was held asks for nothing else.
                held = held.filter(|_| !signal.asks_for_end());
                command.pass(signal);
            }
        }
    }
}

fn key_value(text: &str) -> std::result::Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is meant")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    let seconds = || text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()));
    let parsed = cartonym::corefile::parse_duration(text).or_else(seconds);
    parsed.ok_or_else(|| "a duration is written as `300ms`, `5s` or `1h30m`".to_owned())
}
