//! The plan: every index, name and number, with its reason. Made from a recipe and an observation by
//! a function; execution decides nothing that stands here.

mod difference;
mod generation;
mod merge;
mod names;
mod only;
mod part;
mod render;
pub(crate) use render::{Counted, Size};
mod shape;
mod switched;
mod target;

use serde::Serialize;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

pub use difference::{Added, Changed, Difference, Effect, Lost, SettingChange, Then};
pub use generation::PlannedFiles;
pub use names::keep_name;
pub use only::NoSuchPart;
pub(crate) use shape::{Shape, covers};
pub(crate) use target::copied_settings;

use crate::estimate::{Estimate, Room, Whole};
use crate::id::{AliasName, IndexName, IndexUuid, MigrationName};
use crate::lint::{self, Note, Severity};
use crate::observe::{AliasProps, Observation};
use crate::pause::Pause;
use crate::recipe::{Captures, Recipe, Source};

/// What will be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The migration.
    pub migration: MigrationName,
    /// Identifies what is left to be done; counts and sizes, which change all the time, are not in
    /// it, nor are parts with nothing left to do.
    pub hash: String,
    /// The cluster, for people.
    pub engine: String,
    /// Every part, by source name.
    pub parts: Vec<PlannedPart>,
    /// What the pipeline looks rows up in.
    pub lookups: Vec<PlannedLookup>,
    /// What is wrong or risky.
    pub notes: Vec<Note>,
    /// What the parts that are left are expected to cost; none where that was not looked at.
    pub estimate: Option<Whole>,
    #[serde(skip)]
    pub(crate) room: Option<Room>,
    #[serde(skip)]
    pipeline: String,
}

/// One source index and its target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedPart {
    /// The source.
    pub source: IndexName,
    /// Which incarnation of that name; of several, all with commas between.
    pub source_uuid: IndexUuid,
    /// The other sources that go into the same target, where the recipe merges them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<IndexName>,
    /// What the source pattern captured.
    pub captures: Captures,
    /// The target.
    pub target: IndexName,
    /// What is to be done.
    pub action: Action,
    /// Live Lucene documents of the source: each nested object counts too.
    pub docs: u64,
    /// Bytes of its primaries.
    pub bytes: u64,
    /// Its shards, each a partition.
    pub shards: u32,
    /// How the target is made, in its final form.
    pub target_body: TargetBody,
    /// The names that move to the target, besides the source's own, which becomes one.
    pub aliases: Vec<AliasMove>,
    /// The write-blocked copy of the source that stays for the way back.
    pub keep: IndexName,
    /// Why it is planned so, where that does not stand in the recipe.
    pub reasons: Vec<String>,
    /// The files that are loaded, where the part is a generation made of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<PlannedFiles>,
    /// For how long its writers are expected to be refused; none where that was not looked at.
    pub pause: Option<Pause>,
    /// What it is expected to cost; none where that was not looked at, or nothing is copied.
    pub estimate: Option<Box<Estimate>>,
    /// How the target differs from the source; nothing where the source is files, or has switched.
    pub difference: Box<Difference>,
}

/// What is to be done with a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// It has not begun.
    Migrate,
    /// It goes on from where it stands.
    Resume {
        /// Where it stands.
        phase: String,
    },
    /// Nothing.
    Skip {
        /// Why.
        reason: String,
    },
}

/// An index as it is to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetBody {
    /// Settings, flat (`index.number_of_shards`).
    pub settings: Map<String, Value>,
    /// Mappings.
    pub mappings: Value,
}

/// A name that moves from source to target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AliasMove {
    /// The name.
    pub alias: AliasName,
    /// What it adds, as on the source.
    pub props: AliasProps,
    /// Whether it stands for other indices too.
    pub spanning: bool,
    /// Whether it is the source's to lose: the source has it now, or had it before a cutover that
    /// was cut short. Of several sources, the first.
    pub on_source: bool,
    /// Of several sources, the others that have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_on: Vec<IndexName>,
}

impl AliasMove {
    /// Whether it is on `index`, one of the sources of the part `first`.
    pub fn is_on(&self, index: &IndexName, first: &IndexName) -> bool {
        if index == first { self.on_source } else { self.also_on.contains(index) }
    }

    /// The sources it is on, of the part `first`.
    pub fn holders<'a>(&'a self, first: &'a IndexName) -> impl Iterator<Item = &'a IndexName> {
        self.on_source.then_some(first).into_iter().chain(&self.also_on)
    }
}

/// An index that rows are looked up in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedLookup {
    /// Its name in the recipe.
    pub name: String,
    /// The index or alias, variables filled in.
    pub index: String,
    /// Live Lucene documents; none where it was not found.
    pub docs: Option<u64>,
}

impl PlannedPart {
    /// What the journal alone says about a part: enough to find out how a cutover ended, not to copy.
    pub fn known(source: IndexName, uuid: Option<IndexUuid>, target: IndexName) -> PlannedPart {
        PlannedPart {
            keep: keep_name(&source),
            source_uuid: uuid.unwrap_or_else(|| IndexUuid::new("")),
            source,
            also: Vec::new(),
            captures: Captures::new(),
            target,
            action: Action::Resume { phase: "cutting over".to_owned() },
            docs: 0,
            bytes: 0,
            shards: 0,
            target_body: TargetBody { settings: Map::new(), mappings: Value::Null },
            aliases: Vec::new(),
            files: None,
            reasons: Vec::new(),
            pause: None,
            estimate: None,
            difference: Box::default(),
        }
    }

    /// Every index that it is read from.
    pub fn indices(&self) -> Vec<IndexName> {
        std::iter::once(&self.source).chain(&self.also).cloned().collect()
    }

    /// What requests about all of them name.
    pub fn all_sources(&self) -> IndexName {
        let names: Vec<_> = self.indices().iter().map(ToString::to_string).collect();
        IndexName::new(names.join(","))
    }

    /// The copies that are kept, in the order of the indices.
    pub fn keeps(&self) -> Vec<IndexName> {
        std::iter::once(self.keep.clone()).chain(self.also.iter().map(keep_name)).collect()
    }

    /// Whether nothing is left to do.
    pub fn is_skipped(&self) -> bool {
        matches!(self.action, Action::Skip { .. })
    }
}

impl Plan {
    /// Plans `recipe` for what was observed. The same input gives the same plan.
    pub fn make(recipe: &Recipe, seen: &Observation) -> Plan {
        let mut notes = Vec::new();
        let mut parts: Vec<PlannedPart> = seen
            .candidates
            .iter()
            .filter(|index| !names::is_own(recipe, seen, index))
            .filter_map(|index| {
                let captures = recipe.source.matches(index.name.as_str())?;
                part::plan_part(recipe, seen, index, captures, &mut notes)
            })
            .collect();
        parts = merge::merged(recipe, seen, parts, &mut notes);
        match &recipe.source {
            Source::Indices(_) => parts.extend(switched::switched_parts(recipe, seen)),
            Source::Files(_) => {
                parts.extend(generation::plan_generation(recipe, seen, &mut notes));
            }
        }
        parts.sort_by(|a, b| a.source.cmp(&b.source));
        lint::lint(recipe, seen, &parts, &mut notes);
        let pipeline = recipe.pipeline_fingerprint();
        Plan {
            migration: MigrationName::new(recipe.name.as_str()),
            hash: hash(&pipeline, &parts),
            engine: seen.engine.clone(),
            lookups: lookups(recipe, seen),
            parts,
            notes,
            estimate: None,
            room: Room::of(&seen.nodes),
            pipeline,
        }
    }

    /// The notes that refuse to run.
    pub fn errors(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|note| note.severity == Severity::Error)
    }

    /// The parts with something left to do.
    pub fn active(&self) -> impl Iterator<Item = &PlannedPart> {
        self.parts.iter().filter(|part| !part.is_skipped())
    }
}

fn lookups(recipe: &Recipe, seen: &Observation) -> Vec<PlannedLookup> {
    recipe
        .lookups()
        .map(|lookup| PlannedLookup {
            name: lookup.name.clone(),
            index: lookup.index.literal().map_or_else(|| lookup.index.to_string(), str::to_owned),
            docs: lint::lookup_indices(seen, lookup).first().map(|index| index.docs),
        })
        .collect()
}

/// The difference between source and target is not in it: what is carried out is the target's body, which
/// is. The source's mapping grows by itself with each new field where it is dynamic, and a plan that was
/// agreed to would not fit any more for something that execution does not look at.
fn hash(pipeline: &str, parts: &[PlannedPart]) -> String {
    let left: Vec<_> = parts
        .iter()
        .filter(|part| !part.is_skipped())
        .map(|part| {
            json!({
                "source": part.all_sources(), "uuid": part.source_uuid, "target": part.target,
                "settings": part.target_body.settings, "mappings": part.target_body.mappings,
                "aliases": part.aliases, "keep": part.keep, "files": part.files,
            })
        })
        .collect();
    let whole = json!({ "parts": left, "pipeline": pipeline });
    format!("{:032x}", xxh3_128(whole.to_string().as_bytes()))
}

#[cfg(test)]
mod tests;
