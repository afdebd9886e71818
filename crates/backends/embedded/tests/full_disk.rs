//! A disk that is full refuses changes and loses none, and the registry goes on when there is room again.
//!
//! The test runs itself as a process whose files may not grow, by the shell's `ulimit`, and lifts that by `prlimit`.
#![allow(clippy::print_stdout, reason = "a test without a harness says itself how it went")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use cartonym_backend_embedded::Embedded;
use cartonym_registry::*;

const NAME: &str = "web.svc.example";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match &arguments[1..] {
        [role, folder] if role == "write" => runtime.block_on(write_until_full_and_on(Path::new(folder))),
        _ if arguments.iter().any(|argument| argument == "--list") => println!("full_disk: test"),
        _ => fill_and_make_room(&runtime),
    }
}

fn fill_and_make_room(runtime: &tokio::runtime::Runtime) {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    // 512 blocks of 512 octets or of 1024, as the shell has it. The signal that comes with the limit is not heard.
    let script = "trap '' XFSZ; ulimit -S -f 512; exec \"$0\" write \"$1\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program).arg(folder.path());
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();

    assert_eq!(lines.next().unwrap().unwrap(), "full");
    let lifted =
        Command::new("prlimit").arg(format!("--pid={}", child.id())).arg("--fsize=unlimited").status();
    assert!(lifted.unwrap().success());
    child.stdin.take().unwrap().write_all(b"on\n").unwrap();
    let acknowledged: Vec<usize> = lines.map(|line| line.unwrap().parse().unwrap()).collect();
    assert!(child.wait().unwrap().success());

    let registry = runtime.block_on(open(folder.path()));
    let model = registry.model();
    let service = model.services().next().unwrap();
    for number in &acknowledged {
        assert!(service.instances.get(&format!("i{number}")).is_some(), "{number} lost");
    }
    println!("{} acknowledged changes before and after a full disk, none lost ... ok", acknowledged.len());
}

/// Registers until the disk is full, says so, waits for room, registers on, and says what was acknowledged.
async fn write_until_full_and_on(folder: &Path) {
    let registry = open(folder).await;
    let mut acknowledged = Vec::new();
    let refusal = loop {
        match register(&registry, acknowledged.len()).await {
            Ok(()) => acknowledged.push(acknowledged.len()),
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, WriteError::Unavailable(_)), "{refusal}");
    assert_eq!(registry.model().instance_count(), acknowledged.len());
    assert!(register(&registry, acknowledged.len()).await.is_err());
    println!("full");
    std::io::stdin().read_exact(&mut [0; 3]).unwrap();
    // For a moment after the last refusal the disk is not tried again.
    while let Err(error) = register(&registry, acknowledged.len()).await {
        assert!(matches!(error, WriteError::Unavailable(_)), "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    acknowledged.push(acknowledged.len());
    for number in acknowledged.len()..acknowledged.len() + 20 {
        register(&registry, number).await.unwrap();
        acknowledged.push(number);
    }
    assert_eq!(registry.model().instance_count(), acknowledged.len());
    assert_eq!(registry.away_since(), None);
    for number in acknowledged {
        println!("{number}");
    }
}

async fn register(registry: &Registry, number: usize) -> Result<(), WriteError> {
    match registry.register(NAME, &format!("i{number}"), "192.0.2.1:80".parse().unwrap()).await {
        Ok(_) => Ok(()),
        Err(RegisterError::Instance(RegisterInstanceError::Write(error))) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

async fn open(folder: &Path) -> Registry {
    Registry::open(Arc::new(Embedded::open(folder).unwrap()), Options::default()).await.unwrap()
}
