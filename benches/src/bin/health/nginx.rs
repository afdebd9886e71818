//! The same as `kill`, of an nginx that is killed and started again.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cartonym::registry::HealthCheckType;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::setup::{Asker, Figures, World, percentile};
use crate::targets;

const ROUNDS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// An nginx with a folder of its own, killed with it.
struct Nginx {
    folder: PathBuf,
    port: u16,
}

pub(crate) async fn run() -> Result<()> {
    let nginx = Nginx::new()?;
    let world = World::new(Duration::from_secs(1)).await?;
    let service = world.service("web", HealthCheckType::Http).await?;
    let (stays, _running) = targets::good(Ipv4Addr::new(127, 3, 0, 1)).await?;
    nginx.start()?;
    world.register(service, "nginx", (NGINX, nginx.port).into()).await?;
    world.register(service, "stays", stays).await?;
    let asker = world.asker("web").await?;
    sleep(Duration::from_secs(3)).await;
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        sleep(Duration::from_millis((n as u64 * 618) % 1000)).await;
        let killed = Instant::now();
        nginx.kill()?;
        until(&asker, false).await?;
        gone.push(killed.elapsed().as_secs_f64() * 1000.0);
        let started = Instant::now();
        nginx.start()?;
        until(&asker, true).await?;
        back.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    println!("an nginx killed and started {ROUNDS} times, checked every second");
    let mut figures = Figures::default();
    figures.at_most("from the kill until DNS leaves it out, p99", percentile(&mut gone, 99), 1200.0, "ms");
    figures.at_most("from its start until DNS answers it, p99", percentile(&mut back, 99), 1300.0, "ms");
    figures.end()
}

async fn until(asker: &Asker, is_there: bool) -> Result<()> {
    let changed = async {
        while asker.ask().await?.contains(&NGINX) != is_there {
            sleep(Duration::from_millis(1)).await;
        }
        Result::Ok(())
    };
    timeout(PATIENCE, changed).await.map_err(|_| "DNS does not follow")?
}

impl Nginx {
    fn new() -> Result<Nginx> {
        let port = TcpListener::bind((NGINX, 0))?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("cartonym-nginx-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let at = folder.display();
        let text = format!(
            "pid {at}/pid; error_log {at}/error; worker_processes 1; events {{}}\n\
             http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
             uwsgi_temp_path {at}/u; scgi_temp_path {at}/s; server {{ listen {NGINX}:{port}; return 200 ok; }} }}\n"
        );
        fs::write(folder.join("conf"), text)?;
        Ok(Nginx { folder, port })
    }

    fn start(&self) -> Result<()> {
        let mut command = Command::new("nginx");
        let started = command.arg("-c").arg(self.folder.join("conf")).stderr(Stdio::null()).status();
        let is_started = started.map_err(|error| format!("nginx: {error}"))?.success();
        if is_started { Ok(()) } else { Err("nginx does not start".into()) }
    }

    /// Kills the master and the worker; what is still bound answers nobody.
    fn kill(&self) -> Result<()> {
        let pid = fs::read_to_string(self.folder.join("pid"))?;
        let master = Path::new("/proc").join(pid.trim()).join("task").join(pid.trim()).join("children");
        let workers = fs::read_to_string(master)?;
        // The master first, or it would start another worker.
        let all = [pid.trim()].into_iter().chain(workers.split_whitespace());
        let killed = Command::new("kill").arg("-KILL").args(all).status()?;
        if killed.success() { Ok(()) } else { Err("nginx is not to be killed".into()) }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may be dead already.
        _ = self.kill();
        _ = fs::remove_dir_all(&self.folder);
    }
}

const NGINX: Ipv4Addr = Ipv4Addr::new(127, 3, 0, 3);
