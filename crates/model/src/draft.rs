//! A draft: a recipe that segue writes for somebody to edit, from what it sees of an index.
//!
//! A **series** is several indices whose names differ in one place only, such as a month.

use serde_json::{Value, json};

use crate::observe::SeenIndex;
use crate::observe::mapping::leaves;
use crate::observe::versions::{Sampled, is_numbered_by_us};
use crate::plan::copied_settings;

mod copy;
mod series;

pub use copy::{copy, copy_name};
pub use series::Series;

/// What the user asked for; the rest is proposed.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The recipe's name.
    pub name: Option<String>,
    /// The target's name, in the recipe's spelling.
    pub target: Option<String>,
    /// `cluster`, as lines below the key.
    pub cluster: Vec<String>,
    /// The file that the template is written to, as the recipe names it; none = the target is made as the
    /// source is.
    pub template: Option<String>,
}

/// A drafted recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its text.
    pub recipe: String,
    /// The template's content, if there is to be one.
    pub template: Option<Value>,
}

/// Drafts a recipe for `series`, of which `seen` are the indices and `versions` some documents.
#[must_use]
pub fn draft(
    series: &Series,
    engine: &str,
    seen: &[SeenIndex],
    versions: &[Sampled],
    wanted: &Wanted,
) -> Draft {
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words);
        text.push('\n');
    };
    for words in summary(series, engine, seen) {
        line(&format!("# {words}"));
    }
    line(
        "# Editors help with keys and mark mistakes by the schema that `segue recipe schema` prints.",
    );
    line("segue: 1");
    line("# The key of the migration's journal: another name is another migration.");
    line(&format!("name: {}", wanted.name.clone().unwrap_or_else(|| series.recipe_name())));
    line("cluster:");
    for words in &wanted.cluster {
        line(&format!("  {words}"));
    }
    line("source:");
    line(&format!("  index: {}", quoted(&series.pattern)));
    if let Some((capture, expression)) = &series.capture {
        line(&format!("  match: {{ {capture}: {} }}", quoted(expression)));
    }
    line("target:");
    let target = wanted.target.clone().unwrap_or_else(|| "{source}-v2".to_owned());
    line(&format!("  index: {}", quoted(&target)));
    match &wanted.template {
        Some(file) => {
            line("  # Settings and mappings as they are now: change them there.");
            line(&format!("  template: {}", quoted(file)));
        }
        None => line(
            "  # Made as the source is. With `template: FILE` it gets other settings and mappings.",
        ),
    }
    let given = seen.first().is_some_and(|index| {
        let ours = is_numbered_by_us(&index.mappings);
        versions.iter().any(|read| read.is_unexplained(ours))
    });
    if given {
        line("  # Documents carry versions that the application gave them: they are kept.");
        line("  versions: preserve");
    }
    for words in PIPELINE {
        line(words);
    }
    let required: Vec<_> = seen.first().map(required).unwrap_or_default();
    line("verify:");
    line(
        "  # Fields that every document of the target must have, besides being equal to its source.",
    );
    line(&format!("  required: [{}]", required.join(", ")));
    line("cutover:");
    for words in MODE {
        line(words);
    }
    for words in aliases(seen) {
        line(&format!("  # {words}"));
    }
    if given {
        line(
            "  # Nothing can be fed back where versions are the application's: a rollback says what it loses.",
        );
    } else {
        line("  # For so long after the switch a rollback loses nothing that was written since.");
        line("  reverse_for: 7d");
    }
    let template = wanted.template.as_ref().and(seen.first()).map(template_of);
    Draft { recipe: text, template }
}

const PIPELINE: [&str; 7] = [
    "# What happens to each document, for example:",
    "#   - rename: { old_name: new_name }",
    "#   - convert: { price: double }",
    "#   - remove: [legacy]",
    "# With a pipeline, set `cutover.after_switch` below.",
    "pipeline: []",
    "# limits: { docs_per_second: 2000 }",
];

const MODE: [&str; 9] = [
    "  # block: writers are refused (403) for some hundred milliseconds. redirect: none is refused, if writers",
    "  # only index; then also `writers: index_only`.",
    "  mode: block",
    "  # `segue run` stops when everything is copied and compared; `segue cutover` switches. auto: at once.",
    "  start: manual",
    "  max_pause: 30s",
    "  # With a pipeline: what is true of documents that are written after the switch. target_accepts_both: the",
    "  # old shape is right, too. writers_send_new_shape. keep_enriching: segue applies the pipeline to them.",
    "  # after_switch: target_accepts_both",
];

fn summary(series: &Series, engine: &str, seen: &[SeenIndex]) -> Vec<String> {
    let mut lines =
        vec![format!("Drafted by `segue recipe new` from {} on {engine}.", series.what)];
    let docs: u64 = seen.iter().map(|index| index.docs).sum();
    let megabytes = seen.iter().map(|index| index.bytes).sum::<u64>().div_ceil(1_000_000);
    let several = if seen.len() == 1 { String::new() } else { format!("{} indices, ", seen.len()) };
    lines.push(format!("{several}{docs} documents, {megabytes} MB in the primaries"));
    let Some(index) = seen.first() else { return lines };
    let (shards, replicas) = (index.shards, index.replicas);
    let fields = leaves(&index.mappings).len();
    lines.push(format!("{shards} shards, {replicas} replicas, {fields} fields mapped"));
    let nested = nested(&index.mappings, "");
    if !nested.is_empty() {
        lines.push(format!(
            "nested: {}; the engine counts each nested object as a document of its own",
            nested.join(", ")
        ));
    }
    if index.mappings["_routing"]["required"] == json!(true) {
        lines.push("routing is required; documents keep theirs".to_owned());
    }
    if let Some(dynamic) = index.mappings.get("dynamic") {
        let dynamic = dynamic.as_str().map_or_else(|| dynamic.to_string(), str::to_owned);
        lines.push(format!("dynamic: {dynamic}"));
    }
    lines.push(
        "Next: edit this file, then `segue plan`, `segue run`, `segue cutover` with it.".to_owned(),
    );
    lines
}

/// Paths of nested fields.
fn nested(mappings: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, field) in mappings["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if field["type"] == json!("nested") {
            found.push(path.clone());
        }
        found.extend(nested(field, &path));
    }
    found
}

/// What happens to the aliases.
fn aliases(seen: &[SeenIndex]) -> Vec<String> {
    let mut lines = Vec::new();
    for index in seen {
        for (alias, props) in &index.aliases {
            let has = [
                (props.filter.is_some(), "filter"),
                (props.index_routing.is_some() || props.search_routing.is_some(), "routing"),
                (props.is_write_index == Some(true), "write flag"),
            ];
            let words: Vec<_> = has.iter().filter(|(has, _)| *has).map(|(_, word)| *word).collect();
            let with = if words.is_empty() {
                String::new()
            } else {
                format!(" with its {}", words.join(" and "))
            };
            lines.push(format!("The alias {alias} of {} moves too{with}.", index.name));
        }
    }
    if lines.len() > 8 {
        let more = lines.len() - 8;
        lines.truncate(8);
        lines.push(format!("And {more} more."));
    }
    lines
}

/// Nothing is known of which fields every document has; the engine's own mark of a time is a good guess.
fn required(index: &SeenIndex) -> Vec<String> {
    let fields = leaves(&index.mappings);
    ["@timestamp"].iter().filter(|name| fields.contains(**name)).map(|name| quoted(name)).collect()
}

fn template_of(index: &SeenIndex) -> Value {
    let mut mappings = index.mappings.clone();
    if let Some(meta) = mappings.get_mut("_meta").and_then(Value::as_object_mut) {
        meta.remove("segue");
    }
    json!({ "settings": copied_settings(index), "mappings": mappings })
}

/// A text as YAML takes it on one line.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests;
