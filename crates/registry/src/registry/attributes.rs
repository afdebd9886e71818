//! Attributes of services.

use std::collections::BTreeMap;

use super::{Plan, Registry, WriteError};
use crate::instance::parse_drain;
use crate::service::{DRAIN, MAX_ANSWERS, parse_max_answers};
use crate::{Change, Edit, Expect, InvalidServiceAttributes, Record, Service, ServiceId};

/// Why a service's attributes are not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceAttributesError {
    /// There is no such service.
    #[error("there is no such service")]
    NotFound,
    /// The attributes are refused.
    #[error(transparent)]
    Invalid(#[from] InvalidServiceAttributes),
    /// They could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Service {
    /// Adds attributes; those of the same key are replaced.
    ///
    /// # Errors
    ///
    /// Refuses wrong lengths, and more than 30 altogether; then some may have been added.
    pub fn add_attributes(
        &mut self,
        attributes: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), InvalidServiceAttributes> {
        for (key, value) in attributes {
            check(&key, &value)?;
            self.attributes.insert(key, value);
        }
        match self.attributes.len() {
            0..=Service::MAX_ATTRIBUTES => Ok(()),
            many => Err(InvalidServiceAttributes::TooMany(many)),
        }
    }
}

impl Registry {
    /// Adds attributes to a service; those of the same key are replaced.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist, wrong lengths, and more than 30 altogether.
    pub async fn update_service_attributes(
        &self,
        id: ServiceId,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), ServiceAttributesError> {
        self.change_attributes(id, |service| Ok(service.add_attributes(attributes.clone())?)).await
    }

    /// Removes attributes from a service, those of them that it has.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist.
    pub async fn delete_service_attributes(
        &self,
        id: ServiceId,
        keys: &[String],
    ) -> Result<(), ServiceAttributesError> {
        self.change_attributes(id, |service| {
            service.attributes.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn change_attributes(
        &self,
        id: ServiceId,
        edit: impl Fn(&mut Service) -> Result<(), ServiceAttributesError>,
    ) -> Result<(), ServiceAttributesError> {
        self.change(|model| {
            let before = model.service(id).ok_or(ServiceAttributesError::NotFound)?;
            let mut service = before.service.clone();
            edit(&mut service)?;
            let record = Record::Service(service);
            let change = Change {
                expect: vec![Expect::Unchanged(record.key(), before.revision)],
                edits: vec![Edit::Put(record)],
            };
            Ok(Plan::Commit(change, ()))
        })
        .await
    }
}

fn check(key: &str, value: &str) -> Result<(), InvalidServiceAttributes> {
    if !(1..=255).contains(&key.chars().count()) {
        return Err(InvalidServiceAttributes::Key(key.into()));
    }
    if value.chars().count() > 1024 {
        return Err(InvalidServiceAttributes::Value(key.into()));
    }
    if key == MAX_ANSWERS && parse_max_answers(value).is_none() {
        return Err(InvalidServiceAttributes::MaxAnswers(key.into()));
    }
    if key == DRAIN && parse_drain(value).is_none() {
        return Err(InvalidServiceAttributes::Drain(key.into()));
    }
    Ok(())
}
