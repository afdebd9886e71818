//! What is not opened, why, and that it stays as it was.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cartonym_backend_embedded::{Embedded, OpenError};
use cartonym_registry::*;
use redb::{Database, ReadableDatabase, TableDefinition};
use tempfile::{TempDir, tempdir};

/// A folder with a namespace, a service, and some instances; and the ids of those.
async fn folder_with_instances(count: usize) -> TempDir {
    let folder = tempdir().unwrap();
    let registry = open(folder.path()).await.unwrap();
    for n in 0..count {
        let address = format!("192.0.2.{}:80", n % 250).parse().unwrap();
        registry.register("web.svc.example", &format!("i{n:04}"), address).await.unwrap();
    }
    folder
}

async fn open(folder: &Path) -> Result<Registry, Box<dyn Error>> {
    let backend = Arc::new(Embedded::open(folder)?);
    Ok(Registry::open(backend, Options::default()).await?)
}

fn file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("registry.redb")
}

fn refused(folder: &Path) -> OpenError {
    Embedded::open(folder).map(drop).expect_err("opened")
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let folder = folder_with_instances(1).await;
    let first = Embedded::open(folder.path()).unwrap();
    let error = refused(folder.path());
    assert!(
        matches!(error, OpenError::InUse { process: Some(id), .. } if id == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains(folder.path().to_str().unwrap()));
    assert!(error.to_string().contains(&std::process::id().to_string()));
    drop(first);
    Embedded::open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_registry_that_is_dropped_lets_the_folder_go_at_once() {
    let folder = tempdir().unwrap();
    for _ in 0..20 {
        drop(open(folder.path()).await.unwrap());
    }
}

#[test]
fn a_path_that_cannot_be_a_folder_is_named() {
    let folder = tempdir().unwrap();
    let taken = folder.path().join("file");
    fs::write(&taken, "mine").unwrap();
    for path in [taken.clone(), taken.join("below")] {
        let error = refused(&path);
        assert!(matches!(&error, OpenError::Path { path: named, .. } if *named == path), "{error}");
        assert!(error.source().is_some());
    }
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    for content in [&b"not a store"[..], &[0; 8192], &[0xff; 100_000]] {
        let folder = tempdir().unwrap();
        fs::write(file(&folder), content).unwrap();
        let error = refused(folder.path());
        assert!(matches!(&error, OpenError::Damaged { path, .. } if *path == file(&folder)), "{error}");
        assert_eq!(fs::read(file(&folder)).unwrap(), content);
    }
}

#[tokio::test]
async fn a_store_of_another_version_is_left_alone() {
    let folder = folder_with_instances(3).await;
    set_version(&file(&folder), 2);
    let before = fs::read(file(&folder)).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::OtherVersion { found: 2, expected: 1, .. }), "{error}");
    assert!(fs::read(file(&folder)).unwrap() == before, "the file was touched");

    set_version(&file(&folder), 1);
    assert_eq!(open(folder.path()).await.unwrap().model().instance_count(), 3);
}

fn set_version(path: &Path, version: u64) {
    const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("version", version).unwrap();
    transaction.commit().unwrap();
    drop(database.begin_read().unwrap());
}

#[test]
fn what_a_crash_left_unfinished_is_made_anew() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("registry.redb.new"), "half of it").unwrap();
    Embedded::open(folder.path()).unwrap();
    assert!(!folder.path().join("registry.redb.new").exists());
}

#[tokio::test]
async fn a_store_cut_short_is_refused_and_left_alone() {
    let folder = folder_with_instances(40).await;
    let whole = fs::read(file(&folder)).unwrap();
    for part in 1..16 {
        let cut = &whole[..whole.len() * part / 16];
        fs::write(file(&folder), cut).unwrap();
        let error = refused(folder.path());
        assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Path { .. }), "{part}: {error}");
        assert!(fs::read(file(&folder)).unwrap() == cut, "{part}: the file was touched");
    }
}

#[tokio::test]
async fn a_rotten_store_is_refused_and_left_alone_or_tells_the_truth() {
    let folder = folder_with_instances(40).await;
    let whole = fs::read(file(&folder)).unwrap();
    let truth = ids(&open(folder.path()).await.unwrap());
    let mut refusals = 0;
    // A step that is no multiple of a page meets every place in one.
    for place in (0..whole.len()).step_by(whole.len() / 150 + 1) {
        let mut rotten = whole.clone();
        rotten[place] ^= 0x41;
        fs::write(file(&folder), &rotten).unwrap();
        match open(folder.path()).await {
            Ok(registry) => assert_eq!(ids(&registry), truth, "octet {place}"),
            Err(error) => {
                refusals += 1;
                assert!(
                    fs::read(file(&folder)).unwrap() == rotten,
                    "octet {place}: the file was touched: {error}"
                );
            }
        }
    }
    assert!(refusals > 15, "{refusals} of 150 places were found rotten: the test has lost its teeth");
}

fn ids(registry: &Registry) -> Vec<String> {
    let model = registry.model();
    model
        .services()
        .flat_map(|entry| entry.instances.iter())
        .map(|entry| format!("{:?}", entry.instance))
        .collect()
}
