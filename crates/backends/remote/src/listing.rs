//! The namespaces and services of the other side.

use std::collections::BTreeSet;
use std::fmt;

use cartonym_registry::{Namespace, Service};

use crate::cloud::{CallError, Cloud};
use crate::records;

/// The namespaces and services that are followed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listing {
    pub(crate) namespaces: Vec<Listed>,
    /// What is left out, and why.
    pub(crate) refused: BTreeSet<String>,
}

/// A namespace and its services.
#[derive(Debug, PartialEq)]
pub(crate) struct Listed {
    pub(crate) namespace: Namespace,
    pub(crate) services: Vec<Service>,
}

impl Listing {
    /// Asks for the namespaces of these names, or for all where there is none, and for their services.
    pub(crate) async fn ask(cloud: &Cloud, names: &[String]) -> Result<Listing, CallError> {
        let mut listing = Listing::default();
        let wanted =
            |name: &str| names.is_empty() || names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        for told in cloud.namespaces().await? {
            let name = told.name().unwrap_or_default();
            if !wanted(name) {
                continue;
            }
            match records::namespace(&told) {
                Ok(namespace) => {
                    let services = match told.service_count {
                        // A call saved.
                        Some(0) => Vec::new(),
                        _ => match listing.services(cloud, &namespace).await {
                            // Removed since it was listed.
                            Err(CallError::Gone { .. }) => continue,
                            services => services?,
                        },
                    };
                    listing.namespaces.push(Listed { namespace, services });
                }
                Err(error) => listing.refuse(format_args!("the namespace {name}: {error}")),
            }
        }
        Ok(listing)
    }

    /// Each service that is followed, and the namespace that it is in.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Namespace, &Service)> {
        self.namespaces
            .iter()
            .flat_map(|listed| listed.services.iter().map(|service| (&listed.namespace, service)))
    }

    async fn services(&mut self, cloud: &Cloud, within: &Namespace) -> Result<Vec<Service>, CallError> {
        let mut services = Vec::new();
        for told in cloud.services(within.id.as_str()).await? {
            match records::service(&told, within) {
                Ok(service) => services.push(service),
                Err(error) => {
                    let name = told.name().unwrap_or_default();
                    self.refuse(format_args!("the service {}: {error}", within.name_of(name)));
                }
            }
        }
        Ok(services)
    }

    fn refuse(&mut self, what: fmt::Arguments<'_>) {
        self.refused.insert(what.to_string());
    }
}
