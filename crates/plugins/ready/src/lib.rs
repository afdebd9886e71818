#![doc = include_str!("../README.md")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{ANY, Configure, Content, Page, Place, Setup, Shared};

/// Whether the process has been told to end; what all of a configuration has in common, and its server sets.
#[derive(Debug, Default)]
pub struct Ending(AtomicBool);

/// The directive.
#[derive(Debug)]
pub struct Ready;

/// The pages of a configuration, by their address.
#[derive(Default)]
struct Boards {
    // Taken while configuring only.
    boards: Mutex<HashMap<SocketAddr, Arc<Board>>>,
}

/// One page: the blocks whose plugins it tells of.
#[derive(Default)]
struct Board {
    // Taken while configuring, and once a request.
    blocks: Mutex<Vec<Block>>,
}

struct Block {
    shared: Arc<Shared>,
    monitor: Monitor,
    /// Places of the plugins that were ready once.
    were_ready: Vec<usize>,
}

/// When a plugin is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Monitor {
    UntilReady,
    Continuously,
}

impl Ending {
    /// Says that the process will end: from now on nothing is ready.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Board {
    fn content(&self, ending: &Ending) -> Content {
        let mut unready: Vec<_> = lock(&self.blocks).iter_mut().flat_map(Block::unready).collect();
        unready.sort_unstable();
        unready.dedup();
        let (status, body) = match unready.as_slice() {
            _ if ending.has_begun() => (503, "ending".to_owned()),
            [] => (200, "OK".to_owned()),
            names => (503, names.join(",")),
        };
        Content { status, media_type: "text/plain; charset=utf-8", body }
    }
}

impl Block {
    /// The names of the plugins that are not ready.
    fn unready(&mut self) -> Vec<&'static str> {
        let mut unready = Vec::new();
        for (place, plugin) in self.shared.plugins().iter().enumerate() {
            let remembers = self.monitor == Monitor::UntilReady;
            if remembers && self.were_ready.contains(&place) {
                continue;
            }
            match plugin.ready() {
                true => self.were_ready.push(place),
                false => unready.push(plugin.name()),
            }
        }
        if self.monitor == Monitor::Continuously {
            self.were_ready.clear();
        }
        unready
    }
}

impl Configure for Ready {
    const NAME: &'static str = "ready";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        let address = setup.page_address(directive.optional_arg()?, ADDRESS)?;
        let mut monitor = Monitor::UntilReady;
        for entry in directive.block_entries() {
            match entry.name() {
                "monitor" => {
                    monitor = match entry.one_arg()?.one_of(&["until-ready", "continuously"])? {
                        "continuously" => Monitor::Continuously,
                        _ => Monitor::UntilReady,
                    };
                }
                _ => return Err(entry.unexpected_property(&["monitor"])),
            }
        }
        let board = lock(&setup.shared.get::<Boards>().boards).entry(address).or_default().clone();
        lock(&board.blocks).push(Block { shared: setup.block(), monitor, were_ready: Vec::new() });
        let ending = setup.shared.get::<Ending>();
        setup.page(Page { address, path: "/ready", content: Arc::new(move || board.content(&ending)) });
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const ADDRESS: SocketAddr = SocketAddr::new(ANY, 8181);
