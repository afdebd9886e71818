//! Amazon Resource Names of namespaces and services: `arn:aws:servicediscovery:REGION:ACCOUNT:namespace/ID`.

/// The parts of a resource's name that the registry does not know by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) account: &'a str,
    /// `namespace` or `service`.
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads a name of this service; of any region, since a registry has none.
    pub(crate) fn parse(text: &'a str) -> Option<Arn<'a>> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition) = (parts.next()?, parts.next()?);
        let (service, _region) = (parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let (kind, id) = resource.split_once('/')?;
        let ours = arn == "arn" && partition.starts_with("aws") && service == "servicediscovery";
        ours.then_some(Arn { account, kind, id })
    }
}

/// Names the resource called `id` for callers in `region`.
pub(crate) fn arn(region: &str, account: &str, kind: &str, id: &str) -> String {
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:servicediscovery:{region}:{account}:{kind}/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back() {
        for region in ["us-east-1", "cn-north-1", "us-gov-west-1"] {
            let text = arn(region, "123456789012", "namespace", "ns-1");
            let parsed = Arn { account: "123456789012", kind: "namespace", id: "ns-1" };
            assert_eq!(Arn::parse(&text), Some(parsed), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_arn() {
        for text in [
            "",
            "ns-1",
            "arn:aws:ecs:r:a:namespace/x",
            "arn:aws:servicediscovery:r:a",
            "arn:aws:servicediscovery:r:a:x",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
