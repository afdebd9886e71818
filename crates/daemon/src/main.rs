//! The standard daemon: every plugin of the standard set, and nothing else.

use std::hint::black_box;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // Where there is no room for a thread, more memory is held than needed.
    _ = thread::Builder::new().name("give-back".to_owned()).spawn(give_back);
    cartonym_daemon::main(cartonym_daemon::standard())
}

/// Has the allocator give back what nobody has used for a second. It looks when a large allocation is freed; a server that
/// has read its zones has none for hours, and would keep what reading them took.
fn give_back() {
    loop {
        thread::sleep(GIVE_BACK);
        drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    }
}

/// Between two looks.
const GIVE_BACK: Duration = Duration::from_secs(3);
/// Octets that have a part of the heap to themselves. Nobody writes there, so they cost no memory.
const LARGE: usize = 1 << 20;
