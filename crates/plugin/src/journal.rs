//! Lines about queries, for people: written by a thread of their own, so that no query waits for a disk or a terminal.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Where plugins write lines about queries.
///
/// A queue of bounded length leads to one thread, which formats and writes. When the queue is full lines are lost,
/// and the next line that is written says how many: a slow reader of the output costs lines, never queries.
/// Dropping it writes what is queued.
pub struct Journal {
    /// None only while dropped.
    queue: Option<SyncSender<Line>>,
    lost: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// For those who look for a fault.
    Debug,
    /// As it should be.
    Info,
    /// As it should not be, but the server goes on.
    Warning,
    /// Something failed.
    Error,
}

/// Writes one line, without its end.
type Line = Box<dyn FnOnce(&mut String) + Send>;

/// Lines that may wait to be written; at 150 octets a line this is 2 MB of text at most.
const MAX_QUEUED: usize = 16_384;

/// Octets that are written at once.
const MAX_BATCH: usize = 64 * 1024;

impl Journal {
    /// A journal written to `out`.
    pub fn to(out: impl Write + Send + 'static) -> Journal {
        let (queue, lines) = sync_channel(MAX_QUEUED);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = {
            let lost = lost.clone();
            let writer = std::thread::Builder::new().name("journal".to_owned());
            // Without a thread the queue has no reader, and every line is lost: worth living with.
            writer.spawn(move || write_lines(&lines, &lost, out)).ok()
        };
        Journal { queue: Some(queue), lost, writer }
    }

    /// Writes `[LEVEL] ` and what `line` adds. `line` runs later, on the journal's thread.
    pub fn write(&self, level: Level, line: impl FnOnce(&mut String) + Send + 'static) {
        let line = Box::new(move |text: &mut String| {
            text.push('[');
            text.push_str(level.as_str());
            text.push_str("] ");
            line(text);
        });
        if self.queue.as_ref().is_none_or(|queue| queue.try_send(line).is_err()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes until the journal is dropped; what comes in while it writes is its next batch.
fn write_lines(lines: &Receiver<Line>, lost: &AtomicU64, mut out: impl Write) {
    let mut text = String::new();
    while let Ok(first) = lines.recv() {
        text.clear();
        end_line(&mut text, first);
        while text.len() < MAX_BATCH
            && let Ok(line) = lines.try_recv()
        {
            end_line(&mut text, line);
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            count => text.push_str(&format!("[WARNING] {count} lines lost: the output is too slow\n")),
        }
        // There is nowhere left to complain about an output that cannot be written.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn end_line(text: &mut String, line: Line) {
    line(text);
    text.push('\n');
}

impl Default for Journal {
    /// To the standard output.
    fn default() -> Journal {
        Journal::to(io::stdout())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Level {
    /// As it stands at the beginning of a line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        }
    }
}

/// An output that a test reads.
impl Journal {
    /// A journal and the text that it has written once it is dropped.
    pub fn to_memory() -> (Journal, Written) {
        let written = Written::default();
        (Journal::to(written.clone()), written)
    }
}

/// What a journal has written to memory.
#[derive(Clone, Debug, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// The text so far.
    pub fn text(&self) -> String {
        let octets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&octets).into_owned()
    }
}

impl Write for Written {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_their_order() {
        let (journal, written) = Journal::to_memory();
        journal.write(Level::Info, |line| line.push_str("one"));
        journal.write(Level::Error, |line| line.push_str("two"));
        drop(journal);
        assert_eq!(written.text(), "[INFO] one\n[ERROR] two\n");
    }

    #[test]
    fn an_output_that_is_too_slow_costs_lines_and_says_so() {
        let written = Written::default();
        // The output is stuck for as long as the test holds what guards it.
        let stuck = written.0.lock().unwrap();
        let journal = Journal::to(written.clone());
        for _ in 0..4 * MAX_QUEUED {
            journal.write(Level::Info, |line| line.push_str("a line of some length"));
        }
        drop(stuck);
        drop(journal);
        let text = written.text();
        assert!(text.contains("lines lost: the output is too slow"));
        assert!(text.lines().count() < 2 * MAX_QUEUED + 10);
    }
}
