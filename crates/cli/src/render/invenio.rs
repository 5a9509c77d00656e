//! The report of a run in the shape that operators of an InvenioRDM repository know from the migration of
//! usage events which the statistics extension brings along.
//!
//! Every figure is taken from segue's own report. Where that shape has no word for something, nothing is
//! made up: a month that only waits for its switch is neither completed nor wrong.

use std::collections::BTreeMap;

use segue_engine::error::LEASED;
use segue_engine::report::{PartReport, Report};
use segue_model::lint::Note;
use segue_model::phase::Phase;
use segue_model::recipe::Recipe;
use serde::Serialize;

/// The captures that a recipe must have, and no other.
const CAPTURES: [&str; 2] = ["event", "month"];
/// What the original calls the kinds of events.
const KINDS: [(&str, &str); 2] = [("record-view", "view"), ("file-download", "download")];
/// The code of a run that stopped and can simply go on.
const STOPPED: &str = "SEG-E101";
/// The code of a lookup's index that does not exist.
const NO_LOOKUP: &str = "SEG-P122";
/// The index of community events, whatever its prefix.
const COMMUNITY_EVENTS: &str = "stats-community-events";
/// What the original says when that index is missing; scripts look for it.
const NO_COMMUNITY_EVENTS: &str =
    "Community events index does not exist - cannot proceed with reindexing";

/// The whole report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Whole {
    total_processed: u64,
    total_errors: u64,
    completed: bool,
    health_issues: Vec<String>,
    error: Option<String>,
    event_types: BTreeMap<String, Events>,
}

/// All months of one kind of event.
#[derive(Clone, Debug, Default, Serialize)]
struct Events {
    processed: u64,
    errors: u64,
    months: BTreeMap<String, Month>,
}

/// One month of one kind of event.
#[derive(Clone, Debug, Serialize)]
struct Month {
    month: String,
    event_type: String,
    source_index: String,
    target_index: String,
    processed: u64,
    errors: u64,
    batches: u64,
    completed: bool,
    interrupted: bool,
    operational_errors: Vec<OperationalError>,
}

/// Why a month stopped.
#[derive(Clone, Debug, Serialize)]
struct OperationalError {
    #[serde(rename = "type")]
    code: &'static str,
    message: String,
}

/// Whether the recipe's parts have a place in this shape; else why not.
pub fn check(recipe: &Recipe) -> Result<(), String> {
    let mut captures: Vec<_> = recipe.source.captures().iter().map(String::as_str).collect();
    captures.sort_unstable();
    if captures != CAPTURES {
        let has = if captures.is_empty() { "none".to_owned() } else { captures.join(", ") };
        return Err(format!(
            "--report-shape invenio: source.index must capture {{event}} and {{month}}, and nothing \
             else; the recipe's captures: {has}"
        ));
    }
    if recipe.target.merge {
        return Err("--report-shape invenio: with target.merge a part is no month".to_owned());
    }
    Ok(())
}

/// The report of a run that came to its end, however that was.
pub fn shaped(report: &Report) -> Whole {
    let mut whole = Whole { completed: true, ..Whole::default() };
    let mut failed = Vec::new();
    for part in &report.parts {
        let month = month(part);
        whole.total_processed += month.processed;
        whole.total_errors += month.errors;
        whole.completed &= month.completed;
        if !month.completed && !month.interrupted && part.error.is_some() {
            failed.push(format!("{}-{}", month.event_type, month.month));
        }
        let stopped = part.error.as_ref().filter(|error| error.code == STOPPED);
        // One cause stops every month that is under way.
        if let Some(why) = stopped.filter(|why| !whole.health_issues.contains(&why.message)) {
            whole.health_issues.push(why.message.clone());
        }
        let events = whole.event_types.entry(month.event_type.clone()).or_default();
        events.processed += month.processed;
        events.errors += month.errors;
        events.months.insert(month.month.clone(), month);
    }
    if !failed.is_empty() {
        whole.error = Some(format!("Migration failed for months: {}", failed.join(", ")));
    }
    with_both_kinds(whole)
}

/// The report of a run that the plan refused.
pub fn refused<'a>(errors: impl Iterator<Item = &'a Note>) -> Whole {
    let issues: Vec<_> = errors
        .map(|note| match note.code {
            NO_LOOKUP if note.what.contains(COMMUNITY_EVENTS) => NO_COMMUNITY_EVENTS.to_owned(),
            code => {
                let part = note.part.as_ref().map_or_else(String::new, |part| format!("{part}: "));
                format!("{code}: {part}{}", note.what)
            }
        })
        .collect();
    with_both_kinds(Whole {
        total_errors: issues.len() as u64,
        error: Some(issues.join("; ")),
        health_issues: issues,
        ..Whole::default()
    })
}

/// The report of a run that ended before any part could be worked on.
pub fn failed(code: Option<&str>, message: String) -> Whole {
    let healthy = code != Some(STOPPED);
    with_both_kinds(Whole {
        total_errors: u64::from(healthy),
        health_issues: if healthy { Vec::new() } else { vec![message.clone()] },
        error: Some(message),
        ..Whole::default()
    })
}

/// Both kinds are always there, also without a month.
fn with_both_kinds(mut whole: Whole) -> Whole {
    for (_, name) in KINDS {
        whole.event_types.entry(name.to_owned()).or_default();
    }
    whole
}

fn month(part: &PartReport) -> Month {
    let capture = |name: &str| part.captures.get(name).cloned().unwrap_or_default();
    let event = capture("event");
    let kind = KINDS.iter().find(|(ours, _)| *ours == event).map(|(_, theirs)| *theirs);
    let stopped = part.error.as_ref().filter(|error| [STOPPED, LEASED].contains(&error.code));
    let failed = part.error.is_some() && stopped.is_none();
    // Planned, and nothing wrong: it has the new shape already, and stays under its own name.
    let as_it_is = part.phase == Phase::Planned && part.error.is_none();
    let target = if as_it_is { &part.source } else { &part.target };
    Month {
        month: capture("month"),
        event_type: kind.map_or(event, str::to_owned),
        source_index: part.source.to_string(),
        target_index: target.to_string(),
        processed: part.balance.written + part.balance.already_there,
        errors: part.balance.dead_lettered() + u64::from(failed),
        batches: part.batches,
        completed: part.error.is_none() && (as_it_is || part.phase.is_switched()),
        interrupted: stopped.is_some(),
        operational_errors: part
            .error
            .iter()
            .map(|error| OperationalError { code: error.code, message: error.message.clone() })
            .collect(),
    }
}

#[cfg(test)]
#[path = "invenio_tests.rs"]
mod tests;
