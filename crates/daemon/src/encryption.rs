//! `tls`: what a block's listeners show their clients, and want to see of them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cartonym::corefile::{Directive, Error, Word};
use cartonym::plugin::{Configure, Place, Setup};
use cartonym::server::{ClientCertificates, Tls, TlsError};

use crate::failure::Failure;
use crate::registries::report;

/// `tls CERT KEY [CA] { client_auth ...; keylog FILE }`.
pub(crate) struct TlsDirective;

/// What a block's `tls` has left there, if it has one.
#[derive(Default)]
pub(crate) struct Encryption(OnceLock<Identity>);

/// Certificates and their key.
#[derive(Clone)]
pub(crate) struct Identity {
    tls: Tls,
    words: Words,
}

/// By which two identities are told apart.
#[derive(Clone, PartialEq, Eq)]
struct Words {
    certificates: PathBuf,
    key: PathBuf,
    clients: ClientCertificates,
    key_log: Option<PathBuf>,
}

impl Encryption {
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.0.get()
    }
}

impl Identity {
    /// What the server needs; begins the log of keys where one is asked for.
    pub(crate) fn open(&self) -> Result<Tls, Failure> {
        let Some(path) = &self.words.key_log else { return Ok(self.tls.clone()) };
        tracing::warn!("{} receives the keys of all connections", path.display());
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|error| Failure::File { path: path.display().to_string(), error })?;
        Ok(self.tls.key_log(file))
    }

    /// Whether both say the same.
    pub(crate) fn is(&self, other: &Identity) -> bool {
        self.words == other.words
    }
}

impl Configure for TlsDirective {
    const NAME: &'static str = "tls";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        let words = directive.arg_count(2..=3)?;
        let [certificate, key, ..] = words else { return Err(directive.error("`tls` takes CERT and KEY")) };
        let (mut clients, mut key_log) = (ClientCertificates::None, None);
        let mut seen: Vec<&Directive> = Vec::new();
        for property in directive.block_entries() {
            if let Some(first) = seen.iter().find(|first| first.name() == property.name()) {
                return Err(property.repeated(first));
            }
            seen.push(property);
            match property.name() {
                "client_auth" => clients = client_certificates(property.one_arg()?, words.get(2), setup)?,
                "keylog" => key_log = Some(setup.path(property.one_arg()?.as_str())),
                _ => return Err(property.unexpected_property(&["client_auth", "keylog"])),
            }
        }
        if let Some(authorities) = words.get(2) {
            read(&setup.path(authorities.as_str()), authorities)?;
        }
        let paths = (setup.path(certificate.as_str()), setup.path(key.as_str()));
        let tls = Tls::new(&read(&paths.0, certificate)?, &read(&paths.1, key)?, &clients);
        let tls = tls.map_err(|error| {
            let word = match error {
                TlsError::Key(_) | TlsError::Mismatch => key,
                TlsError::Authorities(_) => words.get(2).unwrap_or(certificate),
                _ => certificate,
            };
            word.error(format!("{word}: {}", report(&error)))
        })?;
        let words = Words { certificates: paths.0, key: paths.1, clients, key_log };
        // There is only one `tls`, so that this is the first.
        let _ = setup.in_block::<Encryption>().0.set(Identity { tls, words });
        Ok(())
    }
}

fn client_certificates(
    word: &Word,
    authorities: Option<&Word>,
    setup: &Setup<'_>,
) -> Result<ClientCertificates, Error> {
    let authorities = || match authorities {
        Some(file) => read(&setup.path(file.as_str()), file),
        None => Err(word
            .error(format!("`{word}` needs the certificates of those who vouch for clients"))
            .help("they are the third argument: `tls CERT KEY CA`")),
    };
    Ok(match word.one_of(&["nocert", "request", "require", "verify_if_given", "require_and_verify"])? {
        "request" => ClientCertificates::Requested,
        "require" => ClientCertificates::Required,
        "verify_if_given" => ClientCertificates::VerifiedIfGiven(authorities()?),
        "require_and_verify" => ClientCertificates::Verified(authorities()?),
        _ => ClientCertificates::None,
    })
}

fn read(path: &Path, word: &Word) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| word.error(format!("cannot read {}: {error}", path.display())))
}
