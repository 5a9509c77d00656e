//! Lint: what is wrong or risky with a plan. An error refuses to run.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::id::{AliasName, IndexName};
use crate::observe::{Gap, Observation, SeenIndex};
use crate::plan::{Action, PlannedPart, is_mapped};
use crate::recipe::{Recipe, Step};

/// How bad a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Refuses to run.
    Error,
    /// Runs, but somebody should look.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable code.
    pub code: &'static str,
    /// The part it is about; none = the whole plan.
    pub part: Option<String>,
    /// What was found.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Note {
    pub(crate) fn error(code: &'static str, part: &str, what: String, hint: &str) -> Note {
        let part = Some(part.to_owned());
        Note { severity: Severity::Error, code, part, what, hint: hint.to_owned() }
    }

    fn whole(code: &'static str, what: String, hint: &str) -> Note {
        Note { severity: Severity::Error, code, part: None, what, hint: hint.to_owned() }
    }

    fn warning(code: &'static str, part: &str, what: String, hint: &str) -> Note {
        Note { severity: Severity::Warning, ..Note::error(code, part, what, hint) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let part = self.part.as_ref().map_or_else(String::new, |part| format!(" {part}:"));
        write!(f, "{word}[{}]{part} {}\n    hint: {}", self.code, self.what, self.hint)
    }
}

/// Adds every finding about `parts` to `notes`.
pub fn lint(recipe: &Recipe, seen: &Observation, parts: &[PlannedPart], notes: &mut Vec<Note>) {
    for gap in &seen.gaps {
        let Gap::Forbidden { what, why } = gap;
        let what = format!("no permission to see {what}: {why}");
        notes.push(Note::whole(
            "SEG-P120",
            what,
            "give the user the privileges of docs/reference/privileges.md",
        ));
    }
    if parts.is_empty() && notes.is_empty() {
        let what = format!(
            "no index matches {} (looked for {})",
            recipe.source.index,
            recipe.source.index.wildcard()
        );
        notes.push(Note::whole(
            "SEG-P121",
            what,
            "check source.index, source.match and the prefix",
        ));
    }
    lint_lookups(recipe, seen, notes);
    let sources: BTreeMap<_, _> =
        seen.candidates.iter().map(|index| (&index.name, index)).collect();
    let mut targets: BTreeMap<&IndexName, &IndexName> = BTreeMap::new();
    for part in parts {
        if matches!(part.action, Action::Skip { .. }) {
            continue;
        }
        if let Some(other) = targets.insert(&part.target, &part.source) {
            let what = format!("{other} has the same target {}", part.target);
            notes.push(Note::error(
                "SEG-P112",
                part.source.as_str(),
                what,
                "use a capture in target.index",
            ));
        }
        if let Some(index) = sources.get(&part.source) {
            lint_source(index, notes);
            lint_block(seen, index, notes);
            lint_target(recipe, seen, part, index, notes);
            lint_names(seen, part, notes);
        }
    }
}

fn lint_lookups(recipe: &Recipe, seen: &Observation, notes: &mut Vec<Note>) {
    for step in &recipe.pipeline {
        let Step::Lookup(lookup) = step else { continue };
        let Some(name) = lookup.index.literal() else { continue };
        let behind = seen.aliases.get(&AliasName::new(name)).and_then(|on| on.first());
        let index = seen.others.get(behind.unwrap_or(&IndexName::new(name)));
        match index {
            None => {
                let what = format!("the index {name} of lookup {} does not exist", lookup.name);
                notes.push(Note::whole("SEG-P122", what, "check lookup.index and the prefix"));
            }
            Some(index) if !is_mapped(&index.mappings, &lookup.matching.dotted()) => {
                let what = format!("{name} has no field {} to match by", lookup.matching);
                notes.push(Note::whole("SEG-P123", what, "check lookup.match"));
            }
            Some(_) => {}
        }
    }
}

fn lint_source(index: &SeenIndex, notes: &mut Vec<Note>) {
    let part = index.name.as_str();
    let mut error = |code, what: String, hint| notes.push(Note::error(code, part, what, hint));
    if let Some(stream) = &index.data_stream {
        error(
            "SEG-P101",
            format!("it backs the data stream {stream}"),
            "data streams cannot be migrated by alias",
        );
    }
    let policies = [
        "index.plugins.index_state_management.policy_id",
        "index.opendistro.index_state_management.policy_id",
        "index.lifecycle.name",
    ];
    if let Some(policy) = policies.iter().find_map(|name| index.setting(name)) {
        error(
            "SEG-P103",
            format!("the lifecycle policy {policy} is attached"),
            "detach it first: it could delete or change the index meanwhile",
        );
    }
    if !index.open {
        error("SEG-P104", "it is closed".to_owned(), "open it, or leave it out by source.match");
    }
    if index.system {
        error("SEG-P105", "it is a system index".to_owned(), "leave it out by source.match");
    }
    if let Some(what) = source_problem(index) {
        error("SEG-P106", what, "documents can only be carried where _source holds all of them");
    }
    if index.setting("index.disable_sequence_numbers") == Some("true") {
        error(
            "SEG-P107",
            "it has no sequence numbers".to_owned(),
            "rebuild it from its original sources",
        );
    }
    if index.settings.keys().any(|name| name.starts_with("index.ingestion_source.")) {
        error(
            "SEG-P108",
            "it is filled by pull-based ingestion".to_owned(),
            "such documents have no sequence numbers",
        );
    }
}

/// A block that is not ours: a back-out would lift it, and writers rely on it.
fn lint_block(seen: &Observation, index: &SeenIndex, notes: &mut Vec<Note>) {
    let cutting = seen.journal.get(&index.name).is_some_and(|state| state.cutover.is_some());
    let blocks =
        ["index.blocks.write", "index.blocks.read_only", "index.blocks.read_only_allow_delete"];
    if let Some(block) =
        blocks.iter().find(|block| index.setting(block) == Some("true")).filter(|_| !cutting)
    {
        let what = format!("it has the block {block}, which segue did not set");
        let hint = "lift it, or leave the index out by source.match";
        notes.push(Note::error("SEG-P109", index.name.as_str(), what, hint));
    }
}

fn source_problem(index: &SeenIndex) -> Option<String> {
    let source = &index.mappings["_source"];
    if source["enabled"] == false {
        return Some("_source is disabled".to_owned());
    }
    for key in ["includes", "excludes"] {
        if source[key].as_array().is_some_and(|fields| !fields.is_empty()) {
            return Some(format!("_source has {key}: parts of documents are not stored"));
        }
    }
    let mode = source["mode"].as_str().or_else(|| index.setting("index.mapping.source.mode"));
    if let Some(mode @ ("synthetic" | "disabled")) = mode {
        return Some(format!("_source is {mode}"));
    }
    let derived = index.setting("index.derived_source.enabled") == Some("true");
    derived.then(|| "_source is derived".to_owned())
}

fn lint_target(
    recipe: &Recipe,
    seen: &Observation,
    part: &PlannedPart,
    source: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    let name = part.source.as_str();
    if seen.aliases.contains_key(&AliasName::new(part.target.as_str())) {
        let what = format!("the target's name {} is an alias", part.target);
        notes.push(Note::error("SEG-P111", name, what, "choose another target.index"));
    }
    if part.target == part.source {
        let what = "source and target are the same index".to_owned();
        notes.push(Note::error("SEG-P111", name, what, "choose another target.index"));
    } else if let Some(there) = seen.others.get(&part.target) {
        let ours = there.made_by() == Some((recipe.name.as_str(), name));
        if !ours {
            let what = format!(
                "the target {} exists ({} documents) and is not ours",
                part.target, there.docs
            );
            notes.push(Note::error(
                "SEG-P110",
                name,
                what,
                "remove it or choose another target.index",
            ));
        }
    }
    let replicas = part.target_body.settings.get("index.number_of_replicas");
    let wanted = replicas.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    if let Some(wanted) = wanted.filter(|wanted| *wanted < u64::from(source.replicas)) {
        let what = format!("the target gets {wanted} replicas, the source has {}", source.replicas);
        notes.push(Note::error("SEG-P113", name, what, "set target.settings.number_of_replicas"));
    }
    for pipeline in ["index.default_pipeline", "index.final_pipeline"] {
        let on_source = source.setting(pipeline).filter(|p| *p != "_none");
        let on_target = part.target_body.settings.get(pipeline).and_then(|p| p.as_str());
        if on_source.is_some() && on_source != on_target {
            let what = format!(
                "{pipeline} is {} on the source and not on the target",
                on_source.unwrap_or("")
            );
            notes.push(Note::warning(
                "SEG-P130",
                name,
                what,
                "writes after the switch run the target's",
            ));
        }
    }
    if source.docs == 0 {
        let what = "it holds no documents".to_owned();
        notes.push(Note::warning("SEG-P131", name, what, "it is switched all the same"));
    }
}

fn lint_names(seen: &Observation, part: &PlannedPart, notes: &mut Vec<Note>) {
    let name = part.source.as_str();
    let is_index = |name: &str| {
        let name = IndexName::new(name);
        seen.others.contains_key(&name) || seen.candidates.iter().any(|index| index.name == name)
    };
    for alias in &part.aliases {
        if is_index(alias.alias.as_str()) {
            let what = format!("the alias {} would have the name of an index", alias.alias);
            notes.push(Note::error("SEG-P114", name, what, "choose another cutover.alias"));
        }
    }
    let ours = seen.journal.get(&part.source).and_then(|state| state.cutover.as_ref());
    if seen.others.contains_key(&part.keep) && ours.is_none_or(|cutover| cutover.keep != part.keep)
    {
        let what = format!("the name {} for the kept copy is taken", part.keep);
        notes.push(Note::error("SEG-P115", name, what, "rename or remove that index"));
    }
}
