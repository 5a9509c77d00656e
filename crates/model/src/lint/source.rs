//! Sources that cannot be migrated as they are.

use super::{Note, Severity};
use crate::id::{SeqNo, Shard};
use crate::observe::mapping::has_type;
use crate::observe::{Observation, SeenIndex};
use crate::plan::PlannedPart;
use crate::version::Op;

/// Settings that name the lifecycle policy of an index.
const POLICIES: [&str; 3] = [
    "index.plugins.index_state_management.policy_id",
    "index.opendistro.index_state_management.policy_id",
    "index.lifecycle.name",
];

/// Blocks under which an index cannot be read, closed to writes or replaced.
const BLOCKS: [&str; 5] = [
    "index.blocks.write",
    "index.blocks.read_only",
    "index.blocks.read_only_allow_delete",
    "index.blocks.read",
    "index.blocks.metadata",
];

pub(super) fn lint_source(
    seen: &Observation,
    planned: &PlannedPart,
    index: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    let part = index.name.as_str();
    let mut error = |code, what: String, hint| notes.push(Note::error(code, part, what, hint));
    if let Some(stream) = &index.data_stream {
        let what = format!("it backs the data stream {stream}");
        error("SEG-P101", what, "data streams cannot be migrated by alias");
    }
    let policy = POLICIES.iter().find_map(|name| index.setting(name)).filter(|p| !p.is_empty());
    let attached = seen.policies.get(&index.name).map(String::as_str);
    if let Some(policy) = policy.or(attached) {
        let what = format!("the lifecycle policy {policy} is attached");
        error("SEG-P103", what, "detach it first: it could delete or change the index meanwhile");
    }
    if !index.open {
        error("SEG-P104", "it is closed".to_owned(), "open it, or leave it out by source.match");
    }
    if index.system {
        error("SEG-P105", "it is a system index".to_owned(), "leave it out by source.match");
    }
    if let Some(what) = source_problem(index) {
        let hint = "documents can only be carried where _source holds all of them";
        error("SEG-P106", what, hint);
    }
    if index.setting("index.disable_sequence_numbers") == Some("true") {
        let what = "it has no sequence numbers".to_owned();
        error("SEG-P107", what, "rebuild it from its original sources");
    }
    if index.settings.keys().any(|name| name.starts_with("index.ingestion_source.")) {
        let what = "it is filled by pull-based ingestion".to_owned();
        error("SEG-P108", what, "such documents have no sequence numbers");
    }
    lint_block(seen, planned, index, notes);
    lint_shards(index, notes);
    lint_documents(index, notes);
    lint_jobs(seen, index, notes);
}

/// Why `_source` does not hold whole documents, if so.
pub(super) fn source_problem(index: &SeenIndex) -> Option<String> {
    if let Some(problem) = mapped_source_problem(&index.mappings) {
        return Some(problem);
    }
    if let Some(mode @ ("synthetic" | "disabled")) = index.setting("index.mapping.source.mode") {
        return Some(format!("_source is {mode}"));
    }
    // These modes leave `_source` out unless they are told to store it.
    let stored = index.setting("index.mapping.source.mode") == Some("stored")
        || index.mappings["_source"]["mode"] == "stored";
    if let Some(mode @ ("logsdb" | "time_series")) = index.setting("index.mode")
        && !stored
    {
        return Some(format!("_source is synthetic in the index mode {mode}"));
    }
    let derived = index.setting("index.derived_source.enabled") == Some("true");
    derived.then(|| "_source is derived".to_owned())
}

/// The part of it that the mapping says.
pub(super) fn mapped_source_problem(mappings: &serde_json::Value) -> Option<String> {
    let source = &mappings["_source"];
    if source["enabled"] == false || source["enabled"] == "false" {
        return Some("_source is disabled".to_owned());
    }
    for key in ["includes", "excludes"] {
        if source[key].as_array().is_some_and(|fields| !fields.is_empty()) {
            return Some(format!("_source has {key}: parts of documents are not stored"));
        }
    }
    match source["mode"].as_str() {
        Some(mode @ ("synthetic" | "disabled")) => Some(format!("_source is {mode}")),
        _ => None,
    }
}

/// A block that is not ours: a back-out would lift it, and somebody relies on it.
fn lint_block(seen: &Observation, part: &PlannedPart, index: &SeenIndex, notes: &mut Vec<Note>) {
    let cutting = seen.journal.get(&part.source).is_some_and(|state| state.cutover.is_some());
    let block = BLOCKS.iter().find(|block| index.setting(block) == Some("true"));
    if let Some(block) = block.filter(|_| !cutting) {
        let what = format!("it has the block {block}, which segue did not set");
        let hint = "lift it, or leave the index out by source.match";
        notes.push(Note::error("SEG-P109", index.name.as_str(), what, hint));
    }
}

fn lint_shards(index: &SeenIndex, notes: &mut Vec<Note>) {
    let (part, Some(copies)) = (index.name.as_str(), index.copies) else { return };
    let shards = index.shards.max(1);
    if index.open && copies.primaries < shards {
        let what = format!("{} of {shards} primaries are started", copies.primaries);
        let hint = "a shard that is not there cannot be read: get the index out of red first";
        notes.push(Note::error("SEG-P118", part, what, hint));
    }
    let last = Shard(shards - 1);
    if copies.max_seq_no >= 0 && Op::of(SeqNo(copies.max_seq_no), last, shards).is_err() {
        let what = format!(
            "operation {} on {shards} shards is more than the version layout can number",
            copies.max_seq_no
        );
        let hint = "rebuild the index once with the engine's own _reindex, which begins at 0 again";
        notes.push(Note::error("SEG-P117", part, what, hint));
    }
    let wanted = shards.saturating_mul(1 + index.replicas);
    if copies.primaries >= shards && copies.started < wanted {
        let what = format!("{} of {wanted} shard copies are started", copies.started);
        let hint = "the target must have as many as the source has at the switch";
        notes.push(Note::warning("SEG-P132", part, what, hint));
    }
}

fn lint_documents(index: &SeenIndex, notes: &mut Vec<Note>) {
    let part = index.name.as_str();
    if index.open && index.docs == 0 {
        let what = "it holds no documents".to_owned();
        notes.push(Note::warning("SEG-P131", part, what, "it is switched all the same"));
    }
    let has = [
        (
            has_type(&index.mappings, "nested"),
            "nested fields: documents are counted with them here",
        ),
        (has_type(&index.mappings, "join"), "a join field: its routing is carried over"),
        (index.mappings["_routing"]["required"] == true, "required routing: it is carried over"),
    ];
    for (_, what) in has.iter().filter(|(has, _)| *has) {
        let hint = "nothing to do";
        let note = Note::warning("SEG-P150", part, format!("it has {what}"), hint);
        notes.push(note.graded(Severity::Note));
    }
}

/// A rewriting job moves faster than passes can follow, and a cutover cuts it off half-way.
fn lint_jobs(seen: &Observation, index: &SeenIndex, notes: &mut Vec<Note>) {
    let part = index.name.as_str();
    let names = |description: &str| {
        description
            .split(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | ','))
            .any(|word| word == part || index.aliases.keys().any(|alias| alias.as_str() == word))
    };
    for job in seen.jobs.iter().filter(|job| names(&job.description)) {
        let what = format!("{} runs on it: {}", job.action, job.description);
        notes.push(Note::warning("SEG-P135", part, what, "let it end before the cutover"));
    }
}
