//! Instances that last only as long as somebody speaks for them, in virtual time.

mod common;

use std::time::Duration;

use cartonym_health::Options;
use cartonym_registry::{HealthCheck, HealthStatus, ServiceId, Verdict, key};
use common::*;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn custom() -> HealthCheck {
    HealthCheck::Custom { failure_threshold: None }
}

/// A service with an instance that stays for ever, and one of a TTL of ten seconds that has a minute of grace.
async fn world(health: HealthCheck) -> (World, ServiceId) {
    let world = World::new(Options { grace: Some(60 * SECOND), ..Options::default() }).await;
    let service = world.service_of(health).await;
    world.register_with(service, "constant", &[(key::IPV4, "192.0.2.1")], 80).await;
    beat(&world, service).await;
    (world, service)
}

async fn beat(world: &World, service: ServiceId) {
    world.register_with(service, "i", &[(key::IPV4, "192.0.2.2"), (key::TTL, "10")], 80).await;
}

async fn say(world: &World, service: ServiceId, instance: &str, verdict: Verdict) {
    world.registry.update_custom_health(service, &id(instance), verdict).await.unwrap();
}

fn health(world: &World, service: ServiceId) -> Option<HealthStatus> {
    world.registry.model().health_of(service, &id("i"))
}

#[tokio::test(start_paused = true)]
async fn who_falls_silent_is_unfit_and_after_the_grace_is_gone() {
    let (world, service) = world(custom()).await;
    sleep(9 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Healthy));
    sleep(2 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Unhealthy));
    sleep(58 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Unhealthy));
    sleep(2 * SECOND).await;
    assert_eq!(health(&world, service), None);
    assert!(world.registry.model().instance(service, "constant").is_some());
}

#[tokio::test(start_paused = true)]
async fn to_say_the_same_again_is_a_heartbeat_and_no_change() {
    let (world, service) = world(custom()).await;
    let before = world.registry.published();
    for _ in 0..20 {
        sleep(9 * SECOND).await;
        say(&world, service, "i", Verdict::Healthy).await;
        assert_eq!(health(&world, service), Some(HealthStatus::Healthy));
    }
    assert_eq!(world.registry.published(), before);
}

#[tokio::test(start_paused = true)]
async fn to_register_again_is_a_heartbeat() {
    let (world, service) = world(custom()).await;
    for _ in 0..20 {
        sleep(9 * SECOND).await;
        beat(&world, service).await;
        assert_eq!(health(&world, service), Some(HealthStatus::Healthy));
    }
}

#[tokio::test(start_paused = true)]
async fn who_speaks_again_within_the_grace_is_back() {
    let (world, service) = world(custom()).await;
    sleep(50 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Unhealthy));
    say(&world, service, "i", Verdict::Healthy).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Healthy));
    sleep(11 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Unhealthy));
    sleep(50 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Unhealthy));
    sleep(10 * SECOND).await;
    assert_eq!(health(&world, service), None);
}

#[tokio::test(start_paused = true)]
async fn the_last_one_stays_until_another_is_fit() {
    let (world, service) = world(custom()).await;
    say(&world, service, "constant", Verdict::Unhealthy).await;
    sleep(600 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Unhealthy));
    say(&world, service, "constant", Verdict::Healthy).await;
    sleep(11 * SECOND).await;
    assert_eq!(health(&world, service), None);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_asks_for_health_there_is_no_grace() {
    let (world, service) = world(HealthCheck::None).await;
    sleep(9 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Unknown));
    sleep(2 * SECOND).await;
    assert_eq!(health(&world, service), None);
}

#[tokio::test(start_paused = true)]
async fn who_registers_without_a_ttl_stays() {
    let (world, service) = world(custom()).await;
    world.register_with(service, "i", &[(key::IPV4, "192.0.2.2")], 80).await;
    sleep(600 * SECOND).await;
    assert_eq!(health(&world, service), Some(HealthStatus::Healthy));
}
