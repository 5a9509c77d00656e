//! Whose versions a target's documents carry, and what the writers of its source send.

use super::{Note, Severity};
use crate::observe::versions::{Unexplained, unexplained};
use crate::observe::{Observation, SeenIndex};
use crate::recipe::{CutoverMode, Recipe, Versions};
use crate::stamp::Versioning;

/// What the recipe asks for that cannot go with versions of the source.
pub(super) fn lint_preserving(recipe: &Recipe, notes: &mut Vec<Note>) {
    if recipe.target.versioning() != Versioning::Preserved {
        return;
    }
    let mut refuse = |what: &str, hint| notes.push(Note::whole("SEG-P162", what.to_owned(), hint));
    if recipe.cutover.mode == CutoverMode::Redirect {
        let what = "versions are to be preserved, and writes redirected: a redirect takes no writes \
                    that send versions";
        refuse(what, "use cutover.mode: block");
    }
    if recipe.cutover.is_fed_back() {
        let what = "versions are to be preserved, and what is written after the switch fed back: \
                    that is written with versions of segue's";
        refuse(
            what,
            "take cutover.reverse_for out: a rollback then says what it would lose; where parts are \
             watched that were switched with versions of segue's, use a recipe of another name instead",
        );
    }
}

/// segue's versions are larger than any that an application is likely to send. After the switch each
/// write with a version of the application's own would be refused.
pub(super) fn lint_versions(
    recipe: &Recipe,
    seen: &Observation,
    index: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    let sample = seen.versions.get(&index.name).map(Vec::as_slice).unwrap_or_default();
    let found = unexplained(index, sample).map(told);
    let part = index.name.as_str();
    let given = "documents carry versions that no number of updates explains";
    let note = match (recipe.target.versions, found) {
        (None | Some(Versions::Segue), None) => return,
        (None, Some(saw)) => {
            let hint = "if writers send versions (version_type=external), state target.versions: \
                        preserve, and the target's documents keep theirs; else their next versions \
                        would be refused after the switch, as those of segue are higher. If writers \
                        send none, state target.versions: segue";
            Note::error("SEG-P161", part, format!("{given}: {saw}"), hint)
        }
        (Some(Versions::Segue), Some(saw)) => {
            let hint = "the target's documents get segue's versions, as target.versions says; \
                        writers that send their own would be refused after the switch";
            let what = format!("{given}: {saw}");
            Note::error("SEG-P142", part, what, hint).graded(Severity::Warning)
        }
        (Some(Versions::Preserve), Some(saw)) => {
            let what = format!("the target's documents get the versions of their source's: {saw}");
            let hint = "writers go on with versions of their own after the switch";
            Note::error("SEG-P153", part, what, hint).graded(Severity::Note)
        }
        (Some(Versions::Preserve), None) => {
            let what = "the target's documents get the versions of their source's, none of which \
                        shows that the application gave it";
            let hint = "a document that is deleted and created again without a version may begin at \
                        1 again, which the target refuses: leave target.versions out unless writers \
                        send versions";
            Note::error("SEG-P153", part, what.to_owned(), hint).graded(Severity::Note)
        }
    };
    notes.push(note);
}

fn told(found: Unexplained) -> String {
    match found {
        Unexplained::One(doc) => format!(
            "version {} on a document that was written by operation {} of its shard",
            doc.version, doc.seq_no
        ),
        Unexplained::Together { documents, versions, operations } => format!(
            "{documents} documents with versions of {versions} in all, where there had been \
             {operations} operations"
        ),
    }
}
