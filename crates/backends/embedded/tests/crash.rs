//! A process is killed while it writes, again and again: what it was told is written, is there.
//!
//! The test runs itself as the process that is killed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test without a harness says itself how it went"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cartonym_backend_embedded::Embedded;
use cartonym_registry::*;

const WRITERS: usize = 4;
const KILLS: usize = 8;
const NAME: &str = "web.svc.example";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match &arguments[1..] {
        [role, folder] if role == "write" => runtime.block_on(write(Path::new(folder))),
        _ if arguments.iter().any(|argument| argument == "--list") => println!("crash: test"),
        _ => kill_again_and_again(&runtime),
    }
}

fn kill_again_and_again(runtime: &tokio::runtime::Runtime) {
    let folder = tempfile::tempdir().unwrap();
    // The greatest number that each writer was told is written.
    let mut told = [0; WRITERS];
    for kill in 0..KILLS {
        // From a few to many changes after the start, so that some kills meet the open, and some the middle.
        let enough = [1, 7, 60, 200][kill % 4];
        let before = told;
        let child = spawn(folder.path());
        hear(child, enough, &mut told);
        assert!(told.iter().zip(before).any(|(now, then)| *now > then), "kill {kill}: nothing was written");
        runtime.block_on(check(folder.path(), &mut told));
    }
    let written: usize = told.iter().sum();
    println!("{KILLS} kills, {written} acknowledged changes, none lost, none wrong ... ok");
}

fn spawn(folder: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.arg("write").arg(folder).stdout(Stdio::piped()).spawn().unwrap()
}

/// Takes in `enough` acknowledgements, kills the writer, and takes in the rest that it had said.
fn hear(mut child: Child, enough: usize, told: &mut [usize; WRITERS]) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (count, line) in lines.map_while(Result::ok).enumerate() {
        let mut words = line.split(' ').map(|word| word.parse::<usize>());
        // A line that the kill has cut says nothing.
        if let (Some(Ok(writer)), Some(Ok(number)), Some(Ok(0))) = (words.next(), words.next(), words.next())
        {
            told[writer] = number;
        }
        if count + 1 == enough {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

/// Each writer's instances are all there from the first to the last it was told of, and at most one more: one that was
/// written, and the kill came before the word.
async fn check(folder: &Path, told: &mut [usize; WRITERS]) {
    let registry = open(folder).await;
    let model = registry.model();
    let instances = model.services().flat_map(|entry| entry.instances.iter());
    let there: BTreeMap<_, _> =
        instances.map(|entry| (entry.instance.id().to_string(), entry.instance.port())).collect();
    let mut expected = 0;
    for (writer, told) in told.iter_mut().enumerate() {
        for number in 1..=*told {
            assert_eq!(
                there.get(&id(writer, number)),
                Some(&Some(port(number))),
                "writer {writer}, {number} lost"
            );
        }
        *told += usize::from(there.contains_key(&id(writer, *told + 1)));
        expected += *told;
    }
    assert_eq!(there.len(), expected, "there is what nobody wrote");
    // Each change came with its operation.
    assert!(model.operations().len() >= expected);
}

/// Registers without an end, and says what is acknowledged.
async fn write(folder: &Path) {
    let registry = open(folder).await;
    let writers = (0..WRITERS).map(|writer| {
        let registry = registry.clone();
        tokio::spawn(async move {
            for number in next(&registry, writer).. {
                let address = std::net::SocketAddr::from(([192, 0, 2, writer as u8], port(number)));
                registry.register(NAME, &id(writer, number), address).await.unwrap();
                std::io::stdout().write_all(format!("{writer} {number} 0\n").as_bytes()).unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// The number after the last that is there.
fn next(registry: &Registry, writer: usize) -> usize {
    let model = registry.model();
    let mut services = model.services();
    let Some(service) = services.next() else { return 1 };
    (1..).find(|number| service.instances.get(&id(writer, *number)).is_none()).unwrap_or(1)
}

async fn open(folder: &Path) -> Registry {
    let backend = Embedded::open(folder).unwrap_or_else(|error| panic!("{error}: {error:?}"));
    Registry::open(Arc::new(backend), Options::default()).await.unwrap()
}

fn id(writer: usize, number: usize) -> String {
    format!("{writer}-{number}")
}

fn port(number: usize) -> u16 {
    (number % 60_000) as u16 + 1
}
