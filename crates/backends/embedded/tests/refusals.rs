//! What is not opened, why, and that it stays as it was.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cartonym_backend_embedded::{Embedded, OpenError, Salvaged, salvage};
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

#[test]
fn a_folder_without_a_registry_is_no_source_and_is_not_made() {
    let folder = tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("typo")] {
        for error in [Embedded::open_existing(&path).map(drop), salvage(&path).map(drop)] {
            assert!(matches!(&error, Err(OpenError::Missing { folder }) if *folder == path), "{error:?}");
        }
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_new_store_goes_on_after_another() {
    let folder = tempdir().unwrap();
    for (after, expected) in [(1000, 1000), (5, 1000)] {
        let backend = Arc::new(Embedded::open_after(folder.path(), Revision(after)).unwrap());
        let registry = Registry::open(backend, Options::default()).await.unwrap();
        assert_eq!(registry.published(), Revision(expected));
    }
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
    assert!(matches!(refused(&taken), OpenError::NoFolder { path } if path == taken));
    let below = taken.join("below");
    let error = refused(&below);
    assert!(matches!(&error, OpenError::Path { path, .. } if *path == below), "{error}");
    assert!(error.source().is_some());
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
async fn a_store_without_what_was_acknowledged_is_left_alone() {
    let folder = folder_with_instances(3).await;
    let older = fs::read(file(&folder)).unwrap();
    {
        let registry = open(folder.path()).await.unwrap();
        registry.register("web.svc.example", "later", "192.0.2.9:80".parse().unwrap()).await.unwrap();
    }
    let newer = fs::read(file(&folder)).unwrap();
    fs::write(file(&folder), &older).unwrap();
    let error = refused(folder.path());
    assert!(matches!(&error, OpenError::Behind { path, .. } if *path == file(&folder)), "{error}");
    assert!(error.to_string().contains("registry.acknowledged"), "{error}");
    assert!(fs::read(file(&folder)).unwrap() == older, "the file was touched");
    let salvaged = salvage(folder.path()).unwrap();
    assert!(salvaged.revision < salvaged.acknowledged, "{salvaged:?}");
    fs::remove_file(file(&folder)).unwrap();
    assert!(matches!(refused(folder.path()), OpenError::Gone { path, .. } if path == file(&folder)));
    assert!(!file(&folder).exists(), "a new store has taken the place of the one that is missing");

    fs::write(file(&folder), newer).unwrap();
    assert_eq!(open(folder.path()).await.unwrap().model().instance_count(), 4);
    fs::write(file(&folder), older).unwrap();
    fs::remove_file(folder.path().join("registry.acknowledged")).unwrap();
    assert_eq!(open(folder.path()).await.unwrap().model().instance_count(), 3);
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

#[tokio::test]
async fn what_is_whole_of_a_rotten_store_is_found_and_the_store_left_alone() {
    let folder = folder_with_instances(40).await;
    let whole = fs::read(file(&folder)).unwrap();
    let all = salvage(folder.path()).unwrap();
    let instances = |salvaged: &Salvaged| {
        salvaged.records.values().filter(|record| matches!(record, Record::Instance { .. })).count()
    };
    assert_eq!((instances(&all), all.broken.len()), (40, 0));
    let registry = Registry::in_memory();
    registry.import(all.records.into_values().collect()).await.unwrap();
    assert_eq!(ids(&registry), ids(&open(folder.path()).await.unwrap()));

    // Any part of it: no panic, nothing that was not there, and what is in other pages. Page 0 leads to the others, and is not
    // needed.
    let mut unharmed = 0;
    for place in (0..whole.len()).step_by(whole.len() / 50 + 1) {
        let mut rotten = whole.clone();
        let end = (place + 5000).min(rotten.len());
        rotten[place..end].fill(0xa5);
        fs::write(file(&folder), &rotten).unwrap();
        let found = instances(&salvage(folder.path()).unwrap());
        assert!(found <= 40);
        unharmed += usize::from(found == 40);
        assert!(fs::read(file(&folder)).unwrap() == rotten);
    }
    assert!(unharmed > 25, "in {unharmed} of 50 cases all was found");

    let mut broken = whole.clone();
    let record = salvage_after(&folder, &whole)
        .records
        .into_values()
        .find(|record| record.key().to_string().ends_with("i0007"));
    let packed = record.unwrap().pack();
    let places: Vec<_> = (0..whole.len()).filter(|at| whole[*at..].starts_with(&packed)).collect();
    for at in &places {
        // No form begins so.
        broken[*at] = 0xff;
    }
    let salvaged = salvage_after(&folder, &broken);
    let pages: BTreeSet<_> = places.iter().map(|at| (at / 4096 * 4096) as u64).collect();
    assert_eq!((instances(&salvaged), salvaged.broken), (39, pages.into_iter().collect()));

    let mut headless = whole.clone();
    headless[..4096].fill(0);
    fs::write(file(&folder), &headless).unwrap();
    refused(folder.path());
    assert_eq!(instances(&salvage(folder.path()).unwrap()), 40);
}

fn salvage_after(folder: &TempDir, octets: &[u8]) -> Salvaged {
    fs::write(file(folder), octets).unwrap();
    salvage(folder.path()).unwrap()
}

fn ids(registry: &Registry) -> Vec<String> {
    let model = registry.model();
    model
        .services()
        .flat_map(|entry| entry.instances.iter())
        .map(|entry| format!("{:?}", entry.instance))
        .collect()
}
