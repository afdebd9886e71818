//! A file passes the suite's part for those that only read.

use std::sync::Arc;
use std::time::Duration;

use cartonym_backend_file::{File, Options};
use cartonym_registry::conformance::Store;
use cartonym_registry::{Backend, Revision};
use parking_lot::Mutex;
use tempfile::TempDir;

/// A folder with a file, what stands in it, and the backend that is open.
struct Written {
    folder: TempDir,
    state: Mutex<(Vec<usize>, Option<Arc<File>>)>,
}

impl Written {
    fn new() -> Self {
        let written = Self { folder: tempfile::tempdir().unwrap(), state: Mutex::default() };
        written.write(&[]);
        written
    }

    fn write(&self, namespaces: &[usize]) {
        let mut text = "namespaces:\n".to_owned();
        for n in namespaces {
            text += &format!(
                "  - name: n{n}.example\n    services:\n      - name: web\n        records: {{A: 5}}\n        instances:\n          \
                 i{n}: {{AWS_INSTANCE_IPV4: 192.0.2.1}}\n"
            );
        }
        if namespaces.is_empty() {
            text = "namespaces: []\n".to_owned();
        }
        std::fs::write(self.folder.path().join("registry.yaml"), text).unwrap();
    }
}

impl Store for Written {
    async fn open(&self) -> Arc<dyn Backend> {
        let (namespaces, open) = &mut *self.state.lock();
        // One process at a time, and none that makes more than ten changes a second all its life.
        if open.take().is_some() {
            std::thread::sleep(Duration::from_millis(100) * namespaces.len() as u32 * 2);
        }
        let options = Options { allow_empty: true };
        let file = Arc::new(File::open(self.folder.path().join("registry.yaml"), options).unwrap());
        *open = Some(file.clone());
        file
    }

    async fn turn(&self, _backend: &Arc<dyn Backend>, n: usize) -> Revision {
        let (namespaces, open) = &mut *self.state.lock();
        match n % 5 {
            4 => namespaces.retain(|other| *other != n - 2),
            _ => namespaces.push(n),
        }
        self.write(namespaces);
        open.as_ref().unwrap().read().unwrap()
    }
}

cartonym_registry::conformance_suite!(read_only Written::new());
