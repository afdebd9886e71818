#![doc = include_str!("../README.md")]

mod cloud;
mod configure;
mod hosted;
mod options;
mod records;
mod route53;
mod text;

pub use cartonym_aws::AccessKey;
pub use options::{Options, Profile};
pub use route53::Route53;
