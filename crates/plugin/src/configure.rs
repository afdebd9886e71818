//! From a directive of a Corefile to a plugin.
//!
//! A plugin's package implements [`Configure`] once. The daemon calls it for each server block that has its
//! directive; what it makes goes into the block's chain, in the order of execution, whatever the order in the file.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cartonym_corefile::{Directive, Error, Word};
use cartonym_wire::NameBuf;

use crate::{Metrics, Plugin, aside};

/// What turns a directive into plugins.
pub trait Configure {
    /// The directive's word.
    const NAME: &'static str;
    /// Where the plugin stands in the order of execution.
    const PLACE: Place;

    /// Reads the block's directives of this name, all at once and in their order, and adds what they ask for.
    ///
    /// # Errors
    ///
    /// An error at the word that is wrong. Nothing has been opened then, and nothing will be.
    fn configure(setup: &mut Setup<'_>) -> Result<(), Error>;
}

/// A place in the order of execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In front of the plugin of this name; at the end where that is not there.
    Before(&'static str),
    /// Behind the plugin of this name; at the end where that is not there.
    After(&'static str),
    /// Behind all that are there so far.
    Last,
}

/// What a plugin reads its configuration from, and adds to.
pub struct Setup<'a> {
    /// The block's first directive of this name.
    pub first: &'a Directive,
    /// The block's further directives of this name, in their order.
    pub more: &'a [&'a Directive],
    /// The zones of the block, in lower case.
    pub zones: &'a [NameBuf],
    /// Settings of the block's listeners.
    pub settings: &'a mut Settings,
    /// What plugins of one configuration have in common.
    pub shared: &'a Shared,
    plugins: Vec<Arc<dyn Plugin>>,
    pages: Vec<Page>,
}

/// Settings of the listeners of a server block.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Where relative paths begin; the working folder if empty.
    pub root: PathBuf,
    /// The addresses to listen on; all if empty.
    pub bind: Vec<IpAddr>,
    /// Sockets a port; the number of cores if none.
    pub sockets: Option<usize>,
    /// Octets of a UDP response at most; the server's default if none.
    pub udp_size: Option<u16>,
    /// What the plugins of the block have in common, and no other block's.
    block: Arc<Shared>,
}

/// One page of the HTTP surface.
#[derive(Clone)]
pub struct Page {
    /// Where it is served; pages of one address share a listener.
    pub address: SocketAddr,
    /// Its path, such as `/health`.
    pub path: &'static str,
    /// Makes it.
    pub content: Arc<dyn Fn() -> Content + Send + Sync>,
}

/// What a page says.
#[derive(Clone, Debug)]
pub struct Content {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub media_type: &'static str,
    /// The body.
    pub body: String,
}

/// What the plugins of one configuration share: one value of each type, made when first asked for.
#[derive(Default)]
pub struct Shared {
    // Taken while configuring only: a query never asks.
    values: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    plugins: OnceLock<Vec<Arc<dyn Plugin>>>,
    occasion: Occasion,
}

/// What a configuration is made for.
#[derive(Clone, Copy, Default)]
enum Occasion {
    /// To be served, where nothing is served yet.
    #[default]
    Start,
    /// To be looked at.
    Rehearsal,
    /// To be served in place of another.
    Reload,
}

impl<'a> Setup<'a> {
    /// The setup for one name in one block.
    pub fn new(
        first: &'a Directive,
        more: &'a [&'a Directive],
        zones: &'a [NameBuf],
        settings: &'a mut Settings,
        shared: &'a Shared,
    ) -> Setup<'a> {
        Setup { first, more, zones, settings, shared, plugins: Vec::new(), pages: Vec::new() }
    }

    /// Adds a plugin to the block's chain.
    pub fn plugin(&mut self, plugin: impl Plugin) {
        self.plugins.push(Arc::new(plugin));
    }

    /// Adds a plugin that others hold as well.
    pub fn shared_plugin(&mut self, plugin: Arc<dyn Plugin>) {
        self.plugins.push(plugin);
    }

    /// Adds a page to the HTTP surface.
    pub fn page(&mut self, page: Page) {
        self.pages.push(page);
    }

    /// The directive, where only one makes sense.
    ///
    /// # Errors
    ///
    /// An error at the second.
    pub fn only(&self) -> Result<&'a Directive, Error> {
        match self.more {
            [] => Ok(self.first),
            [second, ..] => Err(second.repeated(self.first)),
        }
    }

    /// All directives of this name, in their order.
    pub fn directives(&self) -> impl Iterator<Item = &'a Directive> + use<'a> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }

    /// The address of a page, of a directive's argument: `:8080`, which is all addresses, `localhost:8080` or an IP
    /// address and a port; `default` where there is no argument.
    ///
    /// # Errors
    ///
    /// An error at the word that is none.
    pub fn page_address(&self, word: Option<&Word>, default: SocketAddr) -> Result<SocketAddr, Error> {
        let Some(word) = word else { return Ok(default) };
        let text = word.as_str();
        if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            return Ok(SocketAddr::new(ANY, port));
        }
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        }
        word.parse("an address with a port, such as `:8080` or `127.0.0.1:8080`")
    }

    /// The names of a plugin's ZONES arguments, or the block's zones where there are none.
    ///
    /// # Errors
    ///
    /// An error at the word that is no name.
    pub fn zones_or_block(&self, words: &[cartonym_corefile::Word]) -> Result<Vec<NameBuf>, Error> {
        if words.is_empty() {
            return Ok(self.zones.to_vec());
        }
        names(words)
    }

    /// Does what takes long, such as to read the records of a file. None where the Corefile is only looked at: it is read once
    /// more when that went well. Where another configuration answers meanwhile, the work gives way to that ([`aside`]).
    pub fn take_time<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Option<T> {
        match self.shared.occasion {
            Occasion::Start => Some(work()),
            Occasion::Rehearsal => None,
            Occasion::Reload => Some(aside(work)),
        }
    }

    /// Where counters are to be had.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.shared.get()
    }

    /// What the plugins of the block have in common; its plugins are there once the block is read.
    pub fn block(&self) -> Arc<Shared> {
        Arc::clone(&self.settings.block)
    }

    /// The value of this type that the plugins of the block have in common: what one of them leaves there, those
    /// that come later in the order of execution find, and the others once the server runs.
    pub fn in_block<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        self.settings.in_block()
    }

    /// `path`, from the root if it is relative.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.settings.root.join(path)
    }

    /// The name of this host, or `localhost` where it has none.
    pub fn host_name(&self) -> String {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
    }

    /// What was added.
    pub fn into_parts(self) -> (Vec<Arc<dyn Plugin>>, Vec<Page>) {
        (self.plugins, self.pages)
    }
}

impl Settings {
    /// The value of this type that the block's directives have in common: [`Setup::in_block`].
    pub fn in_block<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        self.block.get()
    }

    /// Says which plugins the block has, once all are made.
    pub fn set_plugins(&self, plugins: Vec<Arc<dyn Plugin>>) {
        self.block.set_plugins(plugins);
    }
}

/// All addresses of this machine, IPv4 included.
pub const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The names that words stand for, CIDR notation expanded.
///
/// # Errors
///
/// An error at the word that is no name.
pub fn names(words: &[cartonym_corefile::Word]) -> Result<Vec<NameBuf>, Error> {
    let mut names = Vec::with_capacity(words.len());
    for word in words {
        for zone in cartonym_corefile::zones(std::slice::from_ref(word))? {
            let name: NameBuf =
                zone.parse().map_err(|error| word.error(format!("not a domain name: {error}")))?;
            names.push(name.to_lowercase());
        }
    }
    Ok(names)
}

impl Shared {
    /// For a configuration that is only looked at; see [`Setup::take_time`].
    pub fn rehearsal() -> Shared {
        Shared { occasion: Occasion::Rehearsal, ..Shared::default() }
    }

    /// For a configuration that takes the place of one that answers queries; see [`Setup::take_time`].
    pub fn reload() -> Shared {
        Shared { occasion: Occasion::Reload, ..Shared::default() }
    }

    /// The value of this type.
    pub fn get<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())).clone();
        drop(values);
        // The value under a type's id is of that type: nothing else is ever put there.
        value.downcast().unwrap_or_default()
    }

    /// Puts the value of its type there, in place of the one that would be made or has been.
    pub fn put<T: Any + Send + Sync>(&self, value: T) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Every plugin of the configuration, once all are made; none before.
    pub fn plugins(&self) -> &[Arc<dyn Plugin>] {
        self.plugins.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Says which plugins there are; the first word counts.
    pub fn set_plugins(&self, plugins: Vec<Arc<dyn Plugin>>) {
        let _ = self.plugins.set(plugins);
    }
}

impl fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("zones", &self.zones)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cartonym_corefile::{Corefile, Filesystem};
    use std::thread;

    #[test]
    fn what_takes_long_is_not_done_for_a_look_and_is_done_aside_in_a_reload() {
        let corefile = Corefile::parse("Corefile", ". {\n    x\n}\n", &Filesystem).unwrap();
        let directive = &corefile.servers[0].directives[0];
        let take_time = |shared: Shared| {
            let mut settings = Settings::default();
            let setup = Setup::new(directive, &[], &[], &mut settings, &shared);
            setup.take_time(|| thread::current().id())
        };
        let here = thread::current().id();
        assert_eq!(take_time(Shared::default()), Some(here));
        assert_eq!(take_time(Shared::rehearsal()), None);
        assert!(take_time(Shared::reload()).is_some_and(|there| there != here));
    }
}
