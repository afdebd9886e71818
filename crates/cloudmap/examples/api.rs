//! Serves an empty registry in memory: `cargo run -p cartonym-cloudmap --example api -- 127.0.0.1:8053`.

use std::sync::Arc;

use cartonym_cloudmap::{Api, Config, Limits, NoFallback, serve};
use cartonym_registry::Registry;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8053".into());
    let listener = TcpListener::bind(address).await?;
    let api = Arc::new(Api::new(Registry::in_memory(), Config::default()));
    let shutdown = async { _ = tokio::signal::ctrl_c().await };
    serve(listener, api, Arc::new(NoFallback), Limits::default(), shutdown).await;
    Ok(())
}
