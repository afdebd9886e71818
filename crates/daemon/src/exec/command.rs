//! The command: its start, the signals that are passed to it, and its end.

use std::ffi::OsString;
use std::io;
use std::process;

use futures_util::StreamExt;
use rustix::process::{Pid, Signal as Number, WaitOptions, WaitStatus, kill_process, wait};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use signal_hook_tokio::SignalsInfo;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Result;
use crate::failure::Failure;

/// A command, before and while it runs.
///
/// Whatever else ends among this process's children is reaped too: as the first process of a container, it inherits those of
/// everybody.
pub(crate) struct Command {
    words: Vec<OsString>,
    pid: Option<Pid>,
    child: Signal,
    signals: SignalsInfo<WithOrigin>,
}

/// A signal that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    number: Number,
    /// Whether the command has it already.
    is_shared: bool,
}

/// What happens to a command that runs.
pub(crate) enum Told {
    /// It has ended; its status as a shell has it: 128 and more for a signal.
    Ended(u8),
    /// A signal came for it.
    Signal(Passed),
}

/// Why a command cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .program.display())]
pub(crate) struct SpawnError {
    program: OsString,
    source: io::Error,
}

impl Command {
    /// Listens to signals from now on, so that none is lost.
    pub(crate) fn new(words: &[OsString]) -> Result<Command> {
        let failed = |error: io::Error| Failure::Start(error.to_string());
        let child = signal(SignalKind::child()).map_err(failed)?;
        let signals = SignalsInfo::new(PASSED.map(Number::as_raw)).map_err(failed)?;
        Ok(Command { words: words.to_vec(), pid: None, child, signals })
    }

    pub(crate) fn start(&mut self) -> std::result::Result<(), SpawnError> {
        let (program, arguments) = self.words.split_first().expect("the command line asks for a command");
        let child = process::Command::new(program).args(arguments).spawn();
        let child = child.map_err(|source| SpawnError { program: program.clone(), source })?;
        self.pid = Some(Pid::from_child(&child));
        Ok(())
    }

    /// The next that happens.
    pub(crate) async fn next(&mut self) -> Told {
        loop {
            if let Some(status) = self.reap() {
                return Told::Ended(status);
            }
            tokio::select! {
                _ = self.child.recv() => {}
                Some(origin) = self.signals.next() => {
                    if let Some(passed) = Passed::of(&origin) {
                        return Told::Signal(passed);
                    }
                }
            }
        }
    }

    /// A signal that asks for the end, while there is no command to pass it to.
    pub(crate) async fn ended_early(&mut self) -> Passed {
        loop {
            if let Told::Signal(passed) = self.next().await
                && passed.asks_for_end()
            {
                return passed;
            }
        }
    }

    /// Passes a signal on.
    pub(crate) fn pass(&self, signal: Passed) {
        if signal.is_shared {
            return;
        }
        if let Some(Err(error)) = self.pid.map(|pid| kill_process(pid, signal.number)) {
            tracing::debug!(%error, "a signal is not passed on");
        }
    }

    /// Takes note of every child that has ended; the command's status if it is among them.
    fn reap(&mut self) -> Option<u8> {
        let mut ended = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if Some(pid) == self.pid {
                ended = Some(shown(status));
            }
        }
        ended
    }
}

impl Passed {
    fn of(origin: &Origin) -> Option<Passed> {
        let number = Number::from_named_raw(origin.signal)?;
        // Those that the system itself sends come from a terminal, which sends them to the command as well.
        let of_terminal = [Number::INT, Number::QUIT, Number::WINCH].contains(&number);
        Some(Passed { number, is_shared: of_terminal && matches!(origin.cause, Cause::Kernel) })
    }

    /// Whether it asks the command to end.
    pub(crate) fn asks_for_end(self) -> bool {
        [Number::INT, Number::QUIT, Number::TERM].contains(&self.number)
    }

    /// The status of what it ends.
    pub(crate) fn status(self) -> u8 {
        status_of_signal(self.number.as_raw())
    }
}

impl SpawnError {
    /// The status that shells have for it.
    pub(crate) fn status(&self) -> u8 {
        if self.source.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
    }
}

fn shown(status: WaitStatus) -> u8 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(number)) => status_of_signal(number),
        (None, None) => u8::MAX,
    }
}

fn status_of_signal(number: i32) -> u8 {
    u8::try_from(128 + number).unwrap_or(u8::MAX)
}

const PASSED: [Number; 8] = [
    Number::HUP,
    Number::INT,
    Number::QUIT,
    Number::TERM,
    Number::USR1,
    Number::USR2,
    Number::WINCH,
    Number::CONT,
];
