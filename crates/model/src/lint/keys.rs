//! What cannot go with keys that the pipeline makes.

use super::Note;
use crate::recipe::{AfterSwitch, CutoverMode, Recipe};
use crate::stamp::Versioning;

const CODE: &str = "SEG-P164";

/// Refuses what takes the id of a document of the target for that of the source.
pub(super) fn lint_keys(recipe: &Recipe, notes: &mut Vec<Note>) {
    if !recipe.is_keyed() {
        return;
    }
    let mut refuse = |what: &str, hint| notes.push(Note::whole(CODE, what.to_owned(), hint));
    if recipe.source.files().is_some() {
        refuse(
            "the pipeline makes keys, and the source is files, whose records have the ids that \
             source.files.id gives them",
            "make ids by source.files.id; load an index first where one record is to become several \
             documents",
        );
        return;
    }
    if recipe.cutover.mode == CutoverMode::Redirect {
        refuse(
            "the pipeline makes keys, and writes are to be redirected: what is written to the old \
             index meanwhile would stand in the target under its old id, beside what was copied",
            "use cutover.mode: block",
        );
    }
    if recipe.cutover.is_fed_back() {
        refuse(
            "the pipeline makes keys, and what is written after the switch is to be fed back: nothing \
             says which document of the old index it belongs to",
            "set cutover.reverse_for: 0s; a rollback then says how many writes it would lose",
        );
    }
    if recipe.cutover.after_switch == Some(AfterSwitch::TargetAcceptsBoth) {
        refuse(
            "the pipeline makes keys, and writers may go on as before: under an old id they would write \
             beside what was made of it",
            "use cutover.after_switch: writers_send_new_shape",
        );
    }
    if recipe.cutover.keeps_enriching() {
        refuse(
            "the pipeline makes keys, and documents are to be enriched after the switch, where they \
             stand: under the ids that writers gave them",
            "use cutover.after_switch: writers_send_new_shape",
        );
    }
    if recipe.target.versioning() == Versioning::Preserved {
        refuse(
            "the pipeline makes keys, and versions are to be preserved: they order the writes of one \
             document of the source, not those of what is made of several",
            "leave target.versions out if writers send no versions; else let ids be as they are",
        );
    }
}
