//! What is counted, and how it is told: counters that a query only adds to, by names that people and dashboards know.
//!
//! A plugin asks for its counters once, when it is configured: [`Metrics::counter`]. What it knows without counting, as
//! how many entries it has, is read when somebody looks: [`Metrics::read`]. [`Metrics::text`] is what Prometheus reads.

mod durations;
mod samples;
mod tallies;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use durations::Durations;
pub use samples::Samples;
pub use tallies::Tallies;

/// All that the plugins of one configuration count.
#[derive(Default)]
pub struct Metrics {
    // Taken while configuring, and by who looks; never by a query.
    families: Mutex<BTreeMap<&'static str, Family>>,
    routes: OnceLock<Vec<Route>>,
    /// The counts of configurations that this one has replaced, by the name of their family.
    before: OnceLock<HashMap<&'static str, Series>>,
}

/// Labels and numbers, in the order in which they are told.
type Series = Vec<(String, f64)>;

/// A way that queries take: the labels that their counts have.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    /// Where they come in: `dns://:53`.
    pub server: String,
    /// The zone of the chain.
    pub zone: String,
    /// The view of the chain; empty without one.
    pub view: String,
    /// The plugins of the chain, in their order.
    pub plugins: Vec<&'static str>,
}

/// What a family's numbers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// They only rise, from the moment when the configuration was loaded.
    Counter,
    /// They only rise, whatever becomes of the configuration.
    Total,
    /// They rise and fall.
    Gauge,
    /// How many were at most so large.
    Histogram,
}

impl Kind {
    /// Whether the numbers of a configuration go on in the next.
    fn goes_on(self) -> bool {
        matches!(self, Kind::Counter | Kind::Histogram)
    }
}

/// A number that rises, for each route on its own where it was asked for so.
///
/// A clone is the same counter. Adding to it neither waits nor allocates.
#[derive(Clone)]
pub struct Counter(Arc<Tallies>);

/// Series of one name.
struct Family {
    help: &'static str,
    kind: Kind,
    sources: Vec<Source>,
}

type Source = Box<dyn Fn(&mut Samples<'_>) + Send + Sync>;

impl Metrics {
    /// A counter of this name and these labels. `by` names those labels of a [`Route`] that it has besides: `server`,
    /// `zone`, `view`; without any, all routes count as one.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        by: &'static [&'static str],
        labels: &[(&'static str, &str)],
    ) -> Counter {
        let counter = Counter(Arc::new(Tallies::new(if by.is_empty() { 1 } else { self.slots() })));
        let shown = counter.clone();
        let labels: Vec<(&'static str, String)> =
            labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.read(name, help, Kind::Counter, move |samples| shown.tell(by, &labels, samples));
        counter
    }

    /// Numbers of this name that are asked for each time somebody looks.
    pub fn read(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        source: impl Fn(&mut Samples<'_>) + Send + Sync + 'static,
    ) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert_with(|| Family { help, kind, sources: Vec::new() });
        family.sources.push(Box::new(source));
    }

    /// The routes of the configuration; none before they are known.
    pub fn routes(&self) -> &[Route] {
        self.routes.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Says which routes there are, before anything is configured; the first word counts.
    pub fn set_routes(&self, routes: Vec<Route>) {
        let _ = self.routes.set(routes);
    }

    /// How many counts a count by route has; one where the routes are not known.
    pub fn slots(&self) -> usize {
        self.routes().len().max(1)
    }

    /// Counts on from where `before` is, so that what only rises does not fall when the configuration is replaced.
    pub fn go_on_from(&self, before: &Metrics) {
        let mut counts = before.before.get().cloned().unwrap_or_default();
        let families = before.families.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in families.iter().filter(|(_, family)| family.kind.goes_on()) {
            counts.insert(name, before.samples(name, family).into_series());
        }
        drop(families);
        let _ = self.before.set(counts);
    }

    /// Everything, in the text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, family) in families.iter() {
            self.samples(name, family).write(family.help, family.kind, &mut text);
        }
        text
    }

    /// What was counted before, and to it what has been since.
    fn samples(&self, name: &'static str, family: &Family) -> Samples<'_> {
        let before = self.before.get().and_then(|before| before.get(name));
        let mut samples = Samples::new(name, self.routes(), before.cloned().unwrap_or_default());
        family.sources.iter().for_each(|source| source(&mut samples));
        samples
    }
}

impl Counter {
    /// Adds one, for all routes.
    pub fn add_one(&self) {
        self.0.add(0, 1);
    }

    /// Adds one for the route of this number, such as [`Query::route`](crate::Query::route).
    pub fn add_for(&self, route: usize) {
        // Without routes there is one count.
        self.0.add(route.min(self.0.len() - 1), 1);
    }

    /// The sum over all routes.
    pub fn sum(&self) -> u64 {
        (0..self.0.len()).map(|route| self.0.sum(route)).sum()
    }

    fn tell(&self, by: &[&'static str], labels: &[(&'static str, String)], samples: &mut Samples<'_>) {
        for slot in 0..self.0.len() {
            let count = self.0.sum(slot);
            // A counter by route is told where there is something to tell: most plugins are on few of the routes.
            if by.is_empty() || count > 0 {
                let mut all = samples.route_labels(slot, by);
                all.extend(labels.iter().map(|(name, value)| (*name, value.clone())));
                samples.add(&all, count as f64);
            }
        }
    }
}

impl Default for Counter {
    /// A counter that nobody is told of.
    fn default() -> Counter {
        Counter(Arc::new(Tallies::new(1)))
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counter({})", self.sum())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(families.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(server: &str, zone: &str) -> Route {
        Route { server: server.into(), zone: zone.into(), view: String::new(), plugins: Vec::new() }
    }

    fn metrics() -> Metrics {
        let metrics = Metrics::default();
        metrics.set_routes(vec![
            route("dns://:53", "a."),
            route("dns://:53", "b."),
            route("tls://:853", "a."),
        ]);
        metrics
    }

    #[test]
    fn a_counter_is_told_for_each_route_it_has_counted_on() {
        let metrics = metrics();
        let counter = metrics.counter("n_total", "How many.", &["server", "zone"], &[("type", "x")]);
        counter.add_for(0);
        counter.add_for(2);
        counter.add_for(2);
        assert_eq!(
            metrics.text(),
            "# HELP n_total How many.\n# TYPE n_total counter\n\
             n_total{server=\"dns://:53\",zone=\"a.\",type=\"x\"} 1\n\
             n_total{server=\"tls://:853\",zone=\"a.\",type=\"x\"} 2\n"
        );
    }

    #[test]
    fn series_of_the_same_labels_are_one() {
        let metrics = metrics();
        let by_server = metrics.counter("n_total", "How many.", &["server"], &[]);
        let other = metrics.counter("n_total", "How many.", &["server"], &[]);
        by_server.add_for(0);
        by_server.add_for(1);
        other.add_for(1);
        assert!(metrics.text().ends_with("\nn_total{server=\"dns://:53\"} 3\n"));
    }

    #[test]
    fn counts_go_on_and_gauges_do_not() {
        let old = Metrics::default();
        old.counter("n_total", "How many.", &[], &[]).add_one();
        old.counter("gone_total", "How many.", &[], &[]).add_one();
        old.read("size", "How large.", Kind::Gauge, |samples| samples.add(&[], 5.0));
        let new = Metrics::default();
        let counter = new.counter("n_total", "How many.", &[], &[]);
        new.read("size", "How large.", Kind::Gauge, |samples| samples.add(&[], 7.0));
        new.go_on_from(&old);
        counter.add_one();
        assert!(new.text().contains("\nn_total 2\n") && new.text().contains("\nsize 7\n"));
        let newer = Metrics::default();
        newer.counter("n_total", "How many.", &["server"], &[]);
        newer.counter("gone_total", "How many.", &["server"], &[]);
        newer.go_on_from(&new);
        // What was told stays there, if nothing has been counted since.
        assert!(newer.text().contains("\nn_total 2\n") && newer.text().contains("\ngone_total 1\n"));
    }

    #[test]
    fn label_values_and_help_are_escaped() {
        let metrics = Metrics::default();
        metrics.read("n", "One\nline.", Kind::Gauge, |samples| {
            samples.add(&[("a", "\"\\\n".to_owned())], 0.5);
        });
        assert_eq!(metrics.text(), "# HELP n One\\nline.\n# TYPE n gauge\nn{a=\"\\\"\\\\\\n\"} 0.5\n");
    }

    #[test]
    fn a_histogram_counts_what_is_at_most_so_large() {
        let metrics = Metrics::default();
        metrics.read("t", "Time.", Kind::Histogram, |samples| {
            samples.histogram(&[("a", "b".to_owned())], &[0.5, 1.0], &[2, 1, 4], 9.5);
        });
        assert!(metrics.text().ends_with(
            "t_bucket{a=\"b\",le=\"0.5\"} 2\nt_bucket{a=\"b\",le=\"1\"} 3\n\
             t_bucket{a=\"b\",le=\"+Inf\"} 7\nt_sum{a=\"b\"} 9.5\nt_count{a=\"b\"} 7\n"
        ));
    }

    #[test]
    fn without_routes_all_is_one_count() {
        let metrics = Metrics::default();
        let counter = metrics.counter("n_total", "How many.", &["server"], &[]);
        counter.add_for(7);
        assert_eq!(counter.sum(), 1);
    }
}
