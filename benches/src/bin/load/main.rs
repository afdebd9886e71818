//! Loads the registry as its users would, and prints the figures of `benches/README.md`.
//!
//! Only loopback addresses are meant; every loop ends by count or by time.

mod client;
mod figures;
mod fill;
mod measure;
mod start;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
enum Command {
    /// Fill a data folder, offline: so many services with so many instances each.
    Fill { folder: PathBuf, services: usize, instances: usize },
    /// Register instances from so many clients at once, for so many seconds.
    Register {
        #[arg(long, default_value = "127.0.0.1:8053")]
        api: SocketAddr,
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// In the service of each client.
        #[arg(long, default_value_t = 100)]
        instances: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Discover a service of ten instances from so many clients at once, for so many seconds.
    Discover {
        #[arg(long, default_value = "127.0.0.1:8053")]
        api: SocketAddr,
        #[arg(long, default_value_t = 16)]
        clients: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// From the reply of RegisterInstance to the new answer on sockets of so many ports, asked at once: that of the slowest.
    Visible {
        #[arg(long, default_value = "127.0.0.1:8053")]
        api: SocketAddr,
        #[arg(long, default_value = "127.0.0.1:5300")]
        dns: SocketAddr,
        #[arg(long, default_value_t = 1000)]
        changes: usize,
        #[arg(long, default_value_t = 16)]
        sockets: usize,
    },
    /// Start a daemon on a filled folder: time to the first right answer, and memory.
    Start { binary: PathBuf, folder: PathBuf },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::Fill { folder, services, instances } => fill::fill(&folder, services, instances).await,
        Command::Register { api, clients, instances, seconds } => {
            measure::register(api, clients, instances, seconds).await
        }
        Command::Discover { api, clients, seconds } => measure::discover(api, clients, seconds).await,
        Command::Visible { api, dns, changes, sockets } => measure::visible(api, dns, changes, sockets).await,
        Command::Start { binary, folder } => start::start(&binary, &folder).await,
    }
}
