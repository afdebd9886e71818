//! Route 53, and what is asked of it.

use std::error::Error;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_route53::Client;
use aws_sdk_route53::config::Credentials;
use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
use aws_sdk_route53::types::{ResourceRecordSet, RrType};
use cartonym_aws::{ANY_REGION, PATIENCE, PagesError, http, pages};
use tokio::sync::Mutex;

use crate::Options;

/// Route 53.
#[derive(Debug)]
pub(crate) struct Cloud {
    client: Client,
    /// Held while a hosted zone is read, whose pages come one after the other: AWS lets an account ask little at once.
    turn: Mutex<()>,
}

/// Why a hosted zone is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Route 53 refuses.
    #[error("{code}: {message}")]
    Refused { code: String, message: String },
    /// It does not answer.
    #[error("{0}")]
    Failed(String),
    /// What it lists has no end.
    #[error(transparent)]
    Pages(#[from] PagesError),
}

/// Where a page begins: name, type and identifier of its first record set.
type Start = (Option<String>, Option<RrType>, Option<String>);
/// Record sets, and where the next page begins.
type Page = (Vec<ResourceRecordSet>, Option<Start>);

impl Cloud {
    /// Reads the environment and AWS's configuration files where `options` does not say.
    pub(crate) async fn new(options: &Options) -> Cloud {
        Cloud { client: Client::new(&config(options).await), turn: Mutex::default() }
    }

    /// All record sets of a hosted zone.
    pub(crate) async fn record_sets(&self, id: &str) -> Result<Vec<ResourceRecordSet>, CallError> {
        let _turn = self.turn.lock().await;
        pages(MOST_PAGES, |start| self.page(id, start.unwrap_or_default())).await
    }

    async fn page(&self, id: &str, (name, rtype, identifier): Start) -> Result<Page, CallError> {
        let call = self.client.list_resource_record_sets().hosted_zone_id(id);
        let call = call.set_start_record_name(name).set_start_record_type(rtype);
        let call = call.set_start_record_identifier(identifier);
        let page = call.send().await.map_err(|error| match (error.code(), error.message()) {
            (Some(code), message) => CallError::Refused {
                code: code.to_owned(),
                message: message.unwrap_or("it does not say why").to_owned(),
            },
            _ => CallError::Failed(words(&error)),
        })?;
        let next = next(&page);
        Ok((page.resource_record_sets, next))
    }
}

fn next(page: &ListResourceRecordSetsOutput) -> Option<Start> {
    let start = || {
        (page.next_record_name.clone(), page.next_record_type.clone(), page.next_record_identifier.clone())
    };
    page.is_truncated.then(start)
}

/// An error and what caused it, on one line.
fn words(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn config(options: &Options) -> SdkConfig {
    // The SDK asks three times.
    let times = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).build();
    // Route 53 is the same everywhere but in AWS's partitions, whose regions are to be said. The machine is not asked for its.
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new());
    let region = region.region().await.unwrap_or(Region::from_static(ANY_REGION));
    let endpoint = options.endpoint.as_deref();
    let mut config = cartonym_aws::defaults(endpoint).timeout_config(times).region(region.clone());
    if let Some(key) = &options.key {
        config = config.credentials_provider(Credentials::from(key));
    } else if let Some(profile) = &options.profile {
        let files = EnvConfigFiles::builder().include_default_config_file(true);
        let files = match &profile.file {
            Some(file) => files.with_file(EnvConfigFileKind::Credentials, file),
            None => files.include_default_credentials_file(true),
        };
        // A profile may have to be asked for elsewhere, as another's role.
        let within =
            ProviderConfig::without_region().with_region(Some(region)).with_http_client(http(endpoint));
        let provider = ProfileFileCredentialsProvider::builder().configure(&within);
        let provider = provider.profile_name(&profile.name).profile_files(files.build());
        config = config.credentials_provider(provider.build());
    }
    config.load().await
}

/// Of 300 record sets each: a hundred times what Route 53 lets a hosted zone have without being asked.
const MOST_PAGES: usize = 3334;
