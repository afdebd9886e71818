//! Limits in memory and in time, on streams in memory and a clock that is set.

use std::time::Duration;

use cartonym_plugin::{Plugin, Query, Response, Resumed, Step, Transport};
use cartonym_responder::Chain;
use cartonym_wire::{Name, Section, Ttl, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::connections::{Connections, Door};
use crate::life::{self, Reaper};

/// Answers TXT with 60 kB, HINFO after a minute, and all else at once.
struct Oracle;

impl Plugin for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let mut put = |octets: &[u8]| {
            let _ = response.record(Section::Answer, query.name(), Type::A, Ttl::ZERO, octets);
        };
        match query.qtype() {
            Type::TXT => (0..240).for_each(|n| put(&[n; 244])),
            Type(HINFO) => {
                return Step::defer(async {
                    sleep(MINUTE).await;
                    Resumed::Drop
                });
            }
            _ => put(&[192, 0, 2, 1]),
        }
        Step::Answered
    }
}

fn connection(stream: DuplexStream) -> Connection<DuplexStream> {
    let responder = Responder::builder().zone(Name::ROOT, Chain::new().then(Oracle)).build();
    let place = Connections::new(1, 1)
        .admit(
            Client::INTERNAL.address.ip(),
            Door { listener: Client::INTERNAL.local, most: 1, is_for_many: false },
        )
        .unwrap();
    let limits = Limits { deadline: MINUTE * 2, ..LIMITS };
    let service = Service {
        responder: Arc::new(ArcSwap::new(responder)),
        tally: Arc::default(),
        limits,
        proxies: None,
    };
    let client = Client { transport: Transport::Tcp, ..Client::INTERNAL };
    Connection::new(stream, client, place, Arc::new(service))
}

/// A connection that is served, the client's end of it, and who ends it.
fn served(buffer: usize) -> (DuplexStream, JoinHandle<()>, Reaper) {
    let (client, stream) = duplex(buffer);
    let (life, reaper) = life::begin();
    (client, tokio::spawn(connection(stream).run(life)), reaper)
}

/// Serves until nothing can be done at once.
async fn turn(connection: &mut Connection<DuplexStream>) {
    poll_fn(|context| {
        assert!(connection.poll_serve(context, true).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// A query for the root, with its length before it.
fn query(qtype: Type) -> Vec<u8> {
    [&b"\0\x11\0\0\0\0\0\x01\0\0\0\0\0\0\0"[..], &qtype.0.to_be_bytes(), &[0, 1]].concat()
}

async fn assert_ends_after(task: JoinHandle<()>, expected: Duration) {
    let start = Instant::now();
    task.await.unwrap();
    let lived = start.elapsed();
    // The runtime's clock has a grain of a millisecond.
    assert!(lived >= expected && lived <= expected + Duration::from_millis(2), "{lived:?}, not {expected:?}");
}

#[tokio::test]
async fn what_waits_for_a_client_that_does_not_read_is_bounded() {
    let (mut client, stream) = duplex(4096);
    let mut connection = connection(stream);
    let writes = tokio::spawn(async move { client.write_all(&query(Type::TXT).repeat(100_000)).await });
    for _ in 0..1000 {
        turn(&mut connection).await;
        tokio::task::yield_now().await;
    }
    let answered = connection.service.tally.traffic().sent;
    assert!((1..10).contains(&answered), "{answered} answered");
    assert!(connection.output.octets.capacity() <= 2 * OUTPUT);
    assert!(connection.input.capacity() <= 2 * INPUT);
    assert!(!writes.is_finished());
}

#[tokio::test]
async fn a_connection_without_a_query_on_its_way_holds_no_memory() {
    let (mut client, stream) = duplex(1 << 20);
    let mut connection = connection(stream);
    let query = query(Type::TXT);
    for part in [&query[..], &query[..5], &query[5..]] {
        client.write_all(part).await.unwrap();
        turn(&mut connection).await;
    }
    assert_eq!(connection.service.tally.traffic().sent, 2);
    assert_eq!((connection.input.capacity(), connection.output.octets.capacity()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_has_until_its_first_message() {
    let (_client, task, _reaper) = served(4096);
    assert_ends_after(task, LIMITS.first_message).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_drips_has_as_long_as_one_that_says_nothing() {
    let (client, task, _reaper) = served(4096);
    let (reader, mut writer) = tokio::io::split(client);
    tokio::spawn(async move {
        while writer.write_all(&[0xff]).await.is_ok() {
            sleep(LIMITS.first_message / 20).await;
        }
    });
    assert_ends_after(task, LIMITS.first_message).await;
    drop(reader);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_fallen_silent_is_idle_from_its_last_message_on() {
    let (mut client, task, _reaper) = served(4096);
    sleep(LIMITS.first_message / 2).await;
    client.write_all(&query(Type::A)).await.unwrap();
    assert_ends_after(task, LIMITS.idle).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_must_end_soon_after_it_has_begun() {
    let (mut client, task, _reaper) = served(4096);
    client.write_all(&query(Type::A)).await.unwrap();
    sleep(LIMITS.idle / 2).await;
    client.write_all(&query(Type::A)[..4]).await.unwrap();
    assert_ends_after(task, LIMITS.message).await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_follow_closely_do_not_add_up_to_a_slow_one() {
    let (mut client, task, _reaper) = served(1 << 20);
    let query = query(Type::A);
    client.write_all(&query[..9]).await.unwrap();
    for _ in 0..10 {
        sleep(LIMITS.message / 2).await;
        client.write_all(&[&query[9..], &query[..9]].concat()).await.unwrap();
    }
    assert_ends_after(task, LIMITS.message).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_idle_while_its_query_waits() {
    let (mut client, task, _reaper) = served(4096);
    client.write_all(&query(Type(HINFO))).await.unwrap();
    assert_ends_after(task, MINUTE + LIMITS.idle).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_off() {
    let (mut client, task, _reaper) = served(1024);
    client.write_all(&query(Type::TXT)).await.unwrap();
    assert_ends_after(task, LIMITS.stall).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_too_little_is_cut_off() {
    let (mut client, task, _reaper) = served(1024);
    client.write_all(&query(Type::TXT)).await.unwrap();
    tokio::spawn(async move {
        while client.read_exact(&mut [0; FAIR_PART / 16]).await.is_ok() {
            sleep(LIMITS.stall / 8).await;
        }
    });
    assert_ends_after(task, LIMITS.stall).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_it_all() {
    let (mut client, task, _reaper) = served(1024);
    client.write_all(&query(Type::TXT)).await.unwrap();
    let mut len = [0; 2];
    client.read_exact(&mut len).await.unwrap();
    let mut rest = vec![0; usize::from(u16::from_be_bytes(len))];
    for part in rest.chunks_mut(FAIR_PART / 4) {
        sleep(LIMITS.stall / 8).await;
        client.read_exact(part).await.unwrap();
    }
    assert!(rest.len() > 60_000 && !task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_life_whatever_it_does() {
    let (client, task, _reaper) = served(1 << 20);
    let (mut reader, mut writer) = tokio::io::split(client);
    tokio::spawn(async move { while reader.read(&mut [0; 512]).await.is_ok_and(|n| n > 0) {} });
    tokio::spawn(async move {
        while writer.write_all(&query(Type::A)).await.is_ok() {
            sleep(LIMITS.idle / 2).await;
        }
    });
    assert_ends_after(task, LIMITS.life).await;
}

const LIMITS: Limits = Limits {
    connections: 1,
    connections_per_client: 1,
    first_message: Duration::from_secs(3),
    message: Duration::from_secs(5),
    idle: Duration::from_secs(11),
    stall: Duration::from_secs(7),
    life: Duration::from_secs(600),
    queued: 64 * 1024,
    messages: u64::MAX,
    pipelined: 128,
    deadline: MINUTE,
    grace: MINUTE,
};
const MINUTE: Duration = Duration::from_secs(60);
const HINFO: u16 = 13;
