//! Parts whose source is no index any more: the journal knows them, the wildcard does not.

use serde_json::Value;

use super::names::keep_name;
use super::target::{copied_settings, stated_settings, template};
use super::{Action, AliasMove, PlannedPart, TargetBody};
use crate::id::{IndexName, IndexUuid};
use crate::observe::Observation;
use crate::part::PartState;
use crate::phase::Phase;
use crate::recipe::Recipe;

/// Every such part. One that has not switched, and whose source is gone all the same, is left to fail
/// by itself; a note says so before.
pub(super) fn switched_parts(recipe: &Recipe, seen: &Observation) -> Vec<PlannedPart> {
    seen.journal
        .iter()
        .filter(|(source, _)| seen.candidates.iter().all(|index| index.name != **source))
        .map(|(source, state)| switched_part(recipe, seen, source, state))
        .collect()
}

fn switched_part(
    recipe: &Recipe,
    seen: &Observation,
    source: &IndexName,
    state: &PartState,
) -> PlannedPart {
    let captures = recipe.source.matches(source.as_str()).unwrap_or_default();
    let target = state.target.clone().unwrap_or_else(|| source.clone());
    let there = seen.index(&target);
    let cutover = state.cutover.as_ref();
    let names = cutover.map(|cutover| cutover.aliases.clone()).unwrap_or_default();
    let aliases = names.into_iter().map(|alias| AliasMove {
        props: there.and_then(|index| index.aliases.get(&alias)).cloned().unwrap_or_default(),
        spanning: false,
        on_source: false,
        also_on: Vec::new(),
        alias,
    });
    let template = template(recipe, seen, &captures, source.as_str()).ok().flatten();
    // The kept copy is the source as it was, less the pipelines; the target is relaxed by now.
    let keep = cutover.map_or_else(|| keep_name(source), |cutover| cutover.keep.clone());
    let kept = seen.index(&keep).filter(|_| template.is_none());
    let mut settings = kept.map(copied_settings).unwrap_or_default();
    settings.retain(|name, value| !(name.ends_with("_pipeline") && *value == "_none"));
    settings.remove("index.hidden");
    settings.extend(stated_settings(recipe, template));
    let uuid = state.source.as_ref().map(|source| source.uuid.clone());
    let shards = state.source.as_ref().map_or(0, |source| source.histories.len());
    PlannedPart {
        source: source.clone(),
        source_uuid: uuid.unwrap_or_else(|| IndexUuid::new("")),
        also: state.source.as_ref().map(|source| source.also.clone()).unwrap_or_default(),
        captures,
        action: action(source, &target, state),
        docs: there.map_or(0, |index| index.docs),
        bytes: there.map_or(0, |index| index.bytes),
        shards: u32::try_from(shards).unwrap_or(u32::MAX),
        target_body: TargetBody { settings, mappings: Value::Null },
        aliases: aliases.collect(),
        keep,
        target,
        files: None,
        reasons: Vec::new(),
        pause: None,
        estimate: None,
        difference: Box::default(),
    }
}

fn action(source: &IndexName, target: &IndexName, state: &PartState) -> Action {
    match &state.phase {
        phase if phase.is_switched() => {
            Action::Skip { reason: format!("{phase}: {source} is served by {target}") }
        }
        phase @ (Phase::Abandoning | Phase::Abandoned | Phase::RolledBack | Phase::RollingBack) => {
            Action::Skip { reason: format!("it is {phase}") }
        }
        // The switch may have happened without being journalled.
        phase => Action::Resume { phase: phase.to_string() },
    }
}
