//! Reading the configuration again: on SIGUSR1, and by the clock where the Corefile says `reload`.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;

use cartonym::corefile::{Corefile, Directive};
use cartonym::plugin::Shared;
use cartonym::plugins::Plugins;
use cartonym::plugins::reload::Schedule;
use futures_util::FutureExt;
use sha2::{Digest, Sha512};

use crate::Result;
use crate::configuration::{Configuration, Defaults};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::registries::report;
use crate::source::{self, Source};

/// Knows where the configuration comes from, and what it was.
pub(crate) struct Reloader<'a> {
    source: Source,
    plugins: &'a Plugins,
    defaults: Defaults,
    /// What was read last, whether it is served or was refused: a mistake is reported once.
    seen: String,
    /// Uniform; where in its jitter this daemon looks, so that many do not all at once.
    random: u64,
}

impl<'a> Reloader<'a> {
    /// A reloader whose daemon serves `corefile`.
    pub(crate) fn new(
        source: Source,
        corefile: &Corefile,
        plugins: &'a Plugins,
        defaults: Defaults,
    ) -> Reloader<'a> {
        let random = RandomState::new().hash_one(0);
        Reloader { source, plugins, defaults, seen: fingerprint(corefile), random }
    }

    /// Ends when it is time to look whether the configuration has changed; never, where nobody asks for that.
    pub(crate) async fn due(&self, daemon: &Daemon) {
        match daemon.shared().get::<Schedule>().interval(self.random) {
            Some(interval) => tokio::time::sleep(interval).await,
            None => std::future::pending().await,
        }
    }

    /// Serves what the source says by now, if it says something new or that `is_ordered`. Who waits no longer leaves what was
    /// served as it was.
    pub(crate) async fn look(&mut self, daemon: &mut Daemon, is_ordered: bool) {
        let read = self.source.parse();
        let seen = read.as_ref().map_or_else(|error| report(error), fingerprint);
        if is_ordered || seen != self.seen {
            self.serve(read, seen, daemon).await;
        }
    }

    /// A configuration that is wrong is refused whole: what is served goes on.
    async fn serve(&mut self, read: Result<Corefile>, seen: String, daemon: &mut Daemon) {
        tracing::info!("reloading the configuration");
        // A plugin may panic over it as over a query.
        let served = AssertUnwindSafe(self.try_serve(read, daemon)).catch_unwind().await;
        match served.unwrap_or(Err(Failure::Panicked)) {
            Ok(()) => {
                daemon.process().loaded(&seen);
                tracing::info!("reloaded the configuration");
            }
            Err(error) => {
                daemon.process().refused();
                tracing::error!("not reloaded, and what was served goes on: {}", error.in_full());
            }
        }
        self.seen = seen;
    }

    async fn try_serve(&self, read: Result<Corefile>, daemon: &mut Daemon) -> Result<()> {
        let corefile = read?;
        source::warn(&corefile);
        let (plugins, defaults) = (self.plugins, &self.defaults);
        let rehearsed = Configuration::rehearse(&corefile, plugins, defaults)?;
        let (shared, open) = (Shared::reload(), daemon.registries());
        let configuration =
            Configuration::open(rehearsed, &corefile, plugins, defaults, shared, open).await?;
        daemon.update(configuration)
    }
}

/// The SHA-512 of what a Corefile says, its imports included, in hexadecimal: comments and spaces do not matter.
fn fingerprint(corefile: &Corefile) -> String {
    let mut words = Sha512::new();
    for server in &corefile.servers {
        for key in &server.keys {
            words.update(key.to_string());
            words.update([SPACE]);
        }
        add(&server.directives, &mut words);
    }
    let mut text = String::new();
    for octet in words.finalize() {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

fn add(directives: &[Directive], words: &mut Sha512) {
    words.update([OPEN]);
    for directive in directives {
        for word in std::iter::once(&directive.name).chain(&directive.args) {
            words.update(word.as_str());
            words.update([SPACE]);
        }
        add(directive.block_entries(), words);
    }
    words.update([CLOSE]);
}

// Octets that are in no word, for UTF-8 has none of them.
const SPACE: u8 = 0xff;
const OPEN: u8 = 0xfe;
const CLOSE: u8 = 0xfd;
