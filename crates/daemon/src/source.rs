//! Where the configuration comes from: a file, standard input, or the command line.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cartonym::corefile::{Corefile, Filesystem, Word};

use crate::Result;
use crate::backend::DEFAULT_FOLDER;
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
        /// The registry's folder.
        data: String,
    },
}

impl Source {
    /// What the command line says.
    pub(crate) fn of(options: &ServeOptions) -> Result<Source> {
        match &options.conf {
            Some(path) => Source::at(path),
            None if Path::new("Corefile").exists() => match options.without_corefile() {
                Some(option) => Err(Failure::Ignored(option)),
                None => Ok(Source::File("Corefile".into())),
            },
            None => Ok(default_corefile(options)),
        }
    }

    /// A file, or `stdin`.
    pub(crate) fn at(path: &Path) -> Result<Source> {
        if path.as_os_str() != "stdin" {
            return Ok(Source::File(path.to_owned()));
        }
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| Failure::File { path: "stdin".to_owned(), error })?;
        Ok(Source::Stdin { text })
    }

    /// Reads it, with what it imports.
    pub(crate) fn parse(&self) -> Result<Corefile> {
        let (name, text) = match self {
            Source::File(path) => {
                let name = path.display().to_string();
                let text = fs::read_to_string(path)
                    .map_err(|error| Failure::Corefile { path: name.clone(), error })?;
                (name, text)
            }
            Source::Stdin { text } => ("stdin".to_owned(), text.clone()),
            Source::Default { text, data } => {
                let mut corefile = Corefile::parse(COMMAND_LINE, text, &Filesystem)?;
                keep_in(&mut corefile, data);
                return Ok(corefile);
            }
        };
        let corefile = Corefile::parse(&name, &text, &Filesystem)?;
        if corefile.servers.is_empty() {
            let warnings = corefile.warnings;
            let corefile = Corefile::parse("an empty Corefile", ". {\nwhoami\nlog\n}\n", &Filesystem)?;
            return Ok(Corefile { warnings, ..corefile });
        }
        Ok(corefile)
    }
}

/// Says what is doubtful in a Corefile that is about to be served.
pub(crate) fn warn(corefile: &Corefile) {
    for warning in &corefile.warnings {
        tracing::warn!("{}", warning.in_full());
    }
}

/// The Corefile of a daemon that has none.
fn default_corefile(options: &ServeOptions) -> Source {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let dns = options.dns.unwrap_or(loopback(options.dns_port.unwrap_or(5300)));
    let api = options.api.unwrap_or(loopback(8053));
    let data = options.data.as_deref().unwrap_or(Path::new(DEFAULT_FOLDER)).display();
    let text = format!(
        ".:{} {{\n    bind {}\n    registry {{\n        backend embedded\n        api {api}\n        endpoint sd.cartonym.internal\n    }}\n    errors\n}}\n",
        dns.port(),
        dns.ip(),
    );
    Source::Default { text, data: data.to_string() }
}

/// Names the registry's folder. In the text, quotes and what looks like a variable would mean something else.
fn keep_in(corefile: &mut Corefile, folder: &str) {
    let blocks = corefile.servers.iter_mut().flat_map(|server| &mut server.directives);
    for entry in blocks.filter_map(|directive| directive.block.as_mut()).flatten() {
        if entry.name() == "backend" {
            let word = Word { text: folder.to_owned(), ..entry.name.clone() };
            entry.args.push(word);
        }
    }
}

/// The file that a Corefile stands in which nobody wrote.
pub(crate) const COMMAND_LINE: &str = "the command line";
