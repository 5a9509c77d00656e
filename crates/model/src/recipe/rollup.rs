//! A recipe for a roll-up: what is counted, by which periods, keys and dimensions, and where to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ClusterRef, Error, Json, NameTemplate, Path, read_rollup};
use crate::rollup::{Period, PeriodStart};

/// A checked recipe of a roll-up, language version 1.
#[derive(Clone, Debug)]
pub struct RollupRecipe {
    /// The recipe's name, the key of everything that is kept for it.
    pub name: String,
    /// Where the cluster is and how to sign in.
    pub cluster: ClusterRef,
    /// What is rolled up.
    pub rollup: RollupSpec,
    /// How much may be used.
    pub limits: RollupLimits,
}

/// What is rolled up.
#[derive(Clone, Debug, PartialEq)]
pub struct RollupSpec {
    /// How long a period is.
    pub period: Period,
    /// The first period. None: that of the first document.
    pub start: Option<PeriodStart>,
    /// What there is a document for in each period.
    pub key: KeySpec,
    /// What is counted; at least one.
    pub sources: Vec<RollupSource>,
    /// What it is broken down by.
    pub dimensions: Vec<Dimension>,
    /// Where what each period adds is written.
    pub delta: Output,
    /// Where the sums are written, if they are.
    pub snapshot: Option<Output>,
    /// Migrations whose parts must have switched before their documents are rolled up.
    pub after: Vec<String>,
}

/// What there is a document for in each period.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySpec {
    /// The field whose values are keys.
    pub field: Option<Path>,
    /// The key's field in what is written.
    pub name: String,
    /// The key of everything.
    pub all: Option<String>,
}

/// Documents that are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct RollupSource {
    /// Its name in what is written.
    pub name: String,
    /// The index, alias or pattern.
    pub index: String,
    /// The field that says which period a document belongs to.
    pub date: Path,
    /// A query that documents must match.
    pub query: Option<Json>,
    /// Its numbers, with their names, in order; at least one.
    pub metrics: Vec<(String, Metric)>,
}

/// A number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// How many documents.
    Count,
    /// How many distinct values of a field, exactly.
    Unique(Path),
    /// The sum of a field's numbers.
    Sum(Path),
}

/// What numbers are broken down by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Its name in what is written.
    pub name: String,
    /// The field whose values they are: texts, objects, or lists of them.
    pub each: Path,
    /// Where values are objects, the member that tells them apart.
    pub id: Option<Path>,
    /// Where values are objects, the member that names them.
    pub label: Option<Path>,
    /// How many of them snapshots list for each source; all without it.
    pub top: Option<u32>,
}

/// An index that is written to.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name, made of `{year}`, `{month}` and `{day}` of the period.
    pub index: NameTemplate,
    /// File with `settings`, `mappings` and `aliases`, relative to the recipe.
    pub template: Option<String>,
    /// Where its bookmarks are, if somebody else reads them.
    pub bookmark: Option<Bookmarks>,
}

/// Bookmarks as another application reads them: one document a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmarks {
    /// Their index.
    pub index: String,
    /// The kind of aggregation, first part of the id.
    pub name: String,
}

/// How much a roll-up may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupLimits {
    /// Documents of one request.
    pub page_docs: u32,
    /// Documents of the periods that are rolled up at once.
    pub docs_at_once: u32,
    /// Distinct values that are kept in memory, each some 20 bytes.
    pub values_at_once: u32,
    /// How often a write is tried again.
    pub retries: u32,
    /// How long is waited before that.
    pub retry_delay: Duration,
    /// After which time without a sign of life a process counts as gone.
    pub lease_ttl: Duration,
}

impl Default for RollupLimits {
    fn default() -> Self {
        Self {
            page_docs: 5_000,
            docs_at_once: 50_000,
            values_at_once: 4_000_000,
            retries: 5,
            retry_delay: Duration::from_secs(2),
            lease_ttl: Duration::from_secs(30),
        }
    }
}

impl RollupRecipe {
    /// Reads and checks a recipe of a roll-up. The arguments are those of [`super::Recipe::parse`].
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn parse(
        text: &str,
        file: &str,
        set: &BTreeMap<String, String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        read_rollup::recipe(text, set, env).map_err(|fault| fault.into_error(text, file))
    }

    /// Whether the text is a recipe of a roll-up, right or wrong.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        read_rollup::is_rollup(text)
    }

    /// A 128-bit fingerprint, in hex, of everything that decides what is written: where it changes,
    /// everything is rolled up anew.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let text = format!("segue-rollup-1\n{:?}", self.rollup);
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
    }
}
