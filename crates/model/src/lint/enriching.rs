//! What cannot go with enriching in place after the switch.

use super::Note;
use crate::plan::PlannedPart;
use crate::recipe::{OnMissing, Recipe, Step};
use crate::stamp::Versioning;

const CODE: &str = "SEG-P163";

/// Refuses a recipe, or a part of it, whose documents cannot be enriched in place for good.
pub(super) fn lint_enriching(recipe: &Recipe, parts: &[PlannedPart], notes: &mut Vec<Note>) {
    if !recipe.cutover.keeps_enriching() || recipe.pipeline.is_empty() {
        return;
    }
    let mut refuse = |what: &str, hint| notes.push(Note::whole(CODE, what.to_owned(), hint));
    if recipe.cutover.enriched_for().is_zero() {
        refuse(
            "documents are to be enriched after the switch, and nothing says for how long",
            "state cutover.enrich_for, such as 7d: by then writers have to send the target's shape",
        );
    }
    if recipe.target.versioning() == Versioning::Preserved {
        refuse(
            "documents are to be enriched after the switch, and versions preserved: what is enriched \
             has the next version, which the application's own next one could not pass",
            "use another cutover.after_switch, or leave target.versions out if writers send none",
        );
    }
    if leaves_out(recipe) {
        refuse(
            "documents are to be enriched after the switch, and the pipeline leaves some out: what an \
             application has written to the target is never deleted there",
            "take the filter out, let lookups keep what they have no row for, or use another \
             cutover.after_switch",
        );
    }
    for part in parts.iter().filter(|part| !part.is_skipped()) {
        let last = part.target_body.settings.get("index.final_pipeline");
        let last = last.and_then(|name| name.as_str()).filter(|name| *name != "_none");
        if let Some(last) = last {
            let what = format!(
                "the target's final pipeline {last} runs on what segue enriches, too: it would change \
                 it again each time"
            );
            let hint = "let the target have a default pipeline instead, or use another \
                        cutover.after_switch";
            notes.push(Note::error(CODE, part.source.as_str(), what, hint));
        }
    }
}

fn leaves_out(recipe: &Recipe) -> bool {
    recipe.pipeline.iter().any(|step| match step {
        Step::Filter(_) => true,
        Step::Lookup(lookup) => lookup.on_missing == OnMissing::Filter,
        _ => false,
    })
}
