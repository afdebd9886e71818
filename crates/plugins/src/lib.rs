#![doc = include_str!("../README.md")]

mod order;
mod plugins;

pub use plugins::Plugins;

pub use cartonym_plugin_errors as errors;
pub use cartonym_plugin_file as file;
pub use cartonym_plugin_forward as forward;
pub use cartonym_plugin_log as log;
pub use cartonym_plugin_registry as registry;
pub use cartonym_plugin_whoami as whoami;

/// The plugins of this package, in their order of execution.
pub fn standard() -> Plugins {
    Plugins::none()
        .with::<errors::Errors>()
        .with::<log::Log>()
        .with::<file::FileDirective>()
        .with::<forward::Forward>()
        .with::<whoami::Whoami>()
}
