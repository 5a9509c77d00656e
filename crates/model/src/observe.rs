//! The observation: what was seen in the cluster, before anything is planned. Values only; what
//! they mean is said by [`crate::plan`] and [`crate::lint`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{AliasName, IndexName, IndexUuid};
use crate::part::PartState;

/// What an alias adds to an index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// The user may not look: a security answer, which is not a write block.
    Forbidden {
        /// What was to be seen.
        what: String,
        /// What the cluster said.
        why: String,
    },
}

/// What was seen in the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Product and version, for people.
    pub engine: String,
    /// Indices that the source pattern's wildcard finds.
    pub candidates: Vec<SeenIndex>,
    /// Other indices whose names matter: targets, kept copies, lookups. Present ones only.
    pub others: BTreeMap<IndexName, SeenIndex>,
    /// Every alias with the indices it stands for.
    pub aliases: BTreeMap<AliasName, Vec<IndexName>>,
    /// Template files of the recipe, by path: `{ settings, mappings }`, or why they can't be read.
    pub templates: BTreeMap<String, Result<Value, String>>,
    /// What the journal says of each part.
    pub journal: BTreeMap<IndexName, PartState>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}
