//! How AWS's SDK is set up, whatever is asked.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector};

/// What every client begins with that asks at `endpoint`, or AWS itself where it is none.
pub fn defaults(endpoint: Option<&str>) -> ConfigLoader {
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http(endpoint));
    match endpoint {
        Some(endpoint) => config.endpoint_url(endpoint),
        None => config,
    }
}

/// A client of HTTP for `endpoint`, or AWS itself where it is none.
///
/// With ring, as everything here; the certificates of the system are not read where there is no TLS.
pub fn http(endpoint: Option<&str>) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    match endpoint {
        Some(endpoint) if is_plain(endpoint) => builder.build_http(),
        _ => builder.tls_provider(TLS).build_https(),
    }
}

/// The same for requests to `endpoint` that no operation of the SDK makes; it waits for ever.
pub fn connector(endpoint: &str) -> SharedHttpConnector {
    let builder = Connector::builder();
    SharedHttpConnector::new(match is_plain(endpoint) {
        true => builder.build_http(),
        false => builder.tls_provider(TLS).build(),
    })
}

fn is_plain(endpoint: &str) -> bool {
    endpoint.starts_with("http://")
}

const TLS: Provider = Provider::Rustls(CryptoMode::Ring);

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The region of requests to what has only one.
pub const ANY_REGION: &str = "us-east-1";
