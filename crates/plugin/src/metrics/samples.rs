//! The numbers of one name, and their text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;

use super::{Kind, Route, Series};

/// The numbers of one name, as they are told to who looks.
pub struct Samples<'m> {
    name: &'static str,
    routes: &'m [Route],
    /// In the order in which they were told; those of the same labels are one.
    series: Series,
    places: HashMap<String, usize>,
}

impl<'m> Samples<'m> {
    pub(super) fn new(name: &'static str, routes: &'m [Route], series: Series) -> Samples<'m> {
        let places = series.iter().enumerate().map(|(place, (series, _))| (series.clone(), place)).collect();
        Samples { name, routes, series, places }
    }

    /// The routes of the configuration.
    pub fn routes(&self) -> &'m [Route] {
        self.routes
    }

    /// Those labels of a route that `by` names.
    pub fn route_labels(&self, route: usize, by: &[&'static str]) -> Vec<(&'static str, String)> {
        let route = self.routes.get(route);
        let value = |name: &str| match (route, name) {
            (Some(route), "server") => route.server.clone(),
            (Some(route), "zone") => route.zone.clone(),
            (Some(route), "view") => route.view.clone(),
            _ => String::new(),
        };
        by.iter().map(|name| (*name, value(name))).collect()
    }

    /// One number, added to that of the same labels if there is one.
    pub fn add(&mut self, labels: &[(&'static str, String)], value: f64) {
        self.add_series(series(self.name, "", labels, None), value);
    }

    /// How many were at most as large as each of `bounds`, and, behind those, how many were larger than all; and the sum
    /// of their sizes.
    pub fn histogram(&mut self, labels: &[(&'static str, String)], bounds: &[f64], counts: &[u64], sum: f64) {
        let mut count = 0;
        for (at, in_bucket) in counts.iter().enumerate() {
            count += in_bucket;
            let bound = bounds.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            self.add_series(series(self.name, "_bucket", labels, Some(&bound)), count as f64);
        }
        self.add_series(series(self.name, "_sum", labels, None), sum);
        self.add_series(series(self.name, "_count", labels, None), count as f64);
    }

    fn add_series(&mut self, series: String, value: f64) {
        match self.places.entry(series) {
            Entry::Occupied(place) => {
                if let Some((_, sum)) = self.series.get_mut(*place.get()) {
                    *sum += value;
                }
            }
            Entry::Vacant(place) => {
                self.series.push((place.key().clone(), value));
                place.insert(self.series.len() - 1);
            }
        }
    }

    pub(super) fn into_series(self) -> Series {
        self.series
    }

    /// Writes them behind their heading.
    pub(super) fn write(self, help: &str, kind: Kind, text: &mut String) {
        let kind = match kind {
            Kind::Counter | Kind::Total => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // A `String` takes all that is written to it.
        let _ = write!(text, "# HELP {0} {help}\n# TYPE {0} {kind}\n", self.name);
        for (series, value) in self.series {
            let _ = writeln!(text, "{series} {value}");
        }
    }
}

fn series(name: &str, suffix: &str, labels: &[(&'static str, String)], bound: Option<&str>) -> String {
    let mut text = format!("{name}{suffix}");
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
    for (at, (name, value)) in labels.chain(bound.map(|bound| ("le", bound))).enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{}{name}=\"{value}\"", if at == 0 { '{' } else { ',' });
    }
    if text.len() > name.len() + suffix.len() {
        text.push('}');
    }
    text
}
