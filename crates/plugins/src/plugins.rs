//! A list of plugins, and what it makes of a server block.

use std::fmt;
use std::sync::Arc;

use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::{Configure, Page, Place, Plugin, Settings, Setup, Shared};
use cartonym_wire::NameBuf;

use crate::order::{FEATURES, ORDER};

/// Plugins in their order of execution.
#[derive(Clone)]
pub struct Plugins {
    entries: Vec<Entry>,
}

/// A directive's word, and what reads it; nothing where only the place is known.
#[derive(Clone, Copy)]
struct Entry {
    name: &'static str,
    configure: Option<Read>,
}

/// The plugins and pages of a server block.
type Made = (Vec<Arc<dyn Plugin>>, Vec<Page>);
type Read = fn(&mut Setup<'_>) -> Result<(), Error>;

impl Plugins {
    /// No plugin; the places of those that are known are kept.
    pub fn none() -> Plugins {
        Plugins { entries: ORDER.iter().map(|name| Entry { name, configure: None }).collect() }
    }

    /// With one more plugin: in the place of the one with its name, or else where it says.
    #[must_use]
    pub fn with<T: Configure>(mut self) -> Plugins {
        let entry = Entry { name: T::NAME, configure: Some(T::configure) };
        match self.position(T::NAME) {
            Some(at) => self.entries.splice(at..=at, [entry]).for_each(drop),
            None => self.entries.insert(self.place(T::PLACE), entry),
        }
        self
    }

    /// The words of the directives, in order of execution.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().filter(|entry| entry.configure.is_some()).map(|entry| entry.name)
    }

    /// Reads the directives of one server block: the block's plugins in order of execution, and its pages.
    ///
    /// # Errors
    ///
    /// The mistake of the first directive, in order of execution, that has one; a word that is no directive comes
    /// before all others.
    pub fn configure(
        &self,
        directives: &[Directive],
        zones: &[NameBuf],
        settings: &mut Settings,
        shared: &Shared,
    ) -> Result<Made, Error> {
        directives.iter().try_for_each(|directive| self.check(directive))?;
        let (mut plugins, mut pages) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            let named: Vec<_> =
                directives.iter().filter(|directive| directive.name() == entry.name).collect();
            let (Some((first, more)), Some(configure)) = (named.split_first(), entry.configure) else {
                continue;
            };
            let mut setup = Setup::new(first, more, zones, settings, shared);
            configure(&mut setup)?;
            let made = setup.into_parts();
            plugins.extend(made.0);
            pages.extend(made.1);
        }
        settings.set_plugins(plugins.clone());
        Ok((plugins, pages))
    }

    /// Whether there is a plugin for a directive.
    fn check(&self, directive: &Directive) -> Result<(), Error> {
        match self.entries.iter().find(|entry| entry.name == directive.name()) {
            Some(Entry { configure: Some(_), .. }) => Ok(()),
            Some(entry) if FEATURES.contains(&entry.name) => {
                let build = format!("`cargo build --features {}`", entry.name);
                Err(directive.error(format!("this program was built without it: {build}")))
            }
            Some(_) => {
                Err(directive.error(format!("`{}` is known, but not implemented yet", directive.name)))
            }
            None => Err(directive.unknown_directive(&self.names().collect::<Vec<_>>())),
        }
    }

    fn place(&self, place: Place) -> usize {
        let at = match place {
            Place::Before(name) => self.position(name),
            Place::After(name) => self.position(name).map(|at| at + 1),
            Place::Last => None,
        };
        at.unwrap_or(self.entries.len())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
