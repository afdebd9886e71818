//! The other side: what is asked of it, never more than it is to be asked.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_servicediscovery::Client;
use aws_sdk_servicediscovery::config::interceptors::BeforeSerializationInterceptorContextMut;
use aws_sdk_servicediscovery::config::{Builder, ConfigBag, Credentials, Intercept, RuntimeComponents};
use aws_sdk_servicediscovery::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_servicediscovery::types::{
    HealthStatus, HealthStatusFilter, HttpInstanceSummary, InstanceSummary, NamespaceFilter,
    NamespaceFilterName, NamespaceSummary, ServiceFilter, ServiceFilterName, ServiceSummary,
};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use cartonym_aws::{ANY_REGION, PATIENCE, PagesError, pages};
use cartonym_registry::Timestamp;
use parking_lot::Mutex;

use crate::Options;
use crate::throttle::{Bucket, Throttle};

/// The other side.
#[derive(Debug)]
pub(crate) struct Cloud {
    client: Client,
    config: SdkConfig,
    /// What signs what is no call, for as long as it does.
    credentials: Mutex<Option<Credentials>>,
    throttle: Throttle,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// What it is about is gone.
    #[error("{operation}: it is gone")]
    Gone { operation: &'static str },
    /// It was one call too many.
    #[error("{operation}: too many calls")]
    Throttled { operation: &'static str, source: Box<dyn Error + Send + Sync> },
    /// The other side cannot be reached, or says that it has no time at all.
    #[error("{operation}: it is away")]
    Away { operation: &'static str, source: Box<dyn Error + Send + Sync> },
    /// It took too long: the other side may be away, or has much to do for this one call.
    #[error("{operation}: it takes too long")]
    Late { operation: &'static str, source: Box<dyn Error + Send + Sync> },
    /// Whatever else.
    #[error("{operation}")]
    Failed { operation: &'static str, source: Box<dyn Error + Send + Sync> },
    /// What it lists has no end.
    #[error(transparent)]
    Pages(#[from] PagesError),
}

/// A service's instances, in whatever order.
pub(crate) struct Discovered {
    /// None where it is not told.
    pub(crate) revision: Option<i64>,
    pub(crate) instances: Vec<Described>,
}

/// An instance as it is told.
pub(crate) struct Described {
    pub(crate) id: String,
    pub(crate) attributes: HashMap<String, String>,
    pub(crate) health: Option<HealthStatus>,
}

impl Cloud {
    /// Reads the environment and AWS's configuration files where `options` does not say.
    pub(crate) async fn new(options: &Options) -> Self {
        let shared = config(options).await;
        let mut config = Builder::from(&shared);
        if !options.is_aws() {
            config = config.interceptor(WithoutPrefix);
        }
        let client = Client::from_conf(config.build());
        let throttle = Throttle::new(options.quotas());
        Self { client, config: shared, credentials: Mutex::default(), throttle }
    }

    /// A request for what is beside the API, signed as a call is.
    pub(crate) async fn get(&self, url: &str) -> Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::get(url)?;
        let identity = self.credentials().await?.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.config.region().map_or(ANY_REGION, Region::as_ref))
            .name("servicediscovery")
            .time(now())
            .settings(SigningSettings::default())
            .build()?;
        let signable = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]))?;
        let (instructions, _) = sign(signable, &params.into())?.into_parts();
        for (name, value) in instructions.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }

    async fn credentials(&self) -> Result<Credentials, BoxError> {
        let lasts = |at: SystemTime| at > now() + PATIENCE;
        let known = self.credentials.lock().clone();
        if let Some(known) = known.filter(|known| known.expiry().is_none_or(lasts)) {
            return Ok(known);
        }
        let provider = self.config.credentials_provider().ok_or("nobody has credentials")?;
        let credentials = provider.provide_credentials().await?;
        *self.credentials.lock() = Some(credentials.clone());
        Ok(credentials)
    }

    /// The namespaces of the account's own.
    pub(crate) async fn namespaces(&self) -> Result<Vec<NamespaceSummary>, CallError> {
        const NAME: &str = "ListNamespaces";
        let own = NamespaceFilter::builder().name(NamespaceFilterName::ResourceOwner).values("SELF");
        let own = own.build().map_err(|error| CallError::failed(NAME, error))?;
        pages(MOST_PAGES, |token| {
            let call = self.client.list_namespaces().filters(own.clone()).set_next_token(token);
            async move {
                let page = ask(NAME, &self.throttle.listings, call.send()).await?;
                Ok((page.namespaces.unwrap_or_default(), page.next_token))
            }
        })
        .await
    }

    /// The services of a namespace.
    pub(crate) async fn services(&self, namespace: &str) -> Result<Vec<ServiceSummary>, CallError> {
        const NAME: &str = "ListServices";
        let within = ServiceFilter::builder().name(ServiceFilterName::NamespaceId).values(namespace);
        let within = within.build().map_err(|error| CallError::failed(NAME, error))?;
        pages(MOST_PAGES, |token| {
            let call = self.client.list_services().filters(within.clone()).set_next_token(token);
            async move {
                let page = ask(NAME, &self.throttle.listings, call.send()).await?;
                Ok((page.services.unwrap_or_default(), page.next_token))
            }
        })
        .await
    }

    /// What grows whenever instances of a service come, go or change; not with their health.
    pub(crate) async fn revision(&self, namespace: &str, service: &str) -> Result<Option<i64>, CallError> {
        let call = self.client.discover_instances_revision().namespace_name(namespace).service_name(service);
        let answer = ask("DiscoverInstancesRevision", &self.throttle.discoveries, call.send()).await?;
        Ok(answer.instances_revision)
    }

    /// All instances of a service, however fit.
    pub(crate) async fn discover(
        &self,
        namespace: &str,
        service: &str,
        service_id: &str,
    ) -> Result<Discovered, CallError> {
        let call = self.client.discover_instances().namespace_name(namespace).service_name(service);
        let call = call.health_status(HealthStatusFilter::All).max_results(MOST_DISCOVERED);
        let answer = ask("DiscoverInstances", &self.throttle.discoveries, call.send()).await?;
        let revision = answer.instances_revision;
        let found = answer.instances.unwrap_or_default();
        let is_all = found.len() < MOST_DISCOVERED as usize;
        let instances = if is_all { described(found) } else { self.instances(service_id).await? };
        Ok(Discovered { revision, instances })
    }

    /// All instances of a service that has more than one answer of DiscoverInstances holds.
    async fn instances(&self, service: &str) -> Result<Vec<Described>, CallError> {
        let instances = self.registered(service).await?;
        let mut health: HashMap<String, HealthStatus> = self.health(service).await?.into_iter().collect();
        let described = instances.into_iter().map(|instance| {
            let id = instance.id.unwrap_or_default();
            Described { health: health.remove(&id), id, attributes: instance.attributes.unwrap_or_default() }
        });
        Ok(described.collect())
    }

    async fn registered(&self, service: &str) -> Result<Vec<InstanceSummary>, CallError> {
        pages(MOST_PAGES, |token| {
            let call = self.client.list_instances().service_id(service).set_next_token(token);
            async move {
                let page = ask("ListInstances", &self.throttle.listings, call.send()).await?;
                Ok((page.instances.unwrap_or_default(), page.next_token))
            }
        })
        .await
    }

    async fn health(&self, service: &str) -> Result<Vec<(String, HealthStatus)>, CallError> {
        pages(MOST_PAGES, |token| {
            let call = self.client.get_instances_health_status().service_id(service).set_next_token(token);
            async move {
                let page = ask("GetInstancesHealthStatus", &self.throttle.listings, call.send()).await?;
                Ok((page.status.unwrap_or_default().into_iter().collect(), page.next_token))
            }
        })
        .await
    }
}

impl CallError {
    fn failed(operation: &'static str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { operation, source: error.into() }
    }

    /// Whether the next call would most likely fail as well, whatever it is about.
    pub(crate) fn is_of_all(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Away { .. } | Self::Late { .. })
    }
}

/// Sends a request when `bucket` lets it through.
async fn ask<T, E>(
    operation: &'static str,
    bucket: &Bucket,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, CallError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    bucket.pass().await;
    call.await.map_err(|error| {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match (&error, error.code(), status) {
            (SdkError::TimeoutError(_), ..) => CallError::Late { operation, source: error.into() },
            (SdkError::DispatchFailure(_), ..) => CallError::Away { operation, source: error.into() },
            (_, Some("NamespaceNotFound" | "ServiceNotFound"), _) => CallError::Gone { operation },
            (_, Some(code), _) if THROTTLED.contains(&code) => {
                CallError::Throttled { operation, source: error.into() }
            }
            (.., Some(429)) => CallError::Throttled { operation, source: error.into() },
            (.., Some(503)) => CallError::Away { operation, source: error.into() },
            _ => CallError::failed(operation, error),
        }
    })
}

fn described(instances: Vec<HttpInstanceSummary>) -> Vec<Described> {
    let described = instances.into_iter().map(|instance| Described {
        id: instance.instance_id.unwrap_or_default(),
        attributes: instance.attributes.unwrap_or_default(),
        health: instance.health_status,
    });
    described.collect()
}

/// What the SDK is to know: it neither retries, since that would not be counted, nor waits for ever.
async fn config(options: &Options) -> SdkConfig {
    let times = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    let mut config = cartonym_aws::defaults(options.endpoint.as_deref())
        .retry_config(RetryConfig::disabled())
        .timeout_config(times);
    if let Some(profile) = &options.profile {
        config = config.profile_name(profile);
    }
    let elsewhere = (!options.is_aws() && options.profile.is_none()).then_some(ANY_REGION);
    if let Some(region) = options.region.as_deref().or(elsewhere) {
        config = config.region(Region::new(region.to_owned()));
    }
    if let Some(key) = &options.key {
        config = config.credentials_provider(Credentials::from(key));
    } else if elsewhere.is_some() {
        // Another cartonym may want to know who asks, and the environment says; it may as well not. Nobody else is asked: on
        // a machine of AWS its metadata would hand out keys that are no business of the other side.
        let environment = EnvironmentVariableCredentialsProvider::new();
        let nobody = Credentials::new("cartonym", "cartonym", None, None, "nobody");
        let chain = CredentialsProviderChain::first_try("environment", environment).or_else("nobody", nobody);
        config = config.credentials_provider(chain);
    }
    config.load().await
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(Timestamp::now().as_millis())
}

/// Calls the endpoint by its own name: AWS's clients discover instances at `data-` and the name, which nobody but AWS has.
#[derive(Debug)]
struct WithoutPrefix;

impl Intercept for WithoutPrefix {
    fn name(&self) -> &'static str {
        "WithoutPrefix"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().unset::<EndpointPrefix>();
        Ok(())
    }
}

/// What a call is refused with that is one too many.
const THROTTLED: [&str; 4] =
    ["RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"];
/// The most instances in an answer of DiscoverInstances, which has no next page.
const MOST_DISCOVERED: i32 = 1000;
/// Of a hundred items each, as it is where nobody asks for another number: two million, more than is known of any registry.
const MOST_PAGES: usize = 20_000;
