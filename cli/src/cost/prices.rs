//! The price table.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Prices with their date; see `prices.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    pub date: String,
    pub region: String,
    pub hours_per_month: f64,
    /// Resource types that cost something by being there, a month each.
    pub month: BTreeMap<String, f64>,
    #[serde(rename = "use")]
    used: BTreeMap<String, f64>,
    assumed: BTreeMap<String, f64>,
    free: Free,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Free {
    types: BTreeSet<String>,
}

impl Prices {
    /// The table in this program.
    pub fn read() -> Result<Self> {
        toml::from_str(include_str!("prices.toml")).context("prices.toml is damaged")
    }

    /// The price of using something.
    pub fn of(&self, name: &str) -> Result<f64> {
        let price = self.used.get(name).copied();
        price.with_context(|| format!("prices.toml has no price `{name}`"))
    }

    /// What is counted for something that nobody knows in advance.
    pub fn assumed(&self, name: &str) -> Result<f64> {
        let number = self.assumed.get(name).copied();
        number.with_context(|| format!("prices.toml assumes no `{name}`"))
    }

    /// Whether a resource of that type costs nothing by being there.
    pub fn is_free(&self, kind: &str) -> bool {
        self.free.types.contains(kind)
    }
}
