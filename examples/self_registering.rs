//! A service that registers itself: DNS says where it is from the moment when it can be connected to, until it goes.
#![allow(clippy::print_stdout, reason = "people are told where it listens")]

use std::error::Error;

use cartonym::{Chain, Records, Registry, Server};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const NAME: &str = "hello.svc.local";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::in_memory();
    let dns = Server::new()
        .listen(std::env::args().nth(1).unwrap_or("127.0.0.1:5353".into()))
        .zone("svc.local", Chain::new().then(Records::of(&registry)))
        .start()?;
    let hello = TcpListener::bind("127.0.0.1:0").await?;
    registry.register(NAME, "hello-1", hello.local_addr()?).await?;
    // Listened for from here on: whoever has read where it is may stop it at once.
    let mut stop = signal(SignalKind::interrupt())?;
    println!("DNS at {:?}", dns.local_addrs());
    tokio::select! {
        () = greet(&hello) => {}
        _ = stop.recv() => {}
    }
    // Deregistered while it still listens: nobody is sent to who has gone.
    registry.deregister(NAME, "hello-1").await?;
    println!("deregistered");
    dns.shutdown().await;
    Ok(())
}

/// Says hello to whoever comes.
async fn greet(hello: &TcpListener) {
    while let Ok((mut guest, _)) = hello.accept().await {
        // A guest who has left already misses nothing.
        let _ = guest.write_all(b"hello\n").await;
    }
}
