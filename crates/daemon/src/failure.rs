//! The one place where errors become words and an exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use cartonym::corefile;

use crate::client::CallError;
use crate::configuration::ConfigurationError;
use crate::counted::counted;
use crate::exec::ExecError;
use crate::registries::{OpenError, report};
use crate::source::COMMAND_LINE;

/// Why the program ends before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The Corefile is not there, or not to be read.
    #[error("the Corefile {path} cannot be read: {error}")]
    Corefile { path: String, error: io::Error },
    /// Two Corefiles are to be checked.
    #[error("`-conf` names {} and `check` names {}; name one", conf.display(), file.display())]
    TwoCorefiles { conf: PathBuf, file: PathBuf },
    /// An option of `serve` stands before a command.
    #[error(
        "an option of `serve` stands before the command, which does not read it there; those of a command stand behind it"
    )]
    Misplaced,
    /// A file is not there, or not to be read or written.
    #[error("{path}: {error}")]
    File { path: String, error: io::Error },
    /// An option is given that a Corefile leaves no say.
    #[error(
        "{0} is for serving without a Corefile, and here is ./Corefile, which decides; leave {0} out, or go to another folder"
    )]
    Ignored(&'static str),
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// An address is not to be had, or something else of the system's.
    #[error("{0}")]
    Start(String),
    /// Standard output is gone.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// A plugin has a defect.
    #[error("a plugin panicked over the configuration; the log says where")]
    Panicked,
    /// A second signal came before the end that the first had asked for.
    #[error("ended before all was answered")]
    Killed,
    /// The master file does not say which zone it is of.
    #[error("{0} does not say in full whose SOA it has; name the zone behind the file")]
    Origin(String),
    /// A master file is wrong; what with has been said.
    #[error("{origin} would not be served: {}, {}", counted(*errors, "error"), counted(*warnings, "warning"))]
    Zone { origin: String, errors: usize, warnings: usize },
    /// A command was not run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The API did not do what it was asked for.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Records that are not exported, imported or kept, and why.
    #[error("{0}")]
    Records(String),
    /// The demonstration did not go as it should.
    #[error("the demonstration failed: {0}")]
    Demo(String),
}

impl Failure {
    /// Says what is wrong and what would be right, on standard error.
    #[allow(clippy::print_stderr)]
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("cartonym: {}", self.what());
        if let Some(help) = self.help() {
            eprintln!("  help: {help}");
        }
        match self {
            // CoreDNS's exit code for those who ask twice.
            Failure::Killed => ExitCode::from(2),
            Failure::Exec(error) => ExitCode::from(error.status()),
            _ => ExitCode::FAILURE,
        }
    }

    /// What is wrong and what would be right, on one line.
    pub(crate) fn in_full(&self) -> String {
        self.help().map_or_else(|| self.what(), |help| format!("{} ({help})", self.what()))
    }

    fn what(&self) -> String {
        match self.in_corefile() {
            // Nobody wrote the lines that its place is in.
            Some(error) if *error.position.file == *COMMAND_LINE => error.message.clone(),
            _ => report(self),
        }
    }

    fn help(&self) -> Option<&str> {
        self.in_corefile()?.help.as_deref()
    }

    /// The mistake, if it is one in a Corefile.
    fn in_corefile(&self) -> Option<&corefile::Error> {
        match self {
            Failure::Configuration(
                ConfigurationError::Corefile(error)
                | ConfigurationError::Registry(OpenError::Directive(error) | OpenError::Backend(error)),
            ) => Some(error),
            _ => None,
        }
    }
}

impl From<corefile::Error> for Failure {
    fn from(error: corefile::Error) -> Failure {
        Failure::Configuration(error.into())
    }
}
