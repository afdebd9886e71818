//! How a test's etcd is found.

#![allow(dead_code, reason = "each test uses what it needs")]

use cartonym_backend_etcd::Options;

pub(crate) use cartonym_testing::EtcdServer as Server;

pub(crate) fn options(server: &Server) -> Options {
    Options { endpoints: vec![server.endpoint()], ..Options::default() }
}
