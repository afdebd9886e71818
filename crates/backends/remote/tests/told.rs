//! What the other side tells by itself, and what is asked then.

mod common;

use std::sync::Arc;

use cartonym_backend_remote::Remote;
use cartonym_registry::Registry;

use common::{CHANGES, Other, until};

const WEB: &str = "web.svc.example";
const LOOKS: [&str; 4] = ["DiscoverInstances", "DiscoverInstancesRevision", "ListNamespaces", "ListServices"];

/// Another side that says this of its changes, and who follows it.
async fn follow(said: Option<&'static str>) -> (Other, Registry) {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    if let Some(said) = said {
        other.say(said);
    }
    let here = Registry::open(Arc::new(Remote::open(other.options())), Default::default()).await.unwrap();
    until("changes are asked for", || other.calls(&[CHANGES]) > 0).await;
    (other, here)
}

/// Waits until the looks that a change needs, and many more, were made.
async fn is_polled(other: &Other, here: &Registry) {
    other.register(WEB, 2).await;
    until("the change is seen", || here.model().instance_count() == 2).await;
    let before = other.calls(&LOOKS);
    until("looks go on", || other.calls(&LOOKS) > before + 50).await;
    assert!(here.away_since().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tells_nothing_is_polled_and_not_asked_again() {
    let (other, here) = follow(None).await;
    is_polled(&other, &here).await;
    assert_eq!(other.calls(&[CHANGES]), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_talks_nonsense_is_polled() {
    let (other, here) = follow(Some("<html>\n")).await;
    is_polled(&other, &here).await;
    let (other, here) = follow(Some("{\"revision\":1,\"all\":true}\n{\"revision\":2}\n")).await;
    is_polled(&other, &here).await;
    until("it is asked again", || other.calls(&[CHANGES]) > 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_yet_is_polled() {
    let (other, here) = follow(Some("{\"revision\":1,")).await;
    is_polled(&other, &here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tells_is_polled_seldom() {
    let (other, _here) = follow(Some("{\"revision\":1,\"all\":true}\n")).await;
    let mut before = 0;
    // Otherwise there would be ten looks at least in that time.
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        match other.calls(&LOOKS) {
            calls if calls == before => return,
            calls => before = calls,
        }
    }
    panic!("it looks as often as before");
}
