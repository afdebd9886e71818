//! What health checks promise, measured with real endpoints: each figure is printed beside what it is to be, and one that falls
//! short makes the program fail.
//!
//! `health kill`, `deploy`, `scale [http|tcp]`, `hostile` or `nginx`; see benches/README.md.

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

mod deploy;
mod hostile;
mod kill;
mod nginx;
mod scale;
mod setup;
mod targets;

use std::env::args;
use std::error::Error;

use cartonym::registry::HealthCheckType;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut words = args().skip(1);
    let (what, how) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let kind = if how == "tcp" { HealthCheckType::Tcp } else { HealthCheckType::Http };
    // One thread where the processor's time counts: what it uses is what one core gives.
    match what.as_str() {
        "kill" => setup::threads()?.block_on(kill::run()),
        "deploy" => setup::threads()?.block_on(deploy::run()),
        "nginx" => setup::threads()?.block_on(nginx::run()),
        "scale" => setup::thread()?.block_on(scale::run(kind)),
        "hostile" => setup::thread()?.block_on(hostile::run()),
        "targets" => setup::thread()?.block_on(targets::serve(&how)),
        _ => Err("one of kill, deploy, scale, hostile and nginx is meant".into()),
    }
}
