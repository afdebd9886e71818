//! What a daemon tells of its changes, to whoever reads and to whoever does not.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::{Daemon, get};
use serde_json::{Value, json};

/// A stream that is asked for.
fn open(api: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(api).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET /changes HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stream
}

/// The lines of JSON that come.
fn lines(stream: TcpStream) -> impl Iterator<Item = Value> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(&line).ok()).filter(Value::is_object)
}

#[test]
fn each_change_is_told_and_the_daemon_ends_whoever_listens() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(folder.path());
    let service = daemon.service();
    let mut told = lines(open(daemon.api));
    assert_eq!(told.next().unwrap()["all"], json!(true));
    // Whoever does not read is nobody's concern.
    let _silent: Vec<TcpStream> = (0..8).map(|_| open(daemon.api)).collect();
    for host in 1..=3 {
        daemon.register(&service, host);
        assert!(told.any(|line| line["services"] == json!([service])));
    }
    let begin = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(), Some(0));
    // Connections that do not end are cut after five seconds.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn streams_leave_connections_for_calls() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path());
    let mut streams: Vec<_> = (0..64).map(|_| lines(open(daemon.api))).collect();
    assert!(streams.iter_mut().all(|stream| stream.next().is_some()));
    assert_eq!(get(daemon.api, "/changes").0, 503);
    daemon.service();
    assert!(streams.iter_mut().all(|stream| stream.next().is_some()));
    assert_eq!(get(daemon.api, "/readyz").0, 200);
}
