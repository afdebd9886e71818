//! Who is told that there is something to be told.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::Plugin;
use cartonym_plugin_transfer::{Transfer, Who};
use cartonym_wire::{Flags, Message, Opcode, Type};
use common::{World, answers, name, soa};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A secondary that hears NOTIFY.
struct Secondary(UdpSocket);

impl Secondary {
    async fn new() -> (Secondary, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        (Secondary(socket), address)
    }

    /// The next NOTIFY, and who sent it.
    async fn hear(&self) -> (Vec<u8>, SocketAddr) {
        let mut room = [0; 512];
        let heard = timeout(Duration::from_secs(10), self.0.recv_from(&mut room));
        let (len, from) = heard.await.unwrap().unwrap();
        (room[..len].to_vec(), from)
    }

    async fn answer(&self, message: &[u8], to: SocketAddr) {
        let mut answer = message.to_vec();
        answer[2] |= 0x80;
        self.0.send_to(&answer, to).await.unwrap();
    }

    async fn hears_nothing(&self) -> bool {
        let mut room = [0; 512];
        timeout(Duration::from_millis(400), self.0.recv_from(&mut room)).await.is_err()
    }
}

fn start(world: &World, who: Who) -> JoinHandle<()> {
    let transfer = Transfer::new(Arc::clone(&world.tables)).zone(&name("example."), who);
    tokio::spawn(Arc::new(transfer).background().unwrap())
}

#[tokio::test]
async fn a_secondary_is_notified_at_the_start_and_when_the_serial_changes() {
    let world = World::new(7, "www.example. 60 A 192.0.2.1");
    let (secondary, address) = Secondary::new().await;
    let _task = start(&world, Who::nobody().or_address(address).from_source([127, 0, 0, 1].into()));
    let (message, from) = secondary.hear().await;
    let header = Message::new(&message).unwrap().header();
    assert_eq!((header.flags.opcode(), header.flags.has(Flags::AA)), (Opcode::NOTIFY, true));
    let question = Message::new(&message).unwrap().question().unwrap();
    assert_eq!((question.name, question.qtype), (&*name("example."), Type::SOA));
    assert_eq!(answers(std::slice::from_ref(&message)), [soa(&name("example."), 7)]);
    secondary.answer(&message, from).await;

    // What changes in a short time is told at once, and only a change of the serial is a change.
    for serial in 8..12 {
        world.publish("example.", serial, "www.example. 60 A 192.0.2.1");
    }
    let (message, from) = secondary.hear().await;
    assert_eq!(answers(std::slice::from_ref(&message)), [soa(&name("example."), 11)]);
    secondary.answer(&message, from).await;
    world.publish("example.", 11, "www.example. 60 A 192.0.2.1");
    world.publish("elsewhere.", 1, "");
    assert!(secondary.hears_nothing().await);
}

#[tokio::test]
async fn a_secondary_that_does_not_answer_is_notified_again() {
    let world = World::new(7, "");
    let (secondary, address) = Secondary::new().await;
    let _task = start(&world, Who::nobody().or_address(address));
    let (first, _) = secondary.hear().await;
    let (second, from) = secondary.hear().await;
    assert_eq!(first, second);
    // Another id is no answer.
    let mut forged = second.clone();
    forged[0] ^= 1;
    secondary.answer(&forged, from).await;
    let (third, from) = secondary.hear().await;
    assert_eq!(first, third);
    secondary.answer(&third, from).await;
}

#[tokio::test]
async fn a_newer_version_ends_the_telling_of_an_older_one() {
    let world = World::new(7, "");
    let (secondary, address) = Secondary::new().await;
    let _task = start(&world, Who::nobody().or_address(address));
    secondary.hear().await;
    world.publish("example.", 8, "");
    loop {
        let (message, from) = secondary.hear().await;
        if answers(std::slice::from_ref(&message)) == [soa(&name("example."), 8)] {
            secondary.answer(&message, from).await;
            break;
        }
    }
    assert!(secondary.hears_nothing().await);
}
