#![doc = include_str!("../README.md")]

mod client;
mod messages;
mod pages;

pub use client::{Client, ConfigError, Credentials, Error, Options, Tls, Watch};
pub use messages::{
    Compare, CompareResult, CompareTarget, DeleteRange, Event, EventKind, Header, KeyValue,
    LeaseTimeToLiveResponse, Op, OpResponse, Put, Range, RangeResponse, Request, TargetUnion, Txn,
    TxnResponse, WatchCreate, WatchResponse, prefix_end,
};
pub use pages::Pages;
