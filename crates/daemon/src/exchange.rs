//! `export`, `import`, `backup` and `repair`: a registry out of a store or a running server, and into another.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cartonym::backends::embedded::{self, Embedded, OpenError};
use cartonym::registry::{Export, Import, ImportError, Options, Record, Registry, Revision};
use tokio::runtime::Runtime;

use crate::Result;
use crate::cli::Place;
use crate::client::{Client, Parts};
use crate::counted::counted;
use crate::failure::Failure;
use crate::registries::report;
use crate::unfinished::{Unfinished, at};

/// Writes what a registry holds, a line of JSON for each record, to a file or to standard output.
pub(crate) fn export(place: &Place, to: Option<&Path>) -> Result<()> {
    let runtime = runtime()?;
    let lines = lines_of(&runtime, place)?;
    let Some(to) = to.filter(|to| *to != Path::new(STANDARD)) else {
        return write(lines, &mut io::stdout().lock(), Failure::Output);
    };
    let failed = |error| at(to, error);
    // A pipe or a device is written to: it is not a file's place.
    if fs::metadata(to).is_ok_and(|there| !there.is_file()) {
        return write(lines, &mut File::options().write(true).open(to).map_err(failed)?, failed);
    }
    let (unfinished, mut file) = Unfinished::file(to)?;
    write(lines, &mut file, failed)?;
    file.sync_all().map_err(failed)?;
    unfinished.finish()
}

/// Puts the records of an export into a registry, each in the place of the one of its key; what else is there stays.
pub(crate) fn import(place: &Place, from: Option<&Path>) -> Result<()> {
    let from = from.filter(|from| *from != Path::new(STANDARD));
    let path = from.unwrap_or(Path::new("standard input"));
    let failed = |error| at(path, error);
    let lines: Box<dyn BufRead> = match from {
        Some(path) => Box::new(BufReader::new(File::open(path).map_err(failed)?)),
        None => Box::new(io::stdin().lock()),
    };
    let runtime = runtime()?;
    transfer(lines.lines().map(|line| line.map_err(failed)), |revision| match &place.data {
        None => Into::server(&runtime, &place.url()),
        Some(folder) if folder.exists() => Into::folder(&runtime, folder, revision),
        Some(folder) => Into::new_folder(&runtime, folder, revision),
    })
}

/// Makes a store of its own of what a registry holds, which may be served as it is.
pub(crate) fn backup(place: &Place, to: &Path) -> Result<()> {
    let runtime = runtime()?;
    transfer(lines_of(&runtime, place)?, |revision| Into::new_folder(&runtime, to, revision))
}

/// Makes a store of what is whole in a damaged one, and says what is lost.
///
/// # Errors
///
/// Also where something is known to be lost; the new store is there all the same.
pub(crate) fn repair(folder: &Path, to: &Path) -> Result<()> {
    let salvaged = embedded::salvage(folder).map_err(|error| failed(&error))?;
    // No revision is given again to other changes.
    let revision = salvaged.revision.max(salvaged.acknowledged);
    let runtime = runtime()?;
    let unfinished = Unfinished::folder(to)?;
    let registry = open(&runtime, || Embedded::open_after(unfinished.path(), revision))?;
    let records: Vec<Record> = salvaged.records.into_values().collect();
    let (mut whole, mut losses) = (0, Vec::new());
    if salvaged.acknowledged > salvaged.revision {
        let (acknowledged, found) = (salvaged.acknowledged, salvaged.revision);
        losses.push(format!(
            "lost, or deletions: what was acknowledged after revision {found}, up to {acknowledged}"
        ));
    }
    let broken = salvaged.broken.iter();
    losses.extend(broken.map(|offset| format!("lost: a record in the page at offset {offset}")));
    for together in records.chunks(RECORDS_TOGETHER) {
        if runtime.block_on(registry.import(together.to_vec())).is_ok() {
            whole += together.len();
            continue;
        }
        for record in together {
            match runtime.block_on(registry.import(vec![record.clone()])) {
                Ok(_) => whole += 1,
                Err(ImportError::Write(error)) => return Err(failed(&error)),
                Err(error) => losses.push(format!("lost: {}", report(&error))),
            }
        }
    }
    drop(registry);
    // Whether or not anybody reads what is said of it.
    unfinished.finish()?;
    let (mut out, lost) = (io::stdout().lock(), losses.len());
    losses.iter().try_for_each(|loss| writeln!(out, "{loss}"))?;
    writeln!(
        out,
        "{}, {lost} lost or of what is lost. A page that cannot be read cannot be \
         counted, what was read is not verified, and what was deleted lately may be back: look before this is served",
        counted(whole, "whole record")
    )?;
    match lost {
        0 => Ok(()),
        lost => Err(Failure::Records(format!("{} lost", counted(lost, "record")))),
    }
}

/// The lines of what a registry holds, without their ends.
fn lines_of<'a>(
    runtime: &'a Runtime,
    place: &Place,
) -> Result<Box<dyn Iterator<Item = Result<String>> + 'a>> {
    if let Some(folder) = &place.data {
        let registry = open(runtime, || Embedded::open_existing(folder))?;
        return Ok(Box::new(registry.export().map(|line| Ok(line.trim_end().to_owned()))));
    }
    let body = runtime.block_on(Client::new(&place.url())?.unhurried().stream("/export"))?;
    let lines = BufReader::new(Download { runtime, body, part: Bytes::new() }).lines();
    Ok(Box::new(lines.map(|line| line.map_err(|error| failed(&error)))))
}

/// An answer's body, for who waits for it.
struct Download<'a> {
    runtime: &'a Runtime,
    body: Parts,
    /// What came and is not read yet.
    part: Bytes,
}

impl Read for Download<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.runtime.block_on(self.body.next()).map_err(io::Error::other)? {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let len = out.len().min(self.part.len());
        out[..len].copy_from_slice(&self.part.split_to(len));
        Ok(len)
    }
}

/// Writes lines as they are, if they are all there.
fn write(
    lines: impl Iterator<Item = Result<String>>,
    out: &mut impl Write,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<()> {
    let (mut reader, mut out) = (Lines::default(), BufWriter::new(out));
    for line in lines {
        let line = line?;
        reader.line(&line)?;
        writeln!(out, "{line}").map_err(&failed)?;
    }
    reader.finish()?;
    out.flush().map_err(failed)
}

/// Puts the records of `lines` into what `open` opens after their revision, when there is a first line.
fn transfer<'a>(
    mut lines: impl Iterator<Item = Result<String>>,
    open: impl FnOnce(Revision) -> Result<Into<'a>>,
) -> Result<()> {
    let mut reader = Lines::default();
    reader.line(&lines.next().unwrap_or_else(|| Ok(String::new()))?)?;
    let mut into = open(reader.import.revision().unwrap_or_default())?;
    for line in lines {
        if let Some(record) = reader.line(&line?)? {
            into.take(record)?;
        }
    }
    reader.finish()?;
    into.finish()
}

/// Where records are put.
struct Into<'a> {
    target: Target<'a>,
    /// Changed, and there before.
    done: [u64; 2],
}

enum Target<'a> {
    Folder {
        runtime: &'a Runtime,
        registry: Registry,
        records: Vec<Record>,
        /// After the registry, which is closed before its folder gets its name, or is removed.
        unfinished: Option<Unfinished>,
    },
    Server {
        runtime: &'a Runtime,
        client: Client,
        lines: Vec<String>,
        octets: usize,
    },
}

impl<'a> Into<'a> {
    fn server(runtime: &'a Runtime, url: &str) -> Result<Into<'a>> {
        let client = Client::new(url)?.unhurried();
        Ok(Into { target: Target::Server { runtime, client, lines: Vec::new(), octets: 0 }, done: [0; 2] })
    }

    /// A folder that is there; if it has no registry, the new one begins after `revision`.
    fn folder(runtime: &'a Runtime, folder: &Path, revision: Revision) -> Result<Into<'a>> {
        let registry = open(runtime, || Embedded::open_after(folder, revision))?;
        let target = Target::Folder { runtime, registry, records: Vec::new(), unfinished: None };
        Ok(Into { target, done: [0; 2] })
    }

    /// A folder that must not be there, and is not before all is in it.
    fn new_folder(runtime: &'a Runtime, folder: &Path, revision: Revision) -> Result<Into<'a>> {
        let new = Unfinished::folder(folder)?;
        let mut into = Into::folder(runtime, new.path(), revision)?;
        if let Target::Folder { unfinished, .. } = &mut into.target {
            *unfinished = Some(new);
        }
        Ok(into)
    }

    fn take(&mut self, record: Record) -> Result<()> {
        let is_full = match &mut self.target {
            Target::Folder { records, .. } => {
                records.push(record);
                records.len() >= RECORDS_AT_ONCE
            }
            Target::Server { lines, octets, .. } => {
                let line = Export::line(&record);
                *octets += line.len();
                lines.push(line);
                *octets >= OCTETS_AT_ONCE
            }
        };
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let put = match &mut self.target {
            Target::Folder { runtime, registry, records, .. } => {
                let put = runtime.block_on(registry.import(std::mem::take(records)));
                let put = put.map_err(|error| failed(&error))?;
                [put.changed as u64, put.same as u64]
            }
            Target::Server { runtime, client, lines, octets } => {
                *octets = 0;
                let mut body = Export::head(lines.len());
                body.extend(lines.drain(..));
                let answer = runtime.block_on(client.post("/import", JSON_LINES, body))?;
                let mut counts = answer.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
                [0; 2].map(|zero| counts.next().unwrap_or(zero))
            }
        };
        self.done = [self.done[0] + put[0], self.done[1] + put[1]];
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        let [changed, same] = self.done;
        if let Target::Folder { registry, unfinished, .. } = self.target {
            drop(registry);
            unfinished.map_or(Ok(()), Unfinished::finish)?;
        }
        writeln!(io::stdout(), "{} written, {same} there before", counted(changed, "record"))?;
        Ok(())
    }
}

/// Lines as they are read, counted, and shown where somebody looks.
#[derive(Default)]
struct Lines {
    import: Import,
    read: usize,
}

impl Lines {
    fn line(&mut self, line: &str) -> Result<Option<Record>> {
        self.read += 1;
        let stored = self.import.line(line);
        let stored =
            stored.map_err(|error| Failure::Records(format!("line {}: {}", self.read, report(&error))))?;
        if self.read.is_multiple_of(RECORDS_AT_ONCE) {
            self.show("");
        }
        Ok(stored.map(|stored| stored.record))
    }

    fn finish(self) -> Result<()> {
        if self.read >= RECORDS_AT_ONCE {
            self.show("\n");
        }
        self.import.finish().map(drop).map_err(|error| failed(&error))
    }

    /// Shows how far it is, where somebody looks.
    fn show(&self, end: &str) {
        let mut out = io::stderr();
        if out.is_terminal() {
            let (read, all) = (self.read.saturating_sub(1), self.import.expected().max(1));
            let filled = (read * 40 / all).min(40);
            let bar = format!("{}{}", "#".repeat(filled), ".".repeat(40 - filled));
            // Who no longer looks misses nothing.
            _ = write!(out, "\r{bar} {read} of {all} records{end}");
        }
    }
}

fn open(
    runtime: &Runtime,
    backend: impl FnOnce() -> std::result::Result<Embedded, OpenError>,
) -> Result<Registry> {
    let opened = backend().map_err(|error| {
        let in_use = matches!(error, OpenError::InUse { .. });
        let help = if in_use { "; or ask it, by `--url` and where its API is" } else { "" };
        Failure::Records(format!("{}{help}", report(&error)))
    })?;
    let registry = runtime.block_on(Registry::open(Arc::new(opened), Options::default()));
    registry.map_err(|error| failed(&error))
}

fn runtime() -> Result<Runtime> {
    Runtime::new().map_err(|error| Failure::Start(error.to_string()))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Records(report(error))
}

/// The type of what `/import` takes. No page of a browser may send it elsewhere without asking first.
pub(crate) const JSON_LINES: &str = "application/jsonl";
/// Stands for standard output, or input.
const STANDARD: &str = "-";
/// How many records are put at once, and between two looks of who looks.
const RECORDS_AT_ONCE: usize = 1024;
/// How many salvaged records are tried together, before each is by itself.
const RECORDS_TOGETHER: usize = 64;
/// How much is sent at once.
const OCTETS_AT_ONCE: usize = 128 << 10;
