//! Merging the parts of several sources that go into one target, where the recipe wants it.
//!
//! What comes of it is one part, named by the first of them: one journal, one lease, one cutover. Its shards are
//! those of all sources, numbered through, so that the number in a version says which shard of which source
//! an operation is of.

use std::collections::{BTreeMap, BTreeSet};

use super::{AliasMove, PlannedPart, TargetBody};
use crate::id::{IndexName, IndexUuid};
use crate::lint::Note;
use crate::observe::Observation;
use crate::part::PartState;
use crate::phase::Phase;
use crate::recipe::Recipe;

/// The parts, with those of one target made one.
pub(super) fn merged(
    recipe: &Recipe,
    seen: &Observation,
    parts: Vec<PlannedPart>,
    notes: &mut Vec<Note>,
) -> Vec<PlannedPart> {
    if !recipe.target.merge {
        return parts;
    }
    let (skipped, left): (Vec<_>, Vec<_>) = parts.into_iter().partition(PlannedPart::is_skipped);
    let mut targets: BTreeMap<IndexName, Vec<PlannedPart>> = BTreeMap::new();
    for part in left {
        targets.entry(part.target.clone()).or_default().push(part);
    }
    let mut all = skipped;
    for (_, mut of_target) in targets {
        of_target.sort_by(|one, other| one.source.cmp(&other.source));
        // Who has begun goes on under its name, also where a source has come before it since.
        let begun = of_target.iter().position(|part| begun(seen, &part.source).is_some());
        // Also who was given up: what comes late of that is told by its epochs and its incarnation.
        let known = || of_target.iter().position(|part| seen.journal.contains_key(&part.source));
        let first = begun.or_else(known).unwrap_or(0);
        let mut first = of_target.remove(first);
        for other in of_target {
            join(seen, &mut first, other, notes);
        }
        all.push(first);
    }
    all
}

/// What the journal says of a part that has begun and was not given up.
fn begun<'a>(seen: &'a Observation, part: &IndexName) -> Option<&'a PartState> {
    let state = seen.journal.get(part)?;
    (state.source.is_some() && !state.phase.is_given_up()).then_some(state)
}

fn join(seen: &Observation, first: &mut PlannedPart, other: PlannedPart, notes: &mut Vec<Note>) {
    let mut error = |what: String, hint: &str| {
        notes.push(Note::error("SEG-P165", other.source.as_str(), what, hint));
    };
    let known = seen.journal.get(&other.source).filter(|state| state.source.is_some());
    if known.is_some_and(|state| state.phase != Phase::Abandoned) {
        let what = format!(
            "it was begun as a part of its own, and now it would be merged with {}",
            first.source
        );
        error(what, "end it as it was begun, or give it up with `segue abandon`");
    }
    // Once the target is there it is not made any more, and the sources' mappings grow by themselves.
    let is_made = begun(seen, &first.source).is_some_and(|state| state.target_uuid.is_some());
    if let Some(how) = differing(&first.target_body, &other.target_body).filter(|_| !is_made) {
        let what =
            format!("the target would be made otherwise for it than for {}: {how}", first.source);
        error(what, "state them: target.template, target.settings");
    }
    for alias in other.aliases {
        match first.aliases.iter_mut().find(|known| known.alias == alias.alias) {
            Some(known) => {
                if known.props != alias.props {
                    let name = &alias.alias;
                    let what = format!(
                        "the alias {name} adds something else to it than to {}",
                        first.source
                    );
                    error(
                        what,
                        "an alias has one filter, routing and write flag on the target: make them alike",
                    );
                }
                known.spanning |= alias.spanning;
                if alias.on_source {
                    known.also_on.push(other.source.clone());
                }
            }
            None => {
                let also_on = if alias.on_source { vec![other.source.clone()] } else { Vec::new() };
                first.aliases.push(AliasMove { on_source: false, also_on, ..alias });
            }
        }
    }
    first.captures.retain(|name, value| other.captures.get(name) == Some(value));
    first.source_uuid = IndexUuid::new(format!("{},{}", first.source_uuid, other.source_uuid));
    first.docs += other.docs;
    first.bytes += other.bytes;
    first.shards += other.shards;
    first.also.push(other.source);
}

/// What is not the same, in words.
fn differing(one: &TargetBody, other: &TargetBody) -> Option<String> {
    if one.mappings != other.mappings {
        return Some("the mappings".to_owned());
    }
    let (one, other) = (&one.settings, &other.settings);
    let names = one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name));
    let names: BTreeSet<_> = names.map(String::as_str).collect();
    let names: Vec<_> = names.into_iter().collect();
    (!names.is_empty()).then(|| names.join(", "))
}
