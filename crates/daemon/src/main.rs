//! The standard daemon: every plugin of the standard set, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    cartonym_daemon::main(cartonym_daemon::standard())
}
