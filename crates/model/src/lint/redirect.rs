//! Whether writes can be redirected here at all. Whether the target takes them is tried, not read off.

use super::Note;
use crate::observe::Observation;
use crate::plan::{AliasMove, PlannedPart};
use crate::recipe::{CutoverMode, Recipe};

const CODE: &str = "SEG-P128";
const HINT: &str = "use cutover.mode: block";

pub(super) fn lint_redirect(
    recipe: &Recipe,
    seen: &Observation,
    parts: &[PlannedPart],
    notes: &mut Vec<Note>,
) {
    if recipe.cutover.mode != CutoverMode::Redirect {
        return;
    }
    if seen.engine.starts_with("Elasticsearch") {
        let what = "writes can be redirected on OpenSearch only";
        notes.push(Note::whole(CODE, what.to_owned(), HINT));
    }
    if !seen.nodes.is_empty() && !seen.nodes.iter().any(|node| node.ingest) {
        let what = "no node runs ingest pipelines, which a redirect is made of";
        notes.push(Note::whole(CODE, what.to_owned(), HINT));
    }
    for part in parts.iter().filter(|part| !part.is_skipped()) {
        for alias in part.aliases.iter().filter(|alias| adds_routing(alias)) {
            // The engine adds an alias's routing after the pipelines, to writes that still go there.
            let what = format!(
                "the alias {} adds a routing to writes, which redirected ones would lose",
                alias.alias
            );
            notes.push(Note::error(CODE, part.source.as_str(), what, HINT));
        }
    }
}

/// Whether writes through the alias reach the source with a routing that it adds.
fn adds_routing(alias: &AliasMove) -> bool {
    let writes = match alias.props.is_write_index {
        Some(flag) => flag,
        None => !alias.spanning,
    };
    alias.on_source && writes && alias.props.index_routing.is_some()
}
