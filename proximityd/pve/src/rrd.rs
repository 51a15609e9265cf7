//! Measurements over time, as Proxmox VE's round-robin databases keep them.
//!
//! Steps differ between releases and can be mixed within one answer, so a point is known by its
//! time, never by its place in the list.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How far back to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeframe {
    /// One hour.
    Hour,
    /// One day.
    Day,
    /// One week.
    Week,
    /// One month.
    Month,
    /// One year.
    Year,
}

impl Timeframe {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Measurements at one time. A point without any says that nothing was measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<String, serde_json::Value>")]
pub struct RrdPoint {
    /// Seconds since 1970.
    pub time: u64,
    /// Name to value: `cpu` is a share of `maxcpu`, `mem` and `disk` are bytes, `netin`, `netout`,
    /// `diskread` and `diskwrite` bytes a second.
    pub values: BTreeMap<String, f64>,
}

impl RrdPoint {
    /// A measurement.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }
}

impl From<BTreeMap<String, serde_json::Value>> for RrdPoint {
    fn from(raw: BTreeMap<String, serde_json::Value>) -> Self {
        let number = |v: &serde_json::Value| match v {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        };
        let mut values: BTreeMap<String, f64> =
            raw.iter().filter_map(|(name, v)| Some((name.clone(), number(v)?))).collect();
        // Seconds since 1970 are exact in an f64.
        let time = values.remove("time").unwrap_or_default() as u64;
        Self { time, values }
    }
}
