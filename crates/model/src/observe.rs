//! The observation: what was seen in the cluster, before anything is planned. Values only; what
//! they mean is said by [`crate::plan`] and [`crate::lint`].

pub mod files;
pub mod mapping;
pub mod versions;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{AliasName, IndexName, IndexUuid};
use crate::part::PartState;
use versions::Sampled;

/// What an alias adds to an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasProps {
    /// Only documents that match are seen through the alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    /// Routing of writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_routing: Option<String>,
    /// Routing of searches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_routing: Option<String>,
    /// Whether writes through the alias go to this index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_write_index: Option<bool>,
    /// Whether wildcards leave the alias out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_hidden: Option<bool>,
}

/// One concrete index as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenIndex {
    /// Its name.
    pub name: IndexName,
    /// Which incarnation of the name it is.
    pub uuid: IndexUuid,
    /// Whether it is open.
    pub open: bool,
    /// Whether the engine itself owns it.
    pub system: bool,
    /// The data stream it backs.
    pub data_stream: Option<String>,
    /// Its aliases.
    pub aliases: BTreeMap<AliasName, AliasProps>,
    /// Its settings, flat (`index.number_of_shards`), values as texts.
    pub settings: Map<String, Value>,
    /// Its mappings.
    pub mappings: Value,
    /// Live documents of the primaries.
    pub docs: u64,
    /// Bytes of the primaries.
    pub bytes: u64,
    /// Primary shards.
    pub shards: u32,
    /// Replicas of each.
    pub replicas: u32,
    /// How its shards are; none where that was not looked at.
    pub copies: Option<Copies>,
}

/// How the shards of an index are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Primaries that are started.
    pub primaries: u32,
    /// Copies that are started, primaries included.
    pub started: u32,
    /// The highest number given to an operation on any shard; -1 = none.
    pub max_seq_no: i64,
}

impl SeenIndex {
    /// A setting as text.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).and_then(Value::as_str)
    }

    /// Which migration and part made it, if one of ours did.
    pub fn made_by(&self) -> Option<(&str, &str)> {
        let meta = &self.mappings["_meta"]["segue"];
        Some((meta["migration"].as_str()?, meta["part"].as_str()?))
    }
}

/// Something that could not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The user may not look at something that the plan rests on: a security answer, which is not a
    /// write block.
    Forbidden {
        /// What was to be seen.
        what: String,
        /// What the cluster said.
        why: String,
    },
    /// Something that would only have made the warnings better.
    Unseen {
        /// What was to be seen.
        what: String,
        /// Why it was not.
        why: String,
    },
}

/// A privilege that the cluster says the user lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingPrivilege {
    /// Its name in the cluster.
    pub privilege: String,
    /// The index or pattern it is needed on; none = the cluster.
    pub on: Option<String>,
}

/// An index template of the cluster: what an index gets by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexTemplate {
    /// Its name.
    pub name: String,
    /// Wildcards of the names it applies to.
    pub patterns: Vec<String>,
}

impl IndexTemplate {
    /// Whether an index of this name gets the template. Wildcards have `*` only, as the engines'.
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| wildcard_matches(pattern, name))
    }
}

fn wildcard_matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    if !tail.contains('*') {
        return rest.ends_with(tail);
    }
    // The next literal may begin anywhere in what is left.
    rest.char_indices()
        .map(|(at, _)| at)
        .chain([rest.len()])
        .any(|at| wildcard_matches(tail, &rest[at..]))
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it runs ingest pipelines.
    pub ingest: bool,
    /// Whether it holds shards.
    pub data: bool,
    /// Disk space the engine may still use, bytes.
    pub disk_available: u64,
    /// Bytes of it that may be filled before the disk reaches the cluster's high watermark; none where that
    /// was not seen.
    pub disk_below_high: Option<u64>,
}

/// A rewriting job of the engine that runs now (reindex, update or delete by query).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningJob {
    /// What it is, in the engine's word.
    pub action: String,
    /// Which indices, in the engine's words.
    pub description: String,
}

/// What was seen in the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Product and version, for people.
    pub engine: String,
    /// When, in milliseconds since 1970; for people only.
    pub observed_at_ms: u64,
    /// Indices that the source pattern's wildcard finds and its expressions match.
    pub candidates: Vec<SeenIndex>,
    /// Other indices whose names matter: targets, kept copies, lookups. Present ones only.
    pub others: BTreeMap<IndexName, SeenIndex>,
    /// Every alias with the indices it stands for.
    pub aliases: BTreeMap<AliasName, Vec<IndexName>>,
    /// Every concrete index by name.
    pub names: BTreeSet<IndexName>,
    /// Every data stream by name.
    pub data_streams: BTreeSet<String>,
    /// Index templates of the cluster.
    pub index_templates: Vec<IndexTemplate>,
    /// Lifecycle policies that the engine attached to indices, where their settings don't say so.
    pub policies: BTreeMap<IndexName, String>,
    /// The nodes; none where they were not looked at.
    pub nodes: Vec<Node>,
    /// Some documents of each candidate, with their versions; none where they were not looked at.
    pub versions: BTreeMap<IndexName, Vec<Sampled>>,
    /// Rewriting jobs that run now.
    pub jobs: Vec<RunningJob>,
    /// Privileges that the cluster says are missing.
    pub missing_privileges: Vec<MissingPrivilege>,
    /// Template files of the recipe, by path: `{ settings, mappings }`, or why they can't be read.
    pub templates: BTreeMap<String, Result<Value, String>>,
    /// The recipe's files; none where its source is indices.
    pub files: Option<files::SeenFiles>,
    /// What the journal says of each part.
    pub journal: BTreeMap<IndexName, PartState>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

impl Observation {
    /// The concrete index of this name, if its details were looked at.
    pub fn index(&self, name: &IndexName) -> Option<&SeenIndex> {
        self.others.get(name).or_else(|| self.candidates.iter().find(|index| index.name == *name))
    }

    /// Whether a concrete index has this name.
    pub fn has_index(&self, name: &str) -> bool {
        let name = IndexName::new(name);
        self.names.contains(&name) || self.index(&name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_the_engines_do() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "x", true),
            ("a-*", "a-1", true),
            ("a-*", "xa-1", false),
            ("*-view-*", "segue-before-app-view-2026", true),
            ("*-view-*", "app-view", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("a*a", "a", false),
            ("*ü*", "xüy", true),
        ] {
            assert_eq!(wildcard_matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
