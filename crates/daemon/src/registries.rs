//! The `registry` directive: where a registry is kept, and where its API listens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cartonym::corefile::{Corefile, Directive, Error};
use cartonym::health::Checker;
use cartonym::plugin::{Configure, Place, Setup};
use cartonym::plugins::registry::Records;
use cartonym::registry::{Backend, DnsOptions, Options, Registry};
use cartonym::wire::{NameBuf, Ttl};
use cartonym::zone::{RecordTable, Tables};
use parking_lot::Mutex;

use crate::backend::BackendSettings;
use crate::endpoint::Endpoint;
use crate::health::HealthSettings;

/// What a `registry` directive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) backend: BackendSettings,
    pub(crate) api: Option<SocketAddr>,
    pub(crate) account: String,
    pub(crate) region: String,
    soa_ttl: Option<u32>,
    max_answers: Option<u16>,
    name_server: Option<String>,
    /// The API's name in DNS.
    endpoint: Option<String>,
    custom_health_delay: Duration,
    health: HealthSettings,
}

/// A registry that is open.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) settings: Arc<Settings>,
    pub(crate) registry: Registry,
    backend: Arc<dyn Backend>,
    /// Held, so that the checks go on.
    _checker: Arc<Checker>,
}

impl Open {
    /// Whether both are one registry under one set of settings.
    pub(crate) fn is(&self, other: &Open) -> bool {
        self.settings == other.settings && Arc::ptr_eq(&self.backend, &other.backend)
    }
}

/// The registries of one configuration, by what their directives say.
#[derive(Default)]
pub(crate) struct Registries {
    // Taken while configuring only.
    open: Mutex<Vec<Open>>,
}

/// Turns the directive into the plugin that answers from its registry.
pub(crate) struct RegistryDirective;

impl Configure for RegistryDirective {
    const NAME: &'static str = "registry";
    // Where CoreDNS has its own sources of records that come from elsewhere.
    const PLACE: Place = Place::Before("hosts");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        let settings = Settings::parse(directive)?;
        if let (Some(name), Some(api)) = (&settings.endpoint, settings.api) {
            let endpoint = name.parse().and_then(|name: NameBuf| Endpoint::new(&name, api));
            setup.plugin(endpoint.map_err(|error| directive.error(format!("endpoint {name}: {error}")))?);
        }
        let registries = setup.shared.get::<Registries>();
        let table = registries.find(&settings).map(|open| Arc::clone(open.registry.table()));
        // Where the configuration is only looked at, nothing is open, and an empty table does.
        let table = table.unwrap_or_else(|| Arc::new(RecordTable::new(0)));
        // For whoever sends zones to others.
        setup.in_block::<Tables>().add(Arc::clone(&table));
        setup.plugin(Records::of(table));
        Ok(())
    }
}

impl Registries {
    /// Opens what the configuration's directives name; two that say the same are one registry.
    ///
    /// What is among `before` is taken from there: a store is locked by its process, so it is neither opened twice nor
    /// closed in between.
    ///
    /// # Errors
    ///
    /// What a directive has wrong, or a backend says.
    pub(crate) async fn open(&self, corefile: &Corefile, before: &[Open]) -> Result<(), OpenError> {
        for directive in corefile.servers.iter().flat_map(|server| server.named(RegistryDirective::NAME)) {
            let settings = Settings::parse(directive)?;
            if self.find(&settings).is_some() {
                continue;
            }
            let last_seen =
                |settings: &Settings| settings.backend.last_seen().map(|last_seen| last_seen.path.clone());
            if let Some(path) = last_seen(&settings)
                && self.all().iter().any(|open| last_seen(&open.settings).as_ref() == Some(&path))
            {
                let message =
                    format!("another registry is kept in {}; `last_seen` names a file", path.display());
                return Err(OpenError::Directive(directive.error(message)));
            }
            let is_kept = settings.backend != BackendSettings::Memory;
            if is_kept && self.all().iter().any(|open| open.settings.backend == settings.backend) {
                let message = format!("the registry in {} is set up otherwise before", settings.backend);
                return Err(OpenError::Directive(directive.error(message)));
            }
            let opened = match self.left_of(before, &settings) {
                Some(open) if *open.settings == settings => Ok(open),
                // The same records under other settings.
                Some(open) => settings.open_on(open.backend).await,
                None => settings.open().await,
            };
            let open = opened.map_err(|error| OpenError::Backend(directive.error(error)))?;
            self.open.lock().push(open);
        }
        Ok(())
    }

    /// One of `before` that no directive has taken yet: with these settings, or else in the same place.
    fn left_of(&self, before: &[Open], settings: &Settings) -> Option<Open> {
        let taken = self.all();
        let is_taken = |open: &Open| taken.iter().any(|other| Arc::ptr_eq(&other.backend, &open.backend));
        let left = || before.iter().filter(|open| !is_taken(open));
        let same = left().find(|open| *open.settings == *settings);
        same.or_else(|| left().find(|open| open.settings.backend == settings.backend)).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Open> {
        self.open.lock().clone()
    }

    fn find(&self, settings: &Settings) -> Option<Open> {
        self.open.lock().iter().find(|open| *open.settings == *settings).cloned()
    }
}

/// Why registries are not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The directive is wrong.
    #[error(transparent)]
    Directive(#[from] Error),
    /// The backend said why.
    #[error(transparent)]
    Backend(Error),
}

impl Settings {
    fn parse(directive: &Directive) -> Result<Settings, Error> {
        directive.no_args()?;
        let mut settings = Settings {
            backend: BackendSettings::default(),
            api: None,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            soa_ttl: None,
            max_answers: None,
            name_server: None,
            endpoint: None,
            custom_health_delay: Duration::ZERO,
            health: HealthSettings::default(),
        };
        for entry in directive.block_entries() {
            settings.entry(entry)?;
        }
        Ok(settings)
    }

    fn entry(&mut self, entry: &Directive) -> Result<(), Error> {
        match entry.name() {
            "backend" => self.backend = BackendSettings::parse(entry)?,
            "api" => self.api = Some(entry.one_arg()?.parse("an address and port, such as 127.0.0.1:8053")?),
            "account" => {
                let word = entry.one_arg()?;
                if word.as_str().len() != 12 || !word.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(word.error("an account has twelve digits"));
                }
                self.account = word.as_str().to_owned();
            }
            "region" => self.region = entry.one_arg()?.as_str().to_owned(),
            "soa_ttl" => self.soa_ttl = Some(entry.one_arg()?.parse("a number of seconds")?),
            "max_answers" => {
                let word = entry.one_arg()?;
                let most: u16 = word.parse("a number from 1 to 1000")?;
                if !(1..=1000).contains(&most) {
                    return Err(word.error("a number from 1 to 1000 is meant"));
                }
                self.max_answers = Some(most);
            }
            "name_server" => {
                let word = entry.one_arg()?;
                let name: NameBuf = word.parse("a domain name")?;
                self.name_server = Some(name.to_string());
            }
            "endpoint" => {
                let word = entry.one_arg()?;
                let name: NameBuf = word.parse("a domain name")?;
                self.endpoint = Some(name.to_string());
            }
            "custom_health_delay" => self.custom_health_delay = entry.one_arg()?.duration()?,
            name if HealthSettings::PROPERTIES.contains(&name) => self.health.entry(entry)?,
            name if BackendSettings::PROPERTIES.contains(&name) => self.backend.entry(entry)?,
            _ => {
                let all =
                    [&PROPERTIES[..], &BackendSettings::PROPERTIES, &HealthSettings::PROPERTIES].concat();
                return Err(entry.unexpected_property(&all));
            }
        }
        Ok(())
    }

    async fn open(&self) -> Result<Open, String> {
        let backend = self.backend.open()?;
        self.open_on(backend).await
    }

    async fn open_on(&self, backend: Arc<dyn Backend>) -> Result<Open, String> {
        let registry = Registry::open(Arc::clone(&backend), self.options()).await;
        let registry = registry.map_err(|error| report(&error))?;
        let checker = Arc::new(self.health.start(&registry));
        Ok(Open { settings: Arc::new(self.clone()), registry, backend, _checker: checker })
    }

    fn options(&self) -> Options {
        let mut dns = DnsOptions::default();
        if let Some(ttl) = self.soa_ttl {
            dns.soa_ttl = Ttl::from_secs(ttl);
        }
        if let Some(most) = self.max_answers {
            dns.max_answers = most;
        }
        if let Some(name) = self.name_server.as_ref().and_then(|name| name.parse().ok()) {
            dns.name_server = name;
        }
        let mut options = Options {
            dns,
            custom_health_delay: self.custom_health_delay,
            last_seen: self.backend.last_seen().cloned(),
            ..Options::default()
        };
        self.health.apply(&mut options);
        options
    }
}

/// An error and what caused it, on one line.
pub(crate) fn report(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

const PROPERTIES: [&str; 9] = [
    "backend",
    "api",
    "endpoint",
    "account",
    "region",
    "soa_ttl",
    "max_answers",
    "name_server",
    "custom_health_delay",
];
