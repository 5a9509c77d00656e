//! Lint: what is wrong or risky with a plan. An error refuses to run.
//!
//! Codes stay: `SEG-P101` to `P129` and from `P160` on are errors, `P130` to `P149` warnings, `P150`
//! to `P159` notes.

mod cluster;
mod enriching;
mod files;
mod journal;
mod keys;
mod merging;
mod names;
mod near;
mod pipeline;
mod redirect;
mod source;
mod target;
mod versions;
mod way_back;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

pub(crate) use pipeline::lookup_indices;

use crate::id::IndexName;
use crate::observe::Observation;
use crate::plan::PlannedPart;
use crate::recipe::{Recipe, Source};

/// How bad a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Refuses to run.
    Error,
    /// Runs, but somebody should look.
    Warning,
    /// Good to know.
    Note,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable code.
    pub code: &'static str,
    /// The part it is about, by its source; none = the whole plan.
    pub part: Option<String>,
    /// What was found.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Note {
    /// A finding about a part that refuses to run.
    pub fn error(code: &'static str, part: &str, what: String, hint: &str) -> Note {
        let part = Some(part.to_owned());
        Note { severity: Severity::Error, code, part, what, hint: hint.to_owned() }
    }

    /// A finding about the whole plan that refuses to run.
    pub fn whole(code: &'static str, what: String, hint: &str) -> Note {
        Note { severity: Severity::Error, code, part: None, what, hint: hint.to_owned() }
    }

    /// A finding about a part that somebody should look at.
    fn warning(code: &'static str, part: &str, what: String, hint: &str) -> Note {
        Note { severity: Severity::Warning, ..Note::error(code, part, what, hint) }
    }

    /// The same finding, of another severity.
    fn graded(self, severity: Severity) -> Note {
        Note { severity, ..self }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let part = self.part.as_ref().map_or_else(String::new, |part| format!(" {part}:"));
        write!(f, "{word}[{}]{part} {}\n    hint: {}", self.code, self.what, self.hint)
    }
}

/// Adds every finding about `parts` to `notes`.
pub(crate) fn lint(
    recipe: &Recipe,
    seen: &Observation,
    parts: &[PlannedPart],
    notes: &mut Vec<Note>,
) {
    cluster::lint_sight(seen, notes);
    keys::lint_keys(recipe, notes);
    if let Source::Files(files) = &recipe.source {
        files::lint_files(recipe, files, seen, parts, notes);
        cluster::lint_room(seen, parts, notes);
        pipeline::lint_lookups(recipe, seen, notes);
        return;
    }
    if parts.is_empty() && notes.iter().all(|note| note.severity != Severity::Error) {
        notes.push(near::nothing_matches(recipe, seen));
    }
    redirect::lint_redirect(recipe, seen, parts, notes);
    versions::lint_preserving(recipe, notes);
    merging::lint_recipe(recipe, notes);
    cluster::lint_room(seen, parts, notes);
    let nothing_is_wrong = parts.is_empty() && near::may_be_empty(recipe);
    let is_active = parts.is_empty() || parts.iter().any(|part| !part.is_skipped());
    if is_active && !nothing_is_wrong {
        pipeline::lint_lookups(recipe, seen, notes);
    }
    if parts.iter().any(|part| !part.is_skipped()) {
        pipeline::lint_after_switch(recipe, notes);
        enriching::lint_enriching(recipe, parts, notes);
    }
    let mut sharing: BTreeMap<&IndexName, usize> = BTreeMap::new();
    for part in parts.iter().filter(|part| !part.is_skipped()) {
        *sharing.entry(&part.target).or_default() += 1;
    }
    for part in parts {
        journal::lint_journal(recipe, seen, part, notes);
        if part.is_skipped() {
            continue;
        }
        target::lint_sharing(part, sharing.get(&part.target).copied().unwrap_or(0), notes);
        merging::lint_merging(recipe, part, seen, notes);
        for index in part.also.iter().filter_map(|name| seen.index(name)) {
            source::lint_source(seen, part, index, notes);
            versions::lint_versions(recipe, seen, index, notes);
            target::lint_replicas(part, index, notes);
            target::lint_pipelines(part, index, notes);
            pipeline::lint_keys(recipe, index, notes);
        }
        if let Some(index) = seen.candidates.iter().find(|index| index.name == part.source) {
            source::lint_source(seen, part, index, notes);
            versions::lint_versions(recipe, seen, index, notes);
            target::lint_target(recipe, seen, part, index, notes);
            pipeline::lint_fields(recipe, part, index, notes);
            names::lint_names(recipe, seen, part, notes);
            way_back::lint_way_back(recipe, part, index, notes);
        }
    }
}
