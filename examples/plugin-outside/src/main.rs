//! The standard daemon, and two plugins more.

fn main() -> std::process::ExitCode {
    cartonym_daemon::main(cartonym_daemon::standard().with::<outside::Canary>().with::<outside::Policy>())
}
