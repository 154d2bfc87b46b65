//! A recorder of metrics that can be asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// What was recorded, by `name{label=value,…}` without the labels that all metrics have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Recorded {
    /// What counters have reached, how many values a histogram has, or the bits of a gauge.
    pub(crate) fn value(&self, metric: &str) -> u64 {
        let all = self.0.lock().unwrap();
        all.get(metric).map_or(0, |value| value.load(Ordering::SeqCst))
    }

    pub(crate) fn gauge(&self, metric: &str) -> f64 {
        f64::from_bits(self.value(metric))
    }

    /// The names that were recorded, without labels.
    pub(crate) fn names(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let mut names: Vec<String> =
            all.keys().map(|key| key.split('{').next().unwrap().to_owned()).collect();
        names.dedup();
        names
    }

    fn slot(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<(&str, &str)> = key.labels().map(|label| (label.key(), label.value())).collect();
        assert_eq!(labels[..2], [("namespace", "platform"), ("node", "box-1")], "{key}");
        let own: Vec<String> = labels[2..].iter().map(|(key, value)| format!("{key}={value}")).collect();
        let shown = format!("{}{{{}}}", key.name(), own.join(","));
        Arc::clone(self.0.lock().unwrap().entry(shown).or_default())
    }
}

struct Values(Arc<AtomicU64>);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{value} seconds");
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.slot(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.slot(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(self.slot(key))))
    }
}
