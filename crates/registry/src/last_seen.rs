//! A registry as it was last seen, in a file: what DNS answers when the backend is away at a start.
//!
//! One line of JSON for the whole, with revision and number of records, and one for each record: its key, its revision
//! and itself. A file is written beside the one before and takes its place when it is whole.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::instances::InstanceEntry;
use crate::model::Model;
use crate::publisher::Published;
use crate::{Key, Namespace, NamespaceId, Operation, Record, Revision, Service, ServiceId, Stored};

/// Where a registry is kept in case its backend is away at the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// The file.
    pub path: PathBuf,
    /// Whether an empty backend may take the place of a registry that was not: after a mistake of its operators, it is
    /// the backend that is wrong.
    pub allow_empty: bool,
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    revision: u64,
    records: usize,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    key: String,
    revision: u64,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// What a model holds, to be written when the model is let go.
pub(crate) struct Everything {
    revision: Revision,
    namespaces: Vec<(Revision, Namespace)>,
    http_names: Vec<(String, NamespaceId)>,
    services: Vec<(Revision, Service)>,
    instances: Vec<(ServiceId, Arc<InstanceEntry>)>,
    operations: Vec<(Revision, Operation)>,
}

impl Everything {
    pub(crate) fn of(model: &Model) -> Self {
        let instances = model.services().flat_map(|entry| {
            entry.instances.iter().map(|instance| (entry.service.id, Arc::clone(instance)))
        });
        Self {
            revision: model.revision(),
            namespaces: model.namespaces().map(|entry| (entry.revision, entry.namespace.clone())).collect(),
            http_names: model.http_names().map(|(name, id)| (name.to_owned(), id)).collect(),
            services: model.services().map(|entry| (entry.revision, entry.service.clone())).collect(),
            instances: instances.collect(),
            operations: model.operations().map(|entry| (entry.revision, entry.operation.clone())).collect(),
        }
    }

    fn len(&self) -> usize {
        self.namespaces.len()
            + self.http_names.len()
            + self.services.len()
            + self.instances.len()
            + self.operations.len()
    }

    /// Parents first.
    fn records(self) -> impl Iterator<Item = Stored> {
        let stored = |(revision, record)| Stored { revision, record };
        let at = self.revision;
        let namespaces =
            self.namespaces.into_iter().map(|(at, namespace)| (at, Record::Namespace(namespace)));
        let names = self.http_names.into_iter();
        let names = names.map(move |(name, namespace)| (at, Record::HttpName { name, namespace }));
        let services = self.services.into_iter().map(|(at, service)| (at, Record::Service(service)));
        let instances = self.instances.into_iter().map(|(service, entry)| {
            (entry.revision, Record::Instance { service, instance: entry.instance.clone() })
        });
        let operations =
            self.operations.into_iter().map(|(at, operation)| (at, Record::Operation(operation)));
        namespaces.chain(names).chain(services).chain(instances).chain(operations).map(stored)
    }
}

/// Writes the file anew.
pub(crate) fn write(path: &Path, everything: Everything) -> io::Result<()> {
    // Two registries over one store write the same file for a moment, while one takes over from the other.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut unfinished = path.to_owned().into_os_string();
    unfinished.push(format!(".unfinished-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let unfinished = PathBuf::from(unfinished);
    let mut file = BufWriter::new(File::create(&unfinished)?);
    let (revision, records) = (everything.revision.0, everything.len());
    write_line(&mut file, &Head { version: VERSION, revision, records })?;
    for Stored { revision, record } in everything.records() {
        let value = RawValue::from_string(String::from_utf8_lossy(&record.encode()).into_owned())?;
        let key = record.key().to_string();
        write_line(&mut file, &Line { key, revision: revision.0, value: &value })?;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// Reads a file that was written whole; `None` where there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Model>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut lines = BufReader::new(file).lines();
    let head: Head = serde_json::from_str(&lines.next().unwrap_or_else(|| Ok(String::new()))?)?;
    if head.version != VERSION {
        return Err(io::Error::other(format!("it has version {}, and {VERSION} is known", head.version)));
    }
    let (mut model, mut left) = (Model::default(), head.records);
    for line in lines {
        let line = line?;
        let line: Line<'_> = serde_json::from_str(&line)?;
        let key: Key = line.key.parse().map_err(io::Error::other)?;
        let record = Record::decode(key, line.value.get().as_bytes()).map_err(io::Error::other)?;
        model.load(vec![Stored { revision: Revision(line.revision), record }]);
        left = left.saturating_sub(1);
    }
    if left > 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{left} records are missing")));
    }
    model.loaded(Revision(head.revision));
    Ok(Some(model))
}

fn write_line(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

/// Writes the file whenever something has changed, until the registry is gone.
pub(crate) async fn keep(last_seen: LastSeen, published: Weak<Published>) {
    let mut written = None;
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let Some(published) = published.upgrade() else { return };
        let revision = *published.revision.borrow();
        if written == Some(revision) || published.is_away() {
            continue;
        }
        let everything = Everything::of(&published.model.read());
        drop(published);
        // A large registry is written seldom.
        pause = PAUSE + PAUSE * u32::try_from(everything.len() / RECORDS_A_PAUSE).unwrap_or(u32::MAX);
        let path = last_seen.path.clone();
        match tokio::task::spawn_blocking(move || write(&path, everything)).await {
            Ok(Ok(())) => written = Some(revision),
            Ok(Err(error)) => {
                let path = last_seen.path.display();
                tracing::warn!(%path, %error, "the registry as it was last seen is not written");
            }
            Err(_) => return,
        }
    }
}

/// The form of the file.
const VERSION: u32 = 1;
/// The wait between two looks at whether something has changed.
const PAUSE: Duration = Duration::from_secs(1);
/// For so many records, the wait grows by another pause.
const RECORDS_A_PAUSE: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    async fn model() -> Everything {
        let registry = Registry::in_memory();
        for n in 0..20u8 {
            let name = format!("svc-{}.svc.example", n % 3);
            registry.register(&name, &format!("i{n}"), ([192, 0, 2, n], 80).into()).await.unwrap();
        }
        Everything::of(&registry.model())
    }

    #[tokio::test]
    async fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        assert!(read(&path).unwrap().is_none());
        let everything = model().await;
        let (revision, len) = (everything.revision, everything.len());
        write(&path, everything).unwrap();
        let read = read(&path).unwrap().unwrap();
        assert_eq!((read.revision(), read.instance_count(), read.services().len()), (revision, 20, 3));
        assert_eq!(Everything::of(&read).len(), len);
    }

    #[tokio::test]
    async fn a_file_that_is_cut_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        write(&path, model().await).unwrap();
        let whole = fs::read(&path).unwrap();
        for len in (0..whole.len() - 1).step_by(97) {
            fs::write(&path, &whole[..len]).unwrap();
            assert!(read(&path).is_err(), "{len} of {} octets", whole.len());
        }
    }
}
