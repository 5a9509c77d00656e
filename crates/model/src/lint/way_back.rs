//! What cannot go back once the names have moved.

use super::{Note, Severity};
use crate::observe::SeenIndex;
use crate::observe::mapping::is_mapped;
use crate::plan::PlannedPart;
use crate::recipe::Recipe;
use crate::reverse::Reverse;

/// Names what the reverse feed of a part loses.
pub(super) fn lint_way_back(
    recipe: &Recipe,
    part: &PlannedPart,
    source: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    if !recipe.cutover.is_fed_back() {
        return;
    }
    let known = |field: &str| is_mapped(&source.mappings, field);
    let lost = Reverse::of(&recipe.pipeline, &known).lost;
    if lost.is_empty() {
        return;
    }
    let listed: Vec<_> = lost.iter().map(ToString::to_string).collect();
    let what = format!("cannot go back: {}", listed.join("; "));
    let hint = "a rollback leaves these as they are said to be here; everything else goes back";
    let note = Note::warning("SEG-P152", part.source.as_str(), what, hint);
    notes.push(note.graded(Severity::Note));
}
