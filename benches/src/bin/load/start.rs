//! Starting a daemon on what `fill` left behind.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cartonym::wire::Type;
use cartonym_benches::query;
use tokio::process::Command;

use crate::measure::ask;
use crate::{Result, figures};

const DNS: &str = "127.0.0.1:15399";
const API: &str = "127.0.0.1:18399";

pub(crate) async fn start(binary: &Path, folder: &Path) -> Result<()> {
    let begin = Instant::now();
    let mut daemon = Command::new(binary)
        .arg("serve")
        .arg("--data")
        .arg(folder)
        .args(["--dns", DNS, "--api", API, "--quiet"])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let answered = first_answer(begin)?;
    figures::value("start to first right answer", format!("{answered:.3?}"));
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", daemon.id().ok_or("the daemon is gone")?))?;
    for line in status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("RssAnon") || line.starts_with("VmHWM"))
    {
        figures::value("memory", line);
    }
    daemon.kill().await?;
    Ok(())
}

fn first_answer(begin: Instant) -> Result<Duration> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(DNS.parse::<SocketAddr>()?)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let query = query("svc-0.sd.example.", Type::A);
    while begin.elapsed() < Duration::from_secs(60) {
        match ask(&socket, &query) {
            Ok(Some(_)) => return Ok(begin.elapsed()),
            // Nobody listens yet.
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Err("no right answer within a minute".into())
}
