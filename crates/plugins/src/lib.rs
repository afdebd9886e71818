#![doc = include_str!("../README.md")]

mod order;
mod plugins;

pub use plugins::Plugins;

pub use cartonym_plugin_acl as acl;
pub use cartonym_plugin_any as any;
pub use cartonym_plugin_auto as auto;
pub use cartonym_plugin_bufsize as bufsize;
pub use cartonym_plugin_cache as cache;
pub use cartonym_plugin_chaos as chaos;
pub use cartonym_plugin_debug as debug;
pub use cartonym_plugin_dnssec as dnssec;
pub use cartonym_plugin_dnstap as dnstap;
pub use cartonym_plugin_errors as errors;
pub use cartonym_plugin_etcd as etcd;
pub use cartonym_plugin_file as file;
pub use cartonym_plugin_forward as forward;
pub use cartonym_plugin_header as header;
pub use cartonym_plugin_health as health;
pub use cartonym_plugin_hosts as hosts;
pub use cartonym_plugin_loadbalance as loadbalance;
pub use cartonym_plugin_local as local;
pub use cartonym_plugin_log as log;
pub use cartonym_plugin_loop as loops;
pub use cartonym_plugin_metadata as metadata;
pub use cartonym_plugin_minimal as minimal;
pub use cartonym_plugin_multisocket as multisocket;
pub use cartonym_plugin_nsid as nsid;
pub use cartonym_plugin_prometheus as prometheus;
pub use cartonym_plugin_ready as ready;
pub use cartonym_plugin_registry as registry;
pub use cartonym_plugin_reload as reload;
pub use cartonym_plugin_rewrite as rewrite;
#[cfg(feature = "route53")]
pub use cartonym_plugin_route53 as route53;
pub use cartonym_plugin_secondary as secondary;
pub use cartonym_plugin_template as template;
pub use cartonym_plugin_transfer as transfer;
pub use cartonym_plugin_tsig as tsig;
pub use cartonym_plugin_view as view;
pub use cartonym_plugin_whoami as whoami;

/// The plugins of this package, in their order of execution.
pub fn standard() -> Plugins {
    let plugins = Plugins::none();
    #[cfg(feature = "route53")]
    let plugins = plugins.with::<route53::Route53>();
    plugins
        .with::<metadata::Metadata>()
        .with::<multisocket::Multisocket>()
        .with::<reload::Reload>()
        .with::<debug::Debug>()
        .with::<nsid::Nsid>()
        .with::<bufsize::Bufsize>()
        .with::<ready::Ready>()
        .with::<health::Health>()
        .with::<prometheus::Prometheus>()
        .with::<errors::Errors>()
        .with::<log::Log>()
        .with::<dnstap::Tap>()
        .with::<local::Local>()
        .with::<any::Any>()
        .with::<chaos::Chaos>()
        .with::<loadbalance::Loadbalance>()
        .with::<tsig::Tsig>()
        .with::<rewrite::Rewrite>()
        .with::<acl::Acl>()
        .with::<header::Header>()
        .with::<minimal::Minimal>()
        .with::<dnssec::Dnssec>()
        .with::<cache::Cache>()
        .with::<template::Template>()
        .with::<transfer::Transfer>()
        .with::<hosts::Hosts>()
        .with::<file::FileDirective>()
        .with::<auto::Auto>()
        .with::<secondary::Secondary>()
        .with::<etcd::EtcdRecords>()
        .with::<loops::Loop>()
        .with::<forward::Forward>()
        .with::<whoami::Whoami>()
        .with::<view::Conditions>()
}
