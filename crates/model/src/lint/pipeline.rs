//! Lookups that cannot be read, and fields that one side does not know.

use std::collections::BTreeSet;

use super::{Note, Severity};
use crate::id::{AliasName, IndexName};
use crate::observe::mapping::{Unknown, is_mapped, takes};
use crate::observe::{Observation, SeenIndex};
use crate::plan::{Lost, PlannedPart, Shape, Then, covers};
use crate::recipe::{Lookup, Recipe};

/// The indices that a lookup's name stands for, as far as they were seen.
pub(crate) fn lookup_indices<'a>(seen: &'a Observation, lookup: &Lookup) -> Vec<&'a SeenIndex> {
    let Some(name) = lookup.index.literal() else { return Vec::new() };
    match seen.aliases.get(&AliasName::new(name)) {
        Some(on) => on.iter().filter_map(|index| seen.index(index)).collect(),
        None => seen.index(&IndexName::new(name)).into_iter().collect(),
    }
}

/// A recipe that changes documents has to say what happens to those that are written after the switch.
pub(super) fn lint_after_switch(recipe: &Recipe, notes: &mut Vec<Note>) {
    if recipe.pipeline.is_empty() || recipe.cutover.after_switch.is_some() {
        return;
    }
    let what = "the pipeline changes documents, and the recipe does not say what is true of those \
                written after the switch";
    let hint = "state cutover.after_switch: writers_send_new_shape (writers send the target's shape \
                from then on), target_accepts_both (target and readers take the old shape too), or \
                keep_enriching (the pipeline is applied in the target for a time)";
    notes.push(Note::whole("SEG-P160", what.to_owned(), hint));
}

pub(super) fn lint_lookups(recipe: &Recipe, seen: &Observation, notes: &mut Vec<Note>) {
    for lookup in recipe.lookups() {
        let name = &lookup.name;
        let Some(index_name) = lookup.index.literal() else {
            let what =
                format!("the index {} of lookup {name} differs from part to part", lookup.index);
            let hint = "one lookup serves all parts: name one index or alias";
            notes.push(Note::whole("SEG-P124", what, hint));
            continue;
        };
        match lookup_indices(seen, lookup).as_slice() {
            [] => {
                let what = format!("the index {index_name} of lookup {name} does not exist");
                notes.push(Note::whole("SEG-P122", what, "check lookup.index and the prefix"));
            }
            [index] => lint_rows(lookup, index, notes),
            several => {
                let indices: Vec<_> = several.iter().map(|index| index.name.as_str()).collect();
                let what = format!(
                    "{index_name} of lookup {name} stands for several indices: {}",
                    indices.join(", ")
                );
                notes.push(Note::whole("SEG-P124", what, "name one of them in lookup.index"));
            }
        }
    }
}

fn lint_rows(lookup: &Lookup, index: &SeenIndex, notes: &mut Vec<Note>) {
    let (name, field) = (&lookup.name, lookup.matching.dotted());
    let on = &index.name;
    if !index.open {
        let what = format!("the index {on} of lookup {name} is closed");
        return notes.push(Note::whole("SEG-P122", what, "open it"));
    }
    if index.docs == 0 {
        let what = format!("the index {on} of lookup {name} holds no documents");
        let hint = "every document would go without its row";
        notes.push(Note::whole("SEG-P141", what, hint).graded(Severity::Warning));
    } else if !is_mapped(&index.mappings, &field)
        && takes(&index.mappings, &field) != Unknown::Ignored
    {
        let what = format!("{on} has no field {field} to match by");
        notes.push(Note::whole("SEG-P123", what, "check lookup.match"));
    }
}

/// How many fields are listed before the rest is only counted.
const LISTED: usize = 10;

fn list(fields: &[&str]) -> String {
    let listed: Vec<_> = fields.iter().take(LISTED).copied().collect();
    match fields.len().saturating_sub(LISTED) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// Whether a source has the keys of the lookups.
pub(super) fn lint_keys(recipe: &Recipe, source: &SeenIndex, notes: &mut Vec<Note>) {
    for (lookup, key) in &Shape::of(recipe).needed {
        if source.docs > 0
            && !is_mapped(&source.mappings, key)
            && takes(&source.mappings, key) != Unknown::Ignored
        {
            let what = format!("it has no field {key}, the key of lookup {lookup}");
            let hint = "check lookup.key; as it is, no document finds its row";
            notes.push(Note::error("SEG-P126", source.name.as_str(), what, hint));
        }
    }
}

/// Fields that the source does not have, or that the target would refuse.
pub(super) fn lint_fields(
    recipe: &Recipe,
    part: &PlannedPart,
    source: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    let name = part.source.as_str();
    lint_keys(recipe, source, notes);
    let shape = Shape::of(recipe);
    let mappings = &part.target_body.mappings;
    let refused = |field: &&str| takes(mappings, field) == Unknown::Refused;
    let written: Vec<_> = shape.written.iter().map(String::as_str).filter(refused).collect();
    if !written.is_empty() {
        let what =
            format!("the pipeline writes fields that the target refuses: {}", list(&written));
        let hint = "map them in the target's template";
        notes.push(Note::error("SEG-P127", name, what, hint));
    }
    if !shape.scripted {
        lint_lost(part, &written, notes);
    }
    lint_narrowed(part, notes);
}

/// Fields that the source maps and the target does not. Documents that have them are refused; or a search
/// by them, or a suggestion from them, finds nothing after the switch, or something else.
fn lint_lost(part: &PlannedPart, told: &[&str], notes: &mut Vec<Note>) {
    let name = part.source.as_str();
    let lost = |refused: bool| -> Vec<&str> {
        let lost = part.difference.lost.iter().filter(|lost| lost.then != Then::Removed);
        let lost = lost.filter(|lost| (lost.then == Then::Refused) == refused);
        let lost = lost.filter(|lost| refused || lost.searched);
        let is_told = |lost: &&Lost| {
            let becomes = lost.becomes.as_ref().unwrap_or(&lost.field);
            told.iter().any(|field| covers(field, becomes))
        };
        let lost = lost.filter(|lost| !is_told(lost)).map(|lost| lost.field.as_str());
        // By name, as elsewhere in the notes.
        lost.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let carried = lost(true);
    if !carried.is_empty() {
        let what = format!("the source maps fields that the target refuses: {}", list(&carried));
        let hint = "documents that have them become dead letters: map them, or remove them in the \
                    pipeline";
        notes.push(Note::warning("SEG-P133", name, what, hint));
    }
    let lost = lost(false);
    if !lost.is_empty() {
        let what = format!("the source maps fields that the target does not: {}", list(&lost));
        let hint = "they are kept in the documents, but searched otherwise or not at all: map them in \
                    the target, or remove them in the pipeline";
        notes.push(Note::warning("SEG-P143", name, what, hint));
    }
}

/// Fields with which the target takes, or finds, less than the source.
fn lint_narrowed(part: &PlannedPart, notes: &mut Vec<Note>) {
    let narrowed = part.difference.narrowed();
    let narrowed: Vec<_> = narrowed.iter().map(String::as_str).collect();
    if !narrowed.is_empty() {
        let what = format!("the target takes or finds less than the source: {}", list(&narrowed));
        let hint = if part.difference.may_refuse() {
            "documents with values that do not fit become dead letters: `segue run --dry-run` shows \
             which; widen the target's mapping, or convert in the pipeline"
        } else {
            "no document is refused for it, but searches and sums by these fields can find less: widen \
             the target's mapping, if that is not wanted"
        };
        notes.push(Note::warning("SEG-P145", part.source.as_str(), what, hint));
    }
}
