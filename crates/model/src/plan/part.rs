//! Planning one part whose source is there.

use super::difference::difference;
use super::names::{alias_moves, keep_name};
use super::shape::Shape;
use super::target::{target_body, template};
use super::{Action, Difference, PlannedPart, TargetBody};
use crate::id::IndexName;
use crate::lint::Note;
use crate::observe::mapping::is_mapped;
use crate::observe::{Observation, SeenIndex};
use crate::phase::Phase;
use crate::recipe::{Captures, Recipe};

/// Plans one source; none, and a note, where its target can't even be described.
pub(super) fn plan_part(
    recipe: &Recipe,
    seen: &Observation,
    index: &SeenIndex,
    captures: Captures,
    notes: &mut Vec<Note>,
) -> Option<PlannedPart> {
    let source = index.name.as_str();
    let mut note =
        |code, what: String| notes.push(Note::error(code, source, what, "correct the recipe"));
    let target = match recipe.target.index.render(&captures, source) {
        Ok(target) => IndexName::new(target),
        Err(error) => {
            note("SEG-P116", format!("the target has no usable name: {error}"));
            return None;
        }
    };
    let template = match template(recipe, seen, &captures, source) {
        Ok(template) => template,
        Err(why) => {
            note("SEG-P102", format!("the target's template cannot be used: {why}"));
            return None;
        }
    };
    let cutover = seen.journal.get(&index.name).and_then(|state| state.cutover.as_ref());
    let (target_body, mut reasons) = target_body(recipe, index, template);
    if seen.journal.get(&index.name).is_some_and(|state| state.phase.is_given_up()) {
        reasons.push("it was given up earlier and begins anew".to_owned());
    }
    let action = action(recipe, seen, index);
    let difference = match action {
        Action::Skip { .. } => Difference::default(),
        _ => differing(recipe, seen, index, (&target, &target_body)),
    };
    Some(PlannedPart {
        source: index.name.clone(),
        source_uuid: index.uuid.clone(),
        also: Vec::new(),
        target_body,
        aliases: alias_moves(recipe, seen, index, &captures, &target),
        keep: cutover.map_or_else(|| keep_name(&index.name), |cutover| cutover.keep.clone()),
        docs: index.docs,
        bytes: index.bytes,
        shards: index.shards,
        action,
        captures,
        target,
        files: None,
        reasons,
        pause: None,
        estimate: None,
        difference: Box::new(difference),
    })
}

/// How the target differs from the source: as it is planned, or as it stands where it was made already.
fn differing(
    recipe: &Recipe,
    seen: &Observation,
    index: &SeenIndex,
    (target, body): (&IndexName, &TargetBody),
) -> Difference {
    let ours = (recipe.name.as_str(), index.name.as_str());
    let there = seen.index(target).filter(|there| there.made_by() == Some(ours));
    let templates = seen.index_templates.iter().filter(|t| t.matches(target.as_str()));
    let templates = templates.map(|template| template.name.clone()).collect();
    difference(&Shape::of(recipe), index, body, there, templates)
}

fn action(recipe: &Recipe, seen: &Observation, index: &SeenIndex) -> Action {
    let begun = seen.journal.get(&index.name).filter(|state| !state.phase.is_given_up());
    if let Some(state) = begun {
        return match &state.phase {
            Phase::RolledBack | Phase::RollingBack => {
                Action::Skip { reason: format!("it is {}", state.phase) }
            }
            phase => Action::Resume { phase: phase.to_string() },
        };
    }
    let wanted = recipe.source.indices().map_or(&[][..], |source| &source.done_if_mapped);
    if !wanted.is_empty() && wanted.iter().all(|path| is_mapped(&index.mappings, &path.dotted())) {
        let fields: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        let reason = format!("already in the new shape: {} mapped", fields.join(", "));
        return Action::Skip { reason };
    }
    Action::Migrate
}
