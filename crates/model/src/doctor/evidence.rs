//! What was seen of a part.

use std::collections::BTreeMap;

use crate::cleanup::Look;
use crate::id::{AliasName, IndexName, IndexUuid};
use crate::lease::{Holder, Known};

/// What was seen of a part, look by look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the source's name stands for.
    pub names: Look<Standing>,
    /// The target; none = the journal names none, or it is not there.
    pub target: Look<Option<Index>>,
    /// The kept copy, likewise.
    pub kept: Look<Option<Index>>,
    /// Redirect pipelines that the journal names or an index of the part uses, as far as they exist.
    pub pipelines: Look<Vec<Redirector>>,
    /// The part's lease; none = nobody holds it.
    pub lease: Look<Option<LeaseSeen>>,
    /// Settings of the target that the work relaxes.
    pub relaxed: Vec<Relaxed>,
    /// After the switch, what was left of enriching in place; none where nothing is enriched.
    pub enrichment: Look<Option<EnrichmentSeen>>,
}

/// What was seen of the enrichment in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnrichmentSeen {
    /// Documents that are listed as left as the application wrote them.
    pub listed: u64,
    /// Operations of the target that were not looked at yet.
    pub behind: u64,
}

/// What a name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The index of exactly this name.
    pub index: Option<Index>,
    /// The indices it is an alias of.
    pub aliased: Vec<IndexName>,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Its UUID.
    pub uuid: String,
    /// The UUID of the index it was cloned from.
    pub cloned_from: Option<String>,
    /// Its aliases, and whether each hides its documents by a filter that matches nothing.
    pub aliases: BTreeMap<AliasName, bool>,
    /// Its settings, flat, as texts.
    pub settings: BTreeMap<String, String>,
}

/// A setting of the target that has another value while documents are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relaxed {
    /// Its name.
    pub setting: &'static str,
    /// Its value meanwhile.
    pub meanwhile: &'static str,
    /// Its value otherwise; none = the engine's own.
    pub otherwise: Option<String>,
}

/// A pipeline that sends writes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirector {
    /// Its name.
    pub name: String,
    /// Where to, and whether that is there; none where it sends nothing on.
    pub target: Option<(IndexName, bool)>,
}

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Who.
    pub holder: Holder,
    /// Whether that process is known to be dead.
    pub known: Known,
}

impl Index {
    /// Whether it refuses writes.
    pub(super) fn is_blocked(&self) -> bool {
        self.setting("index.blocks.write") == Some("true")
    }

    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(super) fn uuid(&self) -> IndexUuid {
        IndexUuid::new(self.uuid.as_str())
    }
}
