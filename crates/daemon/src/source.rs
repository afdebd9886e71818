//! Where the configuration comes from: a file, standard input, or the command line.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cartonym::corefile::{Corefile, Filesystem};

use crate::Result;
use crate::cli::ServeOptions;
use crate::failure::Failure;

/// Where the configuration comes from, each time it is read.
pub(crate) enum Source {
    File(PathBuf),
    /// Standard input, which can be read once.
    Stdin {
        text: String,
    },
    /// No Corefile: the words of one, made from the command line.
    Default {
        text: String,
    },
}

impl Source {
    /// What the command line says.
    pub(crate) fn of(options: &ServeOptions) -> Result<Source> {
        match &options.conf {
            Some(path) if path.as_os_str() == "stdin" => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Failure::File { path: "stdin".to_owned(), error })?;
                Ok(Source::Stdin { text })
            }
            Some(path) => Ok(Source::File(path.clone())),
            None if Path::new("Corefile").exists() => Ok(Source::File("Corefile".into())),
            None => Ok(Source::Default { text: default_corefile(options) }),
        }
    }

    /// Reads it, with what it imports.
    pub(crate) fn parse(&self) -> Result<Corefile> {
        let (name, text) = match self {
            Source::File(path) => {
                let name = path.display().to_string();
                let text =
                    fs::read_to_string(path).map_err(|error| Failure::File { path: name.clone(), error })?;
                (name, text)
            }
            Source::Stdin { text } => ("stdin".to_owned(), text.clone()),
            Source::Default { text } => ("the command line".to_owned(), text.clone()),
        };
        let corefile = Corefile::parse(&name, &text, &Filesystem)?;
        if corefile.servers.is_empty() {
            let warnings = corefile.warnings;
            let corefile = Corefile::parse("an empty Corefile", "whoami\nlog\n", &Filesystem)?;
            return Ok(Corefile { warnings, ..corefile });
        }
        Ok(corefile)
    }
}

/// Says what is doubtful in a Corefile that is about to be served.
pub(crate) fn warn(corefile: &Corefile) {
    for warning in &corefile.warnings {
        tracing::warn!("{warning}");
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
