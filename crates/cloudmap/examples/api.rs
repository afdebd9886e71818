//! Serves an empty registry in memory, for requests signed with the keys given, or for all:
//! `cargo run -p cartonym-cloudmap --example api -- 127.0.0.1:8053 [KEY:SECRET]...`

use std::sync::Arc;

use cartonym_cloudmap::{AccessKeys, Api, Config, Limits, NoFallback, serve};
use cartonym_registry::Registry;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8053".into());
    let keys = arguments.fold(AccessKeys::none(), |keys, key| match key.split_once(':') {
        Some((id, secret)) => keys.with(id, secret),
        None => keys,
    });
    let listener = TcpListener::bind(address).await?;
    let api = Arc::new(Api::new(Registry::in_memory(), Config { keys, ..Config::default() }));
    let shutdown = async { _ = tokio::signal::ctrl_c().await };
    serve(listener, api, Arc::new(NoFallback), Limits::default(), shutdown).await;
    Ok(())
}
