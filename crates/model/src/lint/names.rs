//! Names that would clash, or do more than is wanted.

use super::Note;
use crate::observe::Observation;
use crate::plan::{AliasMove, PlannedPart};
use crate::recipe::Recipe;

pub(super) fn lint_names(
    recipe: &Recipe,
    seen: &Observation,
    part: &PlannedPart,
    notes: &mut Vec<Note>,
) {
    let name = part.source.as_str();
    if let Some(Err(error)) = recipe.cutover.alias.as_ref().map(|a| a.render(&part.captures, name))
    {
        let what = format!("the alias has no usable name: {error}");
        notes.push(Note::error("SEG-P114", name, what, "correct cutover.alias"));
    }
    for alias in &part.aliases {
        lint_alias(seen, part, alias, notes);
    }
    lint_keep(seen, part, notes);
}

fn lint_alias(seen: &Observation, part: &PlannedPart, alias: &AliasMove, notes: &mut Vec<Note>) {
    let (source, name) = (part.source.as_str(), alias.alias.as_str());
    let hint = "choose another cutover.alias";
    if seen.has_index(name) || seen.data_streams.contains(name) {
        let what = format!("the alias {name} would have the name of an index");
        return notes.push(Note::error("SEG-P114", source, what, hint));
    }
    if alias.alias.as_str() == part.target.as_str() {
        let what = format!("{name} would be the alias and the target");
        return notes.push(Note::error("SEG-P114", source, what, hint));
    }
    // Through an alias of one index writes go there; of several they need a write index.
    let others: Vec<_> = seen.aliases.get(&alias.alias).into_iter().flatten().collect();
    if let ([only], false) = (others.as_slice(), alias.on_source)
        && **only != part.target
        && !part.indices().contains(only)
    {
        let flagged = seen
            .index(only)
            .and_then(|index| index.aliases.get(&alias.alias))
            .is_some_and(|props| props.is_write_index == Some(true));
        if !flagged {
            let what = format!(
                "the alias {name} stands for {only} alone; with the target beside it, writes \
                 through it are refused"
            );
            let hint = "make that index its write index first, if anybody writes through it";
            notes.push(Note::warning("SEG-P137", source, what, hint));
        }
    }
}

fn lint_keep(seen: &Observation, part: &PlannedPart, notes: &mut Vec<Note>) {
    for (source, keep) in part.indices().iter().zip(part.keeps()) {
        lint_kept(seen, part, (source.as_str(), keep.as_str()), notes);
    }
}

fn lint_kept(
    seen: &Observation,
    part: &PlannedPart,
    (source, keep): (&str, &str),
    notes: &mut Vec<Note>,
) {
    let ours = seen.journal.get(&part.source).and_then(|state| state.cutover.as_ref());
    if seen.has_index(keep) && ours.is_none_or(|cutover| cutover.keep != part.keep) {
        let what = format!("the name {keep} for the kept copy is taken");
        notes.push(Note::error("SEG-P115", source, what, "rename or remove that index"));
    }
    let broad = |pattern: &String| pattern == "*";
    let matching = seen
        .index_templates
        .iter()
        .find(|template| !template.patterns.iter().any(broad) && template.matches(keep));
    if let Some(template) = matching {
        let what = format!("the index template {} applies to the kept copy {keep}", template.name);
        let hint = "searches by that template's wildcard find the old documents, too";
        notes.push(Note::warning("SEG-P136", source, what, hint));
    }
}
