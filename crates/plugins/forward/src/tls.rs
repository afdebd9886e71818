//! Upstreams under TLS (RFC 7858): whom to trust, and what to show them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cartonym_plugin::Setup;
use cartonym_plugin::corefile::{Directive, Error, Word};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::resolv::Listed;
use crate::upstream::Target;

/// How an upstream under TLS is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    /// The name in its certificate.
    pub(crate) name: ServerName<'static>,
}

/// `tls [CERT KEY] [CA]` and `tls_servername NAME`.
#[derive(Default)]
pub(crate) struct TlsWords<'a> {
    files: Option<&'a Directive>,
    name: Option<ServerName<'static>>,
}

impl<'a> TlsWords<'a> {
    /// Notes `tls`.
    pub(crate) fn files(&mut self, entry: &'a Directive) -> Result<(), Error> {
        entry.arg_count(0..=3)?;
        self.files = Some(entry);
        Ok(())
    }

    /// Notes `tls_servername`.
    pub(crate) fn name(&mut self, entry: &Directive) -> Result<(), Error> {
        let word = entry.one_arg()?;
        self.name = Some(name(word.as_str()).ok_or_else(|| word.error(format!("`{word}` is not a name")))?);
        Ok(())
    }

    /// The upstreams of `directive`; reads the files if one needs them.
    pub(crate) fn targets(
        self,
        upstreams: Vec<Listed>,
        directive: &Directive,
        setup: &Setup<'_>,
    ) -> Result<Vec<Target>, Error> {
        let mut read = None;
        let mut target = |listed| match listed {
            Listed::Plain(address) => Ok(address.into()),
            Listed::Tls(address, name) => {
                let config = match read.take() {
                    Some(config) => config,
                    None => self.config(directive, setup)?,
                };
                read = Some(Arc::clone(&config));
                // Without a name, the certificate is to have the address.
                let name = name.or_else(|| self.name.clone()).unwrap_or_else(|| address.ip().into());
                Ok(Target { address, tls: Some(Tls { config, name }) })
            }
        };
        upstreams.into_iter().map(&mut target).collect()
    }

    fn config(&self, directive: &Directive, setup: &Setup<'_>) -> Result<Arc<ClientConfig>, Error> {
        let words = self.files.map_or(&[][..], |entry| &entry.args);
        let (identity, authorities) = match words {
            [] => (None, None),
            [authorities] => (None, Some(authorities)),
            [certificate, key, rest @ ..] => (Some((certificate, key)), rest.first()),
        };
        let roots = match authorities {
            Some(word) => chosen_roots(word, setup)?,
            None => system_roots().ok_or_else(|| {
                directive
                    .error("this system has no list of authorities")
                    .help("`tls CA` in the block names a file of their certificates")
            })?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has suites for both versions")
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let private = PrivateKeyDer::from_pem_slice(&read(key, setup)?)
                    .map_err(|error| key.error(format!("{key}: {error}")))?;
                config
                    .with_client_auth_cert(certificates(certificate, setup)?, private)
                    .map_err(|error| key.error(format!("{key} does not fit {certificate}: {error}")))?
            }
        };
        Ok(Arc::new(config))
    }
}

/// The name that a certificate is to have.
pub(crate) fn name(text: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(text.to_owned()).ok()
}

fn chosen_roots(word: &Word, setup: &Setup<'_>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(word, setup)? {
        roots.add(certificate).map_err(|error| word.error(format!("{word}: {error}")))?;
    }
    Ok(roots)
}

/// The system's list; what of it cannot be used is left out.
fn system_roots() -> Option<RootCertStore> {
    let list = SYSTEM_LISTS.iter().find_map(|path| fs::read(Path::new(path)).ok())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&list).filter_map(Result::ok));
    (!roots.is_empty()).then_some(roots)
}

/// At least one certificate.
fn certificates(word: &Word, setup: &Setup<'_>) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(word, setup)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if all.is_empty() => Err(word.error(format!("{word} has no certificate in PEM"))),
        Ok(all) => Ok(all),
        Err(error) => Err(word.error(format!("{word}: {error}"))),
    }
}

fn read(word: &Word, setup: &Setup<'_>) -> Result<Vec<u8>, Error> {
    let path = setup.path(word.as_str());
    fs::read(&path).map_err(|error| word.error(format!("cannot read {}: {error}", path.display())))
}

/// Where Linux systems have the certificates of authorities: Debian, Fedora, SUSE, Alpine.
const SYSTEM_LISTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
