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
    /// What is counted; at least one. Where entities are, what is added and what is removed.
    pub sources: Vec<RollupSource>,
    /// Where the documents come from.
    pub feeds: Vec<Feed>,
    /// What comes and goes, where that is what is counted.
    pub entities: Option<Entities>,
    /// Whether there is one plain document for each source, period and key that something was counted of,
    /// and none for others.
    pub flat: bool,
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

/// Numbers of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct RollupSource {
    /// Its name in what is written.
    pub name: String,
    /// Its numbers, in order; at least one.
    pub metrics: Vec<NamedMetric>,
    /// Fields that are taken over from the latest document; of flat roll-ups only.
    pub copy: Vec<String>,
}

/// An index whose documents say what happened when.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Its name, which no other has.
    pub name: String,
    /// The index, alias or pattern.
    pub index: String,
    /// The field that says which period a document belongs to.
    pub date: Path,
    /// A query that documents must match.
    pub query: Option<Json>,
    /// What its documents mean.
    pub role: Role,
}

/// What the documents of a feed mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Each counts, in the source with this number.
    Counted(usize),
    /// Entities, at the time at which each begins.
    From,
    /// Entities, at the time at which each ends.
    Until,
    /// Changes of membership.
    Change,
}

/// Things that begin, end, and are members of what the keys stand for, now and then. What they are is
/// counted where they come (source 0) and where they go (source 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entities {
    /// The field that tells one from another.
    pub id: Path,
    /// When one begins.
    pub from: Path,
    /// When one ends, and is a member of nothing any more.
    pub until: Option<Path>,
    /// Of what they are members; nothing but the key of everything without it.
    pub members: Option<Members>,
}

/// How a change of membership is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The field with the entity's id.
    pub entity: Path,
    /// The field with the key.
    pub key: Path,
    /// The field that says what happened.
    pub change: Path,
    /// Its value where the entity becomes a member.
    pub added: String,
    /// Its value where it is one no more.
    pub removed: String,
}

/// A number, its name, and which documents it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedMetric {
    /// Its name in what is written; of entities also `GROUP.NAME`.
    pub name: String,
    /// What is counted.
    pub metric: Metric,
    /// Which documents count; all without it.
    pub when: Option<When>,
}

/// Something that a document must fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// The field.
    pub field: Path,
    /// One of its values, as text.
    pub value: String,
    /// Whether it must have the value, or must not.
    pub wanted: bool,
}

/// What is counted.
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
    /// The fields whose values they are: texts, objects, or lists of them; at least one.
    pub each: Vec<Path>,
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
