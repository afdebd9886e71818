//! A registry, and DNS that answers it.
#![allow(clippy::print_stdout, reason = "people are told where it listens")]

use cartonym::{Chain, Records, Registry, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::in_memory();
    registry.register("web.svc.local", "web-1", "10.0.0.7:8080".parse()?).await?; // DNS answers it now
    let server = Server::new()
        .listen(std::env::args().nth(1).unwrap_or("127.0.0.1:5353".into()))
        .zone("svc.local", Chain::new().then(Records::of(&registry)))
        .start()?;
    println!("DNS at {:?}", server.local_addrs());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
