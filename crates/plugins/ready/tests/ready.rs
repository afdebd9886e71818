//! What the page says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cartonym_plugin::corefile::{Corefile, Directive, Memory};
use cartonym_plugin::{Configure, Page, Plugin, Query, Response, Settings, Setup, Shared, Step};
use cartonym_plugin_ready::{Ending, Ready};

/// Is ready when told.
struct Slow(&'static str, Arc<AtomicBool>);

impl Plugin for Slow {
    fn name(&self) -> &'static str {
        self.0
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn ready(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }
}

/// A block with this directive and a plugin of this name: its page, and what makes the plugin ready.
fn block(line: &str, name: &'static str, shared: &Shared) -> Result<(Page, Arc<AtomicBool>), String> {
    let corefile = Corefile::parse("Corefile", &format!(". {{\n{line}\n}}"), &Memory::new()).unwrap();
    let named: Vec<&Directive> = corefile.servers[0].named("ready").collect();
    let mut settings = Settings::default();
    let mut setup = Setup::new(named[0], &named[1..], &[], &mut settings, shared);
    Ready::configure(&mut setup).map_err(|error| error.to_string())?;
    let page = setup.into_parts().1.remove(0);
    let is_ready = Arc::new(AtomicBool::new(false));
    settings.set_plugins(vec![Arc::new(Slow(name, is_ready.clone()))]);
    Ok((page, is_ready))
}

#[track_caller]
fn says(page: &Page, status: u16, body: &str) {
    let content = (page.content)();
    assert_eq!((content.status, &*content.body), (status, body));
}

#[test]
fn it_is_ready_when_every_plugin_is() {
    let shared = Shared::default();
    let (page, one) = block("ready", "one", &shared).unwrap();
    let (same, two) = block("ready", "two", &shared).unwrap();
    assert_eq!((page.address.port(), page.path), (8181, "/ready"));
    says(&page, 503, "one,two");
    one.store(true, Ordering::Relaxed);
    says(&same, 503, "two");
    two.store(true, Ordering::Relaxed);
    says(&page, 200, "OK");
}

#[test]
fn who_was_ready_once_is_asked_again_only_if_told_so() {
    let shared = Shared::default();
    let (once, is_ready) = block("ready 127.0.0.1:1", "one", &shared).unwrap();
    is_ready.store(true, Ordering::Relaxed);
    says(&once, 200, "OK");
    is_ready.store(false, Ordering::Relaxed);
    says(&once, 200, "OK");
    let line = "ready 127.0.0.1:2 {\nmonitor continuously\n}";
    let (always, is_ready) = block(line, "one", &shared).unwrap();
    is_ready.store(true, Ordering::Relaxed);
    says(&always, 200, "OK");
    is_ready.store(false, Ordering::Relaxed);
    says(&always, 503, "one");
}

#[test]
fn nothing_is_ready_at_the_end() {
    let shared = Shared::default();
    let (page, is_ready) = block("ready", "one", &shared).unwrap();
    is_ready.store(true, Ordering::Relaxed);
    says(&page, 200, "OK");
    shared.get::<Ending>().begin();
    says(&page, 503, "ending");
}

#[test]
fn mistakes_are_refused() {
    for line in
        ["ready a b", "ready 1", "ready {\nmonitor sometimes\n}", "ready {\nmonitr x\n}", "ready\nready"]
    {
        assert!(block(line, "one", &Shared::default()).is_err(), "{line}");
    }
}
