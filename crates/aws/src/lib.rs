//! What programs that ask AWS share: how its SDK is set up, whose key signs, and lists that come in pages.

mod config;
mod key;
mod pages;

pub use config::{ANY_REGION, PATIENCE, connector, defaults, http};
pub use key::AccessKey;
pub use pages::{PagesError, pages};
