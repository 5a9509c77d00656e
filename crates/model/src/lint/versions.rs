//! Sources whose application gives documents their versions.

use super::{Note, Severity};
use crate::observe::versions::{Unexplained, unexplained};
use crate::observe::{Observation, SeenIndex};
use crate::recipe::{Recipe, Versions};

/// segue's versions are larger than any that an application is likely to send. After the switch each
/// write with a version of the application's own would be refused.
pub(super) fn lint_versions(
    recipe: &Recipe,
    seen: &Observation,
    index: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    let sample = seen.versions.get(&index.name).map(Vec::as_slice).unwrap_or_default();
    let Some(found) = unexplained(index, sample) else { return };
    let saw = match found {
        Unexplained::One(doc) => format!(
            "version {} on a document that was written by operation {} of its shard",
            doc.version, doc.seq_no
        ),
        Unexplained::Together { documents, versions, operations } => format!(
            "{documents} documents with versions of {versions} in all, where there had been \
             {operations} operations"
        ),
    };
    let what = format!("documents carry versions that no number of updates explains: {saw}");
    let part = index.name.as_str();
    notes.push(match recipe.target.versions {
        None => {
            let hint = "if writers send versions (version_type=external), this source cannot be \
                        migrated: after the switch their next versions would be refused, as those \
                        of segue are higher. If they send none, state target.versions: segue";
            Note::error("SEG-P161", part, what, hint)
        }
        Some(Versions::Segue) => {
            let hint = "the target's documents get segue's versions, as target.versions says; \
                        writers that send their own would be refused after the switch";
            Note::error("SEG-P142", part, what, hint).graded(Severity::Warning)
        }
    });
}
