//! Several sources into one target.

use super::{Note, Severity};
use crate::id::{SeqNo, Shard};
use crate::observe::{Observation, SeenIndex};
use crate::plan::PlannedPart;
use crate::recipe::{CutoverMode, Recipe};
use crate::stamp::Versioning;
use crate::version::Op;

/// How long the names of all sources may be, in bytes: engines take addresses of 4 KiB, in which other things
/// stand as well.
const NAMES_BYTES: usize = 3000;

/// What does not go with merging, whatever is found.
pub(super) fn lint_recipe(recipe: &Recipe, notes: &mut Vec<Note>) {
    let done = recipe.source.indices().is_some_and(|source| !source.done_if_mapped.is_empty());
    if recipe.target.merge && done {
        let what =
            "a source that is taken for done would be left out of what the others are merged into";
        let hint = "leave source.done_if_mapped out, and narrow source.match instead";
        notes.push(Note::whole("SEG-P165", what.to_owned(), hint));
    }
}

/// What of the recipe cannot be done with several sources.
pub(super) fn lint_merging(
    recipe: &Recipe,
    part: &PlannedPart,
    seen: &Observation,
    notes: &mut Vec<Note>,
) {
    if part.also.is_empty() {
        return;
    }
    let name = part.source.as_str();
    let mut refuse = |what: &str, hint: &str| {
        notes.push(Note::error("SEG-P165", name, what.to_owned(), hint));
    };
    if recipe.cutover.mode == CutoverMode::Redirect {
        refuse(
            "writes to several sources cannot be redirected to one target",
            "use cutover.mode: block",
        );
    }
    if recipe.cutover.is_fed_back() {
        let what = "of what is written to the target after the switch nothing says which source it belongs to, \
                    so it cannot be fed back";
        refuse(what, "leave cutover.reverse_for out");
    }
    if recipe.target.versioning() == Versioning::Preserved {
        let what = "versions that are preserved do not say which source a document came from";
        refuse(what, "leave target.versions out");
    }
    if recipe.is_keyed() {
        let what = "ids that the pipeline makes do not say which source a document came from";
        refuse(
            what,
            "leave `explode`, `id` and `routing` out, or migrate each source and merge the targets",
        );
    }
    let names = part.all_sources();
    // A comma takes three bytes in an address.
    if names.as_str().len() + 2 * part.also.len() > NAMES_BYTES {
        let what =
            format!("the names of {} sources do not fit into one address", part.indices().len());
        notes.push(Note::error("SEG-P165", name, what, "merge fewer at once"));
    }
    lint_numbers(part, seen, notes);
    let names: Vec<_> = part.indices().iter().map(ToString::to_string).collect();
    let what = format!(
        "{} become names of {}: readers of each find the documents of all; there is no `segue rollback`, the old \
         indices stay as {}",
        names.join(", "),
        part.target,
        part.keeps().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    );
    let hint = "ids have to differ between the sources: the comparison names those that do not";
    notes.push(Note::warning("SEG-P154", name, what, hint).graded(Severity::Note));
}

/// Whether the shards of all sources can be numbered through.
fn lint_numbers(part: &PlannedPart, seen: &Observation, notes: &mut Vec<Note>) {
    let indices: Vec<&SeenIndex> =
        part.indices().iter().filter_map(|name| seen.index(name)).collect();
    let highest =
        indices.iter().filter_map(|index| index.copies).map(|copies| copies.max_seq_no).max();
    let (Some(highest), Some(last)) = (highest, part.shards.checked_sub(1)) else { return };
    if highest >= 0 && Op::of(SeqNo(highest), Shard(last), part.shards).is_err() {
        let what = format!(
            "operation {highest} on {} shards, those of all its sources, is more than the version layout can number",
            part.shards
        );
        let hint = "merge fewer at once, or rebuild the index with so many operations by the engine's own _reindex";
        notes.push(Note::error("SEG-P117", part.source.as_str(), what, hint));
    }
}
