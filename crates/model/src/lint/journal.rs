//! Where the journal and what was seen or planned do not go together.

use super::Note;
use crate::id::IndexName;
use crate::observe::Observation;
use crate::phase::Phase;
use crate::plan::PlannedPart;
use crate::recipe::Recipe;

pub(super) fn lint_journal(
    recipe: &Recipe,
    seen: &Observation,
    part: &PlannedPart,
    notes: &mut Vec<Note>,
) {
    let Some(state) = seen.journal.get(&part.source) else { return };
    let name = part.source.as_str();
    let index = seen.candidates.iter().find(|index| index.name == part.source);
    if index.is_some() && state.phase.is_switched() {
        let target = state.target.as_ref().map_or("its target", |target| target.as_str());
        let what = format!(
            "the journal says that {name} is {} and an alias of {target}, but it is an index",
            state.phase
        );
        let hint = "find out who made it: documents may have gone to the wrong one of the two";
        notes.push(Note::error("SEG-P125", name, what, hint));
    }
    let begun = state.target.as_ref().filter(|_| !state.phase.is_given_up());
    if let Some(target) = begun.filter(|target| **target != part.target) {
        let what =
            format!("it was begun with the target {target}, now it would be {}", part.target);
        let hint = "set target.index back, or give the recipe another name to begin anew";
        notes.push(Note::error("SEG-P125", name, what, hint));
    }
    let merged = begun.and(state.source.as_ref()).map(|source| &source.also);
    if let Some(was) = merged.filter(|was| !part.is_skipped() && **was != part.also) {
        let list = |also: &[IndexName]| {
            let names = std::iter::once(&part.source).chain(also).map(IndexName::as_str);
            names.collect::<Vec<_>>().join(", ")
        };
        let what = format!("it was begun with {}, now it would be {}", list(was), list(&part.also));
        let hint = "set source.index, source.match and target.merge back, or give the part up with `segue \
                    abandon` and run again";
        notes.push(Note::error("SEG-P125", name, what, hint));
    }
    let (was, now) = (state.versioning, recipe.target.versioning());
    if begun.is_some() && !part.is_skipped() && !state.phase.is_switched() && was != now {
        let what = format!("it was begun with target.versions {was}, now it would be {now}");
        let hint =
            "set target.versions back, or give the part up with `segue abandon` and run again";
        notes.push(Note::error("SEG-P125", name, what, hint));
    }
    match &state.phase {
        Phase::RolledBack | Phase::RollingBack => {
            let what = format!("it is {} and is left as it is", state.phase);
            let hint = "give the recipe another name to begin anew";
            notes.push(Note::warning("SEG-P140", name, what, hint));
        }
        phase if phase.is_given_up() && part.is_skipped() => {
            let what = format!("it is {phase}; there is nothing to begin anew");
            notes.push(Note::warning("SEG-P140", name, what, "`segue abandon` looks for remains"));
        }
        phase if phase.is_given_up() => {
            let what = "it was given up earlier and begins anew".to_owned();
            let hint =
                "leave it out with --only, or narrow source.match, if it is to stay given up";
            notes.push(Note::warning("SEG-P140", name, what, hint));
        }
        // A cutover that was cut short may have replaced the index by an alias.
        Phase::CuttingOver { .. } => {}
        phase if index.is_none() && !phase.is_switched() => {
            let what = format!("it is {phase}, but there is no index of this name any more");
            let hint = "find out who removed it before its target goes, too";
            notes.push(Note::warning("SEG-P138", name, what, hint));
        }
        _ => {}
    }
}
