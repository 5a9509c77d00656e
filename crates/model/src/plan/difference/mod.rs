//! The difference between a source's mapping and settings and its target's: what is lost, what is taken
//! otherwise and what that means, and what is added.
//!
//! It is derived from what was observed and from the target as it is planned. What the pipeline plainly
//! says is taken into account: a renamed field is not lost. A script says nothing plainly.

mod effect;
mod fields;
mod render;
mod settings;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

pub use effect::Effect;

use super::TargetBody;
use super::shape::Shape;
use crate::observe::SeenIndex;

/// How a target differs from its source.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Fields that the source maps and the target does not, gravest first.
    pub lost: Vec<Lost>,
    /// Fields, and rules for all fields, that the target maps otherwise, gravest first.
    pub changed: Vec<Changed>,
    /// Fields that only the target maps.
    pub added: Vec<Added>,
    /// Settings that differ, by name.
    pub settings: Vec<SettingChange>,
    /// Whether a script runs, whose work is not taken into account.
    pub scripted: bool,
    /// Index templates of the cluster that apply to the target by its name, besides what is planned.
    pub templates: Vec<String>,
}

/// A field that the target does not map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Its path in the source.
    pub field: String,
    /// Its path after the pipeline, where that is another one.
    pub becomes: Option<String>,
    /// Its type in the source.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happens to documents that have it.
    pub then: Then,
    /// Whether the source finds documents by it.
    #[serde(skip)]
    pub searched: bool,
}

/// What happens to documents with a field that the target does not map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The target refuses them.
    Refused,
    /// The field is kept in them, and they are not found by it.
    NotSearchable,
    /// The target maps the field by the first value that it sees.
    Guessed,
    /// The pipeline takes the field away.
    Removed,
}

/// A field that is mapped otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// Its path in the source; empty = a rule for the whole mapping.
    pub field: String,
    /// Its path after the pipeline, where that is another one.
    pub becomes: Option<String>,
    /// What differs: `name`, `type`, or a parameter such as `analyzer`.
    pub what: String,
    /// What it was; null = unset.
    pub from: Value,
    /// What it is to be; null = unset.
    pub to: Value,
    /// What becomes of values.
    pub effect: Effect,
    /// In words.
    pub why: String,
}

/// A field that only the target maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Its path in the target.
    pub field: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the pipeline writes it.
    pub written: bool,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Its name.
    pub setting: String,
    /// Its value in the source; none = the engine's own.
    pub from: Option<String>,
    /// Its value in the target; none = the engine's own.
    pub to: Option<String>,
    /// What becomes of values.
    pub effect: Effect,
    /// In words.
    pub why: &'static str,
}

impl Difference {
    /// Whether target and source are alike.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty()
            && self.changed.is_empty()
            && self.added.is_empty()
            && self.settings.is_empty()
    }

    /// Whether what changes lets documents be refused. Lost fields are not asked.
    #[must_use]
    pub fn may_refuse(&self) -> bool {
        self.changed.iter().any(|changed| changed.effect == Effect::MayBeRefused)
            || self.settings.iter().any(|setting| setting.effect == Effect::MayBeRefused)
    }

    /// Fields and settings with which the target takes, or finds, less than the source did, each in a
    /// few words.
    #[must_use]
    pub fn narrowed(&self) -> Vec<String> {
        let fields = self.changed.iter().filter(|changed| changed.effect.narrows());
        let settings = self.settings.iter().filter(|setting| setting.effect.narrows());
        fields.map(Changed::brief).chain(settings.map(SettingChange::brief)).collect()
    }
}

/// What differs between `source` and the target as it is planned, or as it stands where it was made
/// already (`there`).
pub(super) fn difference(
    shape: &Shape,
    source: &SeenIndex,
    planned: &TargetBody,
    there: Option<&SeenIndex>,
    templates: Vec<String>,
) -> Difference {
    let mappings = there.map_or(&planned.mappings, |there| &there.mappings);
    let mut difference = Difference {
        settings: settings::changes(source, &planned.settings),
        scripted: shape.scripted,
        templates,
        ..Difference::default()
    };
    let lenient = settings::leniency(&planned.settings);
    fields::compare(shape, (&source.mappings, mappings), lenient, &mut difference);
    difference
}
