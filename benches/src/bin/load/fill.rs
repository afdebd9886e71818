//! Filling a data folder without a server: the same registry, the same store.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cartonym::backends::embedded::Embedded;
use cartonym::registry::{Options, Registry};
use futures_util::stream::{self, StreamExt};

use crate::{Result, figures};

/// Changes on their way at once.
const AT_ONCE: usize = 1024;

pub(crate) async fn fill(folder: &Path, services: usize, instances: usize) -> Result<()> {
    let registry = Registry::open(Arc::new(Embedded::open(folder)?), Options::default()).await?;
    let begin = Instant::now();
    // One of each service first, so that nobody waits for another to make it.
    for step in [0..1, 1..instances] {
        let names = (0..services).flat_map(|service| step.clone().map(move |instance| (service, instance)));
        let mut done = stream::iter(names)
            .map(|(service, instance)| {
                let registry = registry.clone();
                async move {
                    let [_, .., a, b] = service.to_be_bytes();
                    let address = format!("10.{a}.{b}.{instance}:8080").parse()?;
                    registry
                        .register(&format!("svc-{service}.sd.example"), &format!("i-{instance}"), address)
                        .await?;
                    Result::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(result) = done.next().await {
            result?;
        }
    }
    figures::rate("filled", services * instances, begin.elapsed());
    Ok(())
}
