//! The `registry` directive: where a registry is kept, and where its API listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cartonym::cloudmap::AccessKeys;
use cartonym::corefile::{Corefile, Directive, Error, Word};
use cartonym::health::Checker;
use cartonym::plugin::{Configure, Place, Setup};
use cartonym::plugins::registry::Records;
use cartonym::registry::{Backend, DnsOptions, Options, Registry};
use cartonym::wire::{NameBuf, Ttl};
use cartonym::zone::{RecordTable, Tables};
use parking_lot::Mutex;

use crate::backend::BackendSettings;
use crate::directives::Root;
use crate::endpoint::Endpoint;
use crate::health::HealthSettings;

/// What a `registry` directive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) backend: BackendSettings,
    pub(crate) api: Option<SocketAddr>,
    pub(crate) access_keys: AccessKeys,
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
    /// Held, too, so that the checks go on.
    pub(crate) checker: Arc<Checker>,
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
        let settings = Settings::parse(directive, &setup.settings.root)?;
        if let (Some(name), Some(api)) = (&settings.endpoint, settings.api) {
            let endpoint = name.parse().and_then(|name: NameBuf| Endpoint::new(&name, api));
            setup.plugin(endpoint.map_err(|error| directive.error(format!("endpoint {name}: {error}")))?);
        }
        let registries = setup.shared.get::<Registries>();
        let registry = registries.find(&settings).map(|open| open.registry);
        // Where the configuration is only looked at, nothing is open, and an empty table does.
        let table = registry.as_ref().map_or_else(|| Arc::new(RecordTable::new(0)), Arc::from);
        // For whoever sends zones to others.
        setup.in_block::<Tables>().add(Arc::clone(&table));
        let records = Records::of(table);
        setup.plugin(match registry {
            Some(registry) => records.ready_while(registry.goes_on()),
            None => records,
        });
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
        let all = settings(corefile)?;
        // What stays as it is, is nobody else's.
        let changed: Vec<_> = before
            .iter()
            .filter(|open| !all.iter().any(|(_, settings)| *settings == *open.settings))
            .collect();
        for (directive, settings) in &all {
            let last_seen =
                |settings: &Settings| settings.backend.last_seen().map(|last_seen| last_seen.path);
            if let Some(path) = last_seen(settings)
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
            let opened = match before.iter().find(|open| *open.settings == *settings) {
                Some(same) => Ok(same.clone()),
                None => match self.in_place_of(&changed, settings) {
                    // The same records under other settings.
                    Some(open) => settings.open_on(Arc::clone(&open.backend)).await,
                    None => settings.open().await,
                },
            };
            let open = opened.map_err(|error| OpenError::Backend(directive.error(error)))?;
            self.open.lock().push(open);
        }
        Ok(())
    }

    /// Looks at what the configuration's directives name, without opening it; says what there is, in lines.
    ///
    /// # Errors
    ///
    /// As [`Registries::open`].
    pub(crate) fn check(corefile: &Corefile) -> Result<Vec<String>, OpenError> {
        let mut said = Vec::new();
        for (directive, settings) in settings(corefile)? {
            let Settings { api, backend, .. } = &settings;
            said.push(match api {
                Some(api) => format!("http://{api} over {backend}"),
                None => format!("registry over {backend}"),
            });
            said.extend(backend.check().map_err(|error| OpenError::Backend(directive.error(error)))?);
        }
        Ok(said)
    }

    /// Where the APIs of the configuration's registries are to listen.
    ///
    /// # Errors
    ///
    /// What a directive has wrong.
    pub(crate) fn apis(corefile: &Corefile) -> Result<Vec<SocketAddr>, Error> {
        Ok(settings(corefile)?.iter().filter_map(|(_, settings)| settings.api).collect())
    }

    /// One of `changed` in the same place that no directive has taken yet, if there is a choice with the same API.
    fn in_place_of<'o>(&self, changed: &[&'o Open], settings: &Settings) -> Option<&'o Open> {
        let taken = self.all();
        let is_taken = |open: &Open| taken.iter().any(|other| Arc::ptr_eq(&other.backend, &open.backend));
        let left = changed.iter().filter(|open| open.settings.backend == settings.backend && !is_taken(open));
        left.copied().max_by_key(|open| open.settings.api == settings.api)
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
    /// Reads the directive of a block whose relative paths begin at `root`.
    fn parse(directive: &Directive, root: &Path) -> Result<Settings, Error> {
        directive.no_args()?;
        let mut settings = Settings {
            backend: BackendSettings::default(),
            api: None,
            access_keys: AccessKeys::none(),
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
            settings.entry(entry, root)?;
        }
        if settings.api.is_none()
            && let Some(key) = directive.block_entries().iter().find(|entry| entry.name() == "access_key")
        {
            return Err(key.error("there is no `api` that could ask for this key"));
        }
        // If none is named, who is followed may still be found by what the environment says.
        if directive.block_entries().iter().any(|entry| entry.name() == "region") {
            settings.backend.set_region(&settings.region);
        }
        Ok(settings)
    }

    fn entry(&mut self, entry: &Directive, root: &Path) -> Result<(), Error> {
        match entry.name() {
            "backend" => self.backend = BackendSettings::parse(entry)?,
            "api" => self.api = Some(entry.one_arg()?.parse("an address and port, such as 127.0.0.1:8053")?),
            "access_key" => {
                let [id, secret] = entry.arg_count(2..=2)? else {
                    return Err(entry.error("the id of a key and its secret are meant"));
                };
                self.add_key(id, secret)?;
            }
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
            name if BackendSettings::PROPERTIES.contains(&name) => self.backend.entry(entry, root)?,
            _ => {
                let all =
                    [&PROPERTIES[..], &BackendSettings::PROPERTIES, &HealthSettings::PROPERTIES].concat();
                return Err(entry.unexpected_property(&all));
            }
        }
        Ok(())
    }

    fn add_key(&mut self, id: &Word, secret: &Word) -> Result<(), Error> {
        let is_of_id = |byte: u8| byte.is_ascii_graphic() && !b",=/".contains(&byte);
        for word in [id, secret] {
            if word.as_str().is_empty() {
                return Err(
                    word.error("this is empty: a variable of the environment that is not set, perhaps")
                );
            }
        }
        if !id.as_str().bytes().all(is_of_id) {
            return Err(id.error("the id of a key has neither spaces nor any of `,`, `=`, `/`"));
        }
        if self.access_keys.contains(id.as_str()) {
            return Err(id.error("this key is there already"));
        }
        self.access_keys = std::mem::take(&mut self.access_keys).with(id.as_str(), secret.as_str());
        Ok(())
    }

    async fn open(&self) -> Result<Open, String> {
        let backend = self.backend.clone();
        let opened = tokio::task::spawn_blocking(move || backend.open()).await;
        self.open_on(opened.map_err(|error| error.to_string())??).await
    }

    /// Reads it on another thread, as it is opened: who waits for that is to hear signals.
    async fn open_on(&self, backend: Arc<dyn Backend>) -> Result<Open, String> {
        let registry = tokio::spawn(Registry::open(Arc::clone(&backend), self.options())).await;
        let registry = registry.map_err(|error| error.to_string())?.map_err(|error| report(&error))?;
        let checker = Arc::new(self.health.start(&registry));
        Ok(Open { settings: Arc::new(self.clone()), registry, backend, checker })
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
            last_seen: self.backend.last_seen(),
            ..Options::default()
        };
        self.health.apply(&mut options);
        options
    }
}

/// The directives of all blocks, each with the root of its block.
fn directives(corefile: &Corefile) -> impl Iterator<Item = (&Directive, PathBuf)> {
    corefile.servers.iter().flat_map(|server| {
        let root = Root::of(server);
        server.named(RegistryDirective::NAME).map(move |directive| (directive, root.clone()))
    })
}

/// What the directives say, each registry once.
fn settings(corefile: &Corefile) -> Result<Vec<(&Directive, Settings)>, Error> {
    let mut all: Vec<(&Directive, Settings)> = Vec::new();
    for (directive, root) in directives(corefile) {
        let settings = Settings::parse(directive, &root)?;
        if !all.iter().any(|(_, before)| *before == settings) {
            all.push((directive, settings));
        }
    }
    Ok(all)
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

const PROPERTIES: [&str; 10] = [
    "backend",
    "api",
    "access_key",
    "endpoint",
    "account",
    "region",
    "soa_ttl",
    "max_answers",
    "name_server",
    "custom_health_delay",
];

#[cfg(test)]
mod tests {
    use cartonym::corefile::Filesystem;

    use super::*;

    /// What the file says of whose it is, where a registry is set up by these lines.
    fn source(lines: &str) -> String {
        let text = format!(". {{\nregistry {{\n{lines}\n}}\n}}\n");
        let corefile = Corefile::parse("Corefile", &text, &Filesystem).unwrap();
        let (directive, root) = directives(&corefile).next().unwrap();
        Settings::parse(directive, &root).unwrap().backend.last_seen().unwrap().source
    }

    #[test]
    fn what_was_last_seen_is_of_the_endpoints_and_the_prefix_of_etcd() {
        let here = source("backend etcd http://192.0.2.1:2379 http://192.0.2.2:2379");
        let turned = "backend etcd http://192.0.2.2:2379 http://192.0.2.1:2379\nallow_empty\nlast_seen f";
        assert_eq!(source(turned), here);
        assert_ne!(source("backend etcd http://192.0.2.1:2379 http://192.0.2.3:2379"), here);
        assert_ne!(source("backend etcd http://192.0.2.1:2379 http://192.0.2.2:2379\nprefix /other"), here);
    }

    #[cfg(feature = "remote")]
    #[test]
    fn what_was_last_seen_is_of_whoever_is_followed_and_of_the_namespaces() {
        let here = source("backend remote http://192.0.2.1:8053\nnamespaces a.example b.example");
        let same = "backend remote http://192.0.2.1:8053\nnamespaces B.example a.example\ncredentials K S";
        assert_eq!(source(same), here);
        assert_ne!(source("backend remote http://192.0.2.2:8053\nnamespaces a.example b.example"), here);
        assert_ne!(source("backend remote http://192.0.2.1:8053\nnamespaces a.example"), here);
        let region = |region: &str| source(&format!("backend remote\nregion {region}"));
        assert_ne!(region("eu-west-1"), region("eu-west-2"));
        assert_ne!(source("backend remote\nprofile a"), source("backend remote\nprofile b"));
    }
}
