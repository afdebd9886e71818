//! The one place where errors become words and an exit code.

use std::io;
use std::process::ExitCode;

use cartonym::corefile;

use crate::configuration::ConfigurationError;
use crate::registries::{OpenError, report};

/// Why the program ends before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The Corefile is not there, or not to be read.
    #[error("{path}: {error}")]
    File { path: String, error: io::Error },
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// An address is not to be had, or something else of the system's.
    #[error("{0}")]
    Start(String),
    /// Standard output is gone.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// A second signal came before the end that the first had asked for.
    #[error("ended before all was answered")]
    Killed,
    /// The master file does not say which zone it is of.
    #[error("{0} does not say in full whose SOA it has; name the zone behind the file")]
    Origin(String),
    /// A master file is wrong; what with has been said.
    #[error("{origin} would not be served: {errors} errors, {warnings} warnings")]
    Zone { origin: String, errors: usize, warnings: usize },
    /// The demonstration did not go as it should.
    #[error("the demonstration failed: {0}")]
    Demo(String),
}

impl Failure {
    /// Says what is wrong and what would be right, on standard error.
    #[allow(clippy::print_stderr)]
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("cartonym: {}", report(self));
        if let Failure::Configuration(error) = self
            && let Some(help) = help(error)
        {
            eprintln!("  help: {help}");
        }
        match self {
            // CoreDNS's exit code for those who ask twice.
            Failure::Killed => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

fn help(error: &ConfigurationError) -> Option<&str> {
    let error = match error {
        ConfigurationError::Corefile(error)
        | ConfigurationError::Registry(OpenError::Directive(error) | OpenError::Backend(error)) => error,
    };
    error.help.as_deref()
}

impl From<corefile::Error> for Failure {
    fn from(error: corefile::Error) -> Failure {
        Failure::Configuration(error.into())
    }
}
