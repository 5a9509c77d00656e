//! Targets that cannot be made, or would be less than their sources.

use serde_json::Value;

use super::source::mapped_source_problem;
use super::{Note, Severity};
use crate::id::AliasName;
use crate::observe::{Observation, SeenIndex};
use crate::plan::PlannedPart;
use crate::recipe::Recipe;

const OTHER_NAME: &str = "choose another target.index";

pub(super) fn lint_target(
    recipe: &Recipe,
    seen: &Observation,
    part: &PlannedPart,
    source: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    lint_place(recipe, seen, part, notes);
    lint_body(part, source, notes);
    lint_pipelines(part, source, notes);
    let name = part.source.as_str();
    if part.target != part.source && recipe.source.matches(part.target.as_str()).is_some() {
        let what = format!("the target {} has a name that source.index matches", part.target);
        let hint = "segue knows its own targets; other recipes and tools may take it for a source";
        notes.push(Note::warning("SEG-P151", name, what, hint).graded(Severity::Note));
    }
}

/// A target is one part's. The version of a document names an operation of the part and not which
/// part, and deletes, counts and the comparison are those of one part.
pub(super) fn lint_sharing(part: &PlannedPart, sources: usize, notes: &mut Vec<Note>) {
    if sources > 1 {
        let what = format!(
            "{sources} sources have the target {}: each would be a part of its own, and their documents \
             could not be told apart there",
            part.target
        );
        let hint = "use a capture in target.index, and put one alias over the targets; or, where they are to \
                    become one, say target.merge: true";
        notes.push(Note::error("SEG-P112", part.source.as_str(), what, hint));
    }
}

/// Whether the target's name is free, or ours.
fn lint_place(recipe: &Recipe, seen: &Observation, part: &PlannedPart, notes: &mut Vec<Note>) {
    let (name, target) = (part.source.as_str(), part.target.as_str());
    let mut error = |code, what, hint| notes.push(Note::error(code, name, what, hint));
    if seen.aliases.contains_key(&AliasName::new(target)) {
        error("SEG-P111", format!("the target's name {target} is an alias"), OTHER_NAME);
    }
    if seen.data_streams.contains(target) {
        error("SEG-P111", format!("the target's name {target} is a data stream"), OTHER_NAME);
    }
    if part.target == part.source {
        let what = "source and target are the same index".to_owned();
        return error("SEG-P111", what, OTHER_NAME);
    }
    let there = seen.index(&part.target);
    if there.is_some_and(|there| there.made_by() == Some((recipe.name.as_str(), name))) {
        return;
    }
    if let Some(there) = there {
        let whose = match there.made_by() {
            Some((migration, part)) => format!("was made by migration {migration} for {part}"),
            None => "was not made by segue".to_owned(),
        };
        let what = format!("the target {target} exists ({} documents) and {whose}", there.docs);
        error("SEG-P110", what, "remove it or choose another target.index");
    } else if seen.has_index(target) {
        let what = format!("the target {target} exists, and nothing more could be seen of it");
        error("SEG-P110", what, "remove it or choose another target.index");
    }
}

fn lint_body(part: &PlannedPart, source: &SeenIndex, notes: &mut Vec<Note>) {
    let name = part.source.as_str();
    let settings = &part.target_body.settings;
    let text = |key: &str| settings.get(key).map(as_text);
    if let Some(problem) = mapped_source_problem(&part.target_body.mappings) {
        let what = format!("the target could not be verified: its {problem}");
        notes.push(Note::error("SEG-P119", name, what, "take that out of the target's mappings"));
    }
    for (key, value) in [
        ("index.append_only.enabled", "true"),
        ("index.derived_source.enabled", "true"),
        ("index.disable_sequence_numbers", "true"),
        ("index.mapping.source.mode", "synthetic"),
        ("index.mapping.source.mode", "disabled"),
    ] {
        if text(key).as_deref() == Some(value) {
            let what = format!("the target would have {key} = {value}, and could not be filled");
            let hint = "state another value in target.settings";
            notes.push(Note::error("SEG-P119", name, what, hint));
        }
    }
    lint_replicas(part, source, notes);
}

/// Whether the target gets as many copies as `source` has.
pub(super) fn lint_replicas(part: &PlannedPart, source: &SeenIndex, notes: &mut Vec<Note>) {
    let name = source.name.as_str();
    let wanted = part.target_body.settings.get("index.number_of_replicas").map(as_text);
    let wanted: Option<u64> = wanted.and_then(|n| n.parse().ok());
    if let Some(wanted) = wanted.filter(|wanted| *wanted < u64::from(source.replicas)) {
        let what = format!("the target gets {wanted} replicas, the source has {}", source.replicas);
        notes.push(Note::error("SEG-P113", name, what, "set target.settings.number_of_replicas"));
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn lint_pipelines(part: &PlannedPart, source: &SeenIndex, notes: &mut Vec<Note>) {
    for pipeline in ["index.default_pipeline", "index.final_pipeline"] {
        let real = |name: &&str| *name != "_none";
        let on_source = source.setting(pipeline).filter(real);
        let on_target = part.target_body.settings.get(pipeline).and_then(Value::as_str);
        let on_target = on_target.filter(real);
        let what = match (on_source, on_target) {
            (one, other) if one == other => continue,
            (Some(one), _) => format!("{pipeline} is {one} on the source and not on the target"),
            (None, other) => {
                format!("{pipeline} is {} on the target only", other.unwrap_or_default())
            }
        };
        let hint = "writes after the switch run the target's";
        notes.push(Note::warning("SEG-P130", source.name.as_str(), what, hint));
    }
}
