//! A file becomes a registry, and each change of it the smallest change; what is wrong is said with its place.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cartonym_backend_file::{File, FileError, Options};
use cartonym_registry::{Backend, BackendError, Edit, Event, Key, Registry, Revision, Verdict, WriteError};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

const FILE: &str = "\
namespaces:
  - name: shop.example
    type: DNS_PUBLIC
    services:
      - name: web
        records: {A: 5, SRV: 5}
        health: {type: CUSTOM}
        instances:
          web-1: {AWS_INSTANCE_IPV4: 192.0.2.1, AWS_INSTANCE_PORT: 8080}
          web-2:
            AWS_INSTANCE_IPV4: 192.0.2.2
            AWS_INSTANCE_PORT: 8080
";

#[tokio::test]
async fn a_change_is_told_as_what_is_different() {
    let (file, mut events) = open(FILE).await;
    file.write(&FILE.replace("192.0.2.2", "192.0.2.3"));
    let edits = changed(&mut events).await;
    assert!(
        matches!(&edits[..], [Edit::Put(record)] if matches!(record.key(), Key::Instance(_, id) if id.as_str() == "web-2"))
    );

    let one = FILE.split("          web-2").next().unwrap();
    file.write(one);
    assert!(matches!(&changed(&mut events).await[..], [Edit::Delete(Key::Instance(..))]));
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing_until_it_is_repaired() {
    let (file, mut events) = open(FILE).await;
    file.write(&FILE.replace("192.0.2.2", "192.0.2.2x"));
    let error = soon(&mut events).await.unwrap_err();
    let BackendError::Damaged(error) = error else { panic!("{error}") };
    assert!(error.to_string().ends_with("registry.yaml:11:13"), "{error}");
    file.write(FILE);
    assert_back(&mut events).await;
    fs::remove_file(&file.path).unwrap();
    soon(&mut events).await.unwrap_err();
    file.write(&FILE.replace("192.0.2.2", "192.0.2.3"));
    assert_eq!(changed(&mut events).await.len(), 1);
}

#[tokio::test]
async fn a_file_without_a_namespace_takes_the_place_of_none_but_when_it_is_said() {
    let (file, mut events) = open(FILE).await;
    file.write("namespaces: []");
    assert!(
        matches!(soon(&mut events).await, Err(BackendError::Damaged(error)) if error.to_string().contains("allow_empty"))
    );
    drop(file);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.yaml");
    fs::write(&path, FILE).unwrap();
    let file = File::open(&path, Options { allow_empty: true }).unwrap();
    fs::write(&path, "namespaces: []").unwrap();
    file.read().unwrap();
    let registry = Registry::open(Arc::new(file), Default::default()).await.unwrap();
    assert_eq!(registry.model().namespaces().len(), 0);
}

/// How Kubernetes replaces a ConfigMap: the file is a link through a link, and that is swapped.
#[tokio::test]
async fn a_link_that_leads_elsewhere_is_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [("one", FILE.to_owned()), ("two", FILE.replace("192.0.2.2", "192.0.2.3"))] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("registry.yaml"), text).unwrap();
    }
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
    };
    link("one");
    std::os::unix::fs::symlink("..data/registry.yaml", at("registry.yaml")).unwrap();
    let file = File::open(at("registry.yaml"), Options::default()).unwrap();
    let mut events = file.watch(Revision::ZERO);
    caught_up(&mut events).await;
    link("two");
    assert_eq!(changed(&mut events).await.len(), 1);
}

#[tokio::test]
async fn the_registry_is_read_only_but_for_health_which_lasts_as_long_as_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.yaml");
    fs::write(&path, FILE).unwrap();
    let file = Arc::new(File::open(&path, Options::default()).unwrap());
    let registry = Registry::open(file.clone(), Default::default()).await.unwrap();
    let refused = registry.register("new.shop.example", "i", "192.0.2.9:80".parse().unwrap()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.to_string(), WriteError::ReadOnly.to_string());

    let service = registry.model().services().next().unwrap().service.id;
    let verdict = |id: &str| registry.model().instance(service, id).unwrap().instance.health().verdict;
    for id in ["web-1", "web-2"] {
        registry.update_custom_health(service, &id.parse().unwrap(), Verdict::Unhealthy).await.unwrap();
        assert_eq!(verdict(id), Verdict::Unhealthy);
    }
    fs::write(&path, FILE.replace("192.0.2.2", "192.0.2.3")).unwrap();
    let revision = file.read().unwrap();
    registry.wait_published(revision).await;
    assert_eq!([verdict("web-1"), verdict("web-2")], [Verdict::Unhealthy, Verdict::Healthy]);
}

#[test]
fn json_is_read_as_well() {
    let text = r#"{"$schema": "x", "namespaces": [{"name": "shop.example", "services": [{"name": "web", "records": {"A": 5},
        "instances": {"web-1": {"AWS_INSTANCE_IPV4": "192.0.2.1"}}}]}]}"#;
    assert_eq!(check(text).unwrap(), [1, 1, 1]);
}

#[test]
fn a_mistake_is_said_with_its_place() {
    let service = "namespaces:\n- name: a.example\n  services:\n  - name: web\n";
    let cases = [
        ("", "1:1", "end of input"),
        ("namespaces:\n- nam: x\n", "2:3", "unknown field `nam`"),
        ("namespaces:\n- name: [x\n", "2:9", ""),
        ("namespaces:\n- name: x\n  name: y\n", "3:3", "duplicate"),
        ("namespaces:\n- name: ..\n", "2:9", "a label is empty"),
        ("namespaces:\n- name: x\n  type: DNS_PUBLIC\n", "2:9", "single label"),
        ("namespaces:\n- name: x\n  type: HTTP\n  soa_ttl: 5\n", "4:12", "no SOA"),
        ("namespaces:\n- name: x\n  type: HTTP\n  vpc: v\n", "4:8", "private namespace"),
        ("namespaces:\n- name: x\n- name: X\n", "3:9", "namespace of this name"),
        ("namespaces:\n- name: x\n  tags: {'aws:x': y}\n", "3:10", "reserved"),
        (&format!("{service}  - name: WEB\n"), "5:11", "service of this name"),
        (&format!("{service}  - name: -x\n"), "5:11", "begins or ends"),
        (&format!("{service}    records: {{}}\n"), "5:14", "no DNS record"),
        (&format!("{service}    records: {{MX: 5}}\n"), "5:15", "unknown field `MX`"),
        (&format!("{service}    records: {{A: -5}}\n"), "5:18", "invalid u32"),
        (&format!("{service}    routing: WEIGHTED\n"), "5:14", "`records`"),
        (&format!("{service}    health: {{type: TCP, path: /}}\n"), "5:13", "TCP check"),
        (&format!("{service}    health: {{type: CUSTOM, path: /}}\n"), "5:13", "no `path`"),
        (&format!("{service}    attributes: {{cartonym.max-answers: 0}}\n"), "5:18", "1 to 1000"),
        (&format!("{service}    instances: {{a b: {{}}}}\n"), "5:17", "instance id"),
        (&format!("{service}    instances: {{a: {{x: y}}, a: {{}}}}\n"), "5:28", "duplicate"),
        (&format!("{service}    instances: {{a: {{CARTONYM_TTL: 5}}}}\n"), "5:21", "as long as it stands"),
        (
            &format!("{service}    records: {{A: 5}}\n    instances:\n      a: {{}}\n"),
            "7:7",
            "AWS_INSTANCE_IPV4",
        ),
        (
            &format!("{service}    instances:\n      a:\n        AWS_INSTANCE_PORT: x\n"),
            "7:9",
            "AWS_INSTANCE_PORT",
        ),
        ("namespaces: []\n---\nnamespaces: []\n", "3:1", "multiple"),
    ];
    for (text, place, says) in cases {
        let error = check(text).unwrap_err();
        let at = match &error {
            FileError::Form { place, .. } | FileError::Invalid { place, .. } => place,
            other => panic!("{text}: {other}"),
        };
        let mut said = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            said += &format!(": {cause}");
            source = cause.source();
        }
        assert_eq!(format!("{}:{}", at.line, at.column), place, "{text}\n{said}");
        assert!(said.contains(says), "{text}\n{said}");
    }
}

fn check(text: &str) -> Result<[usize; 3], FileError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.yaml");
    fs::write(&path, text).unwrap();
    File::check(&path)
}

/// A file that is followed.
struct Followed {
    path: std::path::PathBuf,
    _file: File,
    folder: tempfile::TempDir,
}

impl Followed {
    /// As an editor does.
    fn write(&self, text: &str) {
        let new: &Path = &self.folder.path().join("new");
        fs::write(new, text).unwrap();
        fs::rename(new, &self.path).unwrap();
    }
}

type Events = BoxStream<'static, Result<Event, BackendError>>;

async fn open(text: &str) -> (Followed, Events) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.yaml");
    fs::write(&path, text).unwrap();
    let file = File::open(&path, Options::default()).unwrap();
    let mut events = file.watch(Revision::ZERO);
    caught_up(&mut events).await;
    (Followed { path, _file: file, folder }, events)
}

async fn soon(events: &mut Events) -> Result<Event, BackendError> {
    let next = tokio::time::timeout(Duration::from_secs(20), events.next());
    next.await.expect("nothing was told").expect("a watch has no end")
}

/// Nothing was missed.
async fn assert_back(events: &mut Events) {
    let told = soon(events).await;
    assert!(matches!(told, Ok(Event::CaughtUp(_))), "{told:?}");
}

async fn caught_up(events: &mut Events) {
    while !matches!(soon(events).await, Ok(Event::CaughtUp(_))) {}
}

/// What the next change does.
async fn changed(events: &mut Events) -> Vec<Edit> {
    loop {
        if let Event::Changed { edits, .. } = soon(events).await.unwrap() {
            return edits;
        }
    }
}
