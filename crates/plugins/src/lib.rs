#![doc = include_str!("../README.md")]

mod order;
mod plugins;

pub use plugins::Plugins;

pub use cartonym_plugin_registry as registry;
pub use cartonym_plugin_whoami as whoami;

/// The plugins of this package, in their order of execution.
pub fn standard() -> Plugins {
    Plugins::none().with::<whoami::Whoami>()
}
