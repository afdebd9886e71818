//! Who is followed, and how closely.

use std::time::Duration;

use cartonym_aws::AccessKey;

/// Who is followed, and how closely.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Where the other side is, such as `http://192.0.2.1:8053`; AWS itself where it is not given.
    pub endpoint: Option<String>,
    /// The region that is asked for; what the environment or the profile says where it is not given.
    pub region: Option<String>,
    /// The profile of AWS's configuration files whose credentials are used.
    pub profile: Option<String>,
    /// Who asks; where not given, whoever the environment, the profile or the machine is.
    pub key: Option<AccessKey>,
    /// The names of the namespaces that are followed; all where there is none.
    pub namespaces: Vec<String>,
    /// How often instances are looked at; see [`Options::poll`].
    pub poll: Option<Duration>,
    /// How much is asked; see [`Options::quotas`].
    pub quotas: Option<Quotas>,
    /// Whether it may have no namespace any more where it had some.
    pub allow_empty: bool,
}

/// The most calls in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Of those that list namespaces, services, instances and their health.
    pub listings: u32,
    /// Of those that discover instances, or whether they have changed.
    pub discoveries: u32,
}

impl Options {
    /// Whether AWS itself is followed, by whatever name.
    pub fn is_aws(&self) -> bool {
        let Some(endpoint) = &self.endpoint else { return true };
        let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or(host);
        AWS.iter().any(|domain| host.strip_suffix(domain).is_some_and(|labels| labels.ends_with('.')))
    }

    /// How often instances are looked at, on average: every five seconds, or every second where it is not AWS.
    pub fn poll(&self) -> Duration {
        let usual = if self.is_aws() { Duration::from_secs(5) } else { Duration::from_secs(1) };
        self.poll.unwrap_or(usual)
    }

    /// How often namespaces and services are listed, on average. AWS lets an account list little, and others list, too.
    pub fn listing(&self) -> Duration {
        if self.is_aws() { self.poll() * 4 } else { self.poll() }
    }

    /// The most calls in a second: for AWS, well below what an account has there.
    pub fn quotas(&self) -> Quotas {
        let usual = match self.is_aws() {
            true => Quotas { listings: 1, discoveries: 250 },
            false => Quotas { listings: 100, discoveries: 1000 },
        };
        self.quotas.unwrap_or(usual)
    }
}

/// Where AWS's endpoints have their names.
const AWS: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "api.aws"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_is_aws_by_whatever_name() {
        let is_aws =
            |endpoint: &str| Options { endpoint: Some(endpoint.into()), ..Options::default() }.is_aws();
        assert!(Options::default().is_aws());
        assert!(is_aws("https://servicediscovery-fips.us-east-1.amazonaws.com"));
        assert!(is_aws("https://servicediscovery.eu-west-1.api.aws:443/"));
        assert!(!is_aws("http://127.0.0.1:8053") && !is_aws("http://[::1]:8053"));
        assert!(!is_aws("http://notamazonaws.com") && !is_aws("http://amazonaws.com.example"));
    }
}
