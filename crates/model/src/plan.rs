//! The plan: every index, name and number, with its reason. Made from a recipe and an observation by
//! a function; execution decides nothing that stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::id::{AliasName, IndexName, IndexUuid, MigrationName};
use crate::lint::{self, Note, Severity};
use crate::observe::{AliasProps, Observation, SeenIndex};
use crate::recipe::{Captures, Recipe};

/// What will be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The migration.
    pub migration: MigrationName,
    /// Identifies what will be done; counts and sizes, which change all the time, are not in it.
    pub hash: String,
    /// The cluster, for people.
    pub engine: String,
    /// Every part, by source name.
    pub parts: Vec<PlannedPart>,
    /// What is wrong or risky.
    pub notes: Vec<Note>,
}

/// One source index and its target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedPart {
    /// The source.
    pub source: IndexName,
    /// Which incarnation of that name.
    pub source_uuid: IndexUuid,
    /// What the source pattern captured.
    pub captures: Captures,
    /// The target.
    pub target: IndexName,
    /// What is to be done.
    pub action: Action,
    /// Live documents of the source.
    pub docs: u64,
    /// Bytes of its primaries.
    pub bytes: u64,
    /// Its shards, each a partition.
    pub shards: u32,
    /// How the target is made, in its final form.
    pub target_body: TargetBody,
    /// The names that move to the target, besides the source's own, which becomes one.
    pub aliases: Vec<AliasMove>,
    /// The write-blocked copy of the source that stays for the way back.
    pub keep: IndexName,
}

/// What is to be done with a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// It has not begun.
    Migrate,
    /// It goes on from where it stands.
    Resume {
        /// Where it stands.
        phase: String,
    },
    /// Nothing.
    Skip {
        /// Why.
        reason: String,
    },
}

/// An index as it is to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetBody {
    /// Settings, flat (`index.number_of_shards`).
    pub settings: Map<String, Value>,
    /// Mappings.
    pub mappings: Value,
}

/// A name that moves from source to target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AliasMove {
    /// The name.
    pub alias: AliasName,
    /// What it adds, as on the source.
    pub props: AliasProps,
    /// Whether it stands for other indices too.
    pub spanning: bool,
    /// Whether the source has it now.
    pub on_source: bool,
}

/// A filter of parts (`--only key=value`) that no part can match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recipe's source has no capture {key:?}; it has {}", known.join(", "))]
pub struct UnknownCapture {
    key: String,
    known: Vec<String>,
}

impl Plan {
    /// Plans `recipe` for what was observed.
    pub fn make(recipe: &Recipe, seen: &Observation) -> Plan {
        let mut notes = Vec::new();
        let mut parts: Vec<PlannedPart> = seen
            .candidates
            .iter()
            .filter_map(|index| {
                let captures = recipe.source.index.matches(index.name.as_str())?;
                plan_part(recipe, seen, index, captures, &mut notes)
            })
            .collect();
        parts.extend(switched_parts(recipe, seen, &parts));
        parts.sort_by(|a, b| a.source.cmp(&b.source));
        lint::lint(recipe, seen, &parts, &mut notes);
        let hash = hash(recipe, &parts);
        let migration = MigrationName::new(recipe.name.as_str());
        Plan { migration, hash, engine: seen.engine.clone(), parts, notes }
    }

    /// Keeps only the parts whose captures have all of `wanted`.
    pub fn only(mut self, wanted: &[(String, String)]) -> Result<Plan, UnknownCapture> {
        for (key, _) in wanted {
            let known: BTreeSet<_> = self.parts.iter().flat_map(|p| p.captures.keys()).collect();
            if !self.parts.is_empty() && !known.contains(key) {
                let known = known.into_iter().cloned().collect();
                return Err(UnknownCapture { key: key.clone(), known });
            }
        }
        self.parts.retain(|part| wanted.iter().all(|(k, v)| part.captures.get(k) == Some(v)));
        let kept: BTreeSet<_> = self.parts.iter().map(|part| part.source.to_string()).collect();
        self.notes.retain(|note| note.part.as_ref().is_none_or(|part| kept.contains(part)));
        Ok(self)
    }

    /// The notes that refuse to run.
    pub fn errors(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|note| note.severity == Severity::Error)
    }
}

fn plan_part(
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
            note("SEG-P101", format!("the target has no usable name: {error}"));
            return None;
        }
    };
    let template = match &recipe.target.template {
        None => None,
        Some(template) => {
            let path = template.render_path(&captures, source).map_err(|e| e.to_string());
            let found = path.and_then(|path| match seen.templates.get(&path) {
                Some(Ok(body)) => Ok(body.clone()),
                Some(Err(why)) => Err(format!("{path}: {why}")),
                None => Err(format!("{path}: not found")),
            });
            match found {
                Ok(body) => Some(body),
                Err(why) => {
                    note("SEG-P102", format!("the target's template cannot be read: {why}"));
                    return None;
                }
            }
        }
    };
    let action = action(recipe, seen, index);
    Some(PlannedPart {
        source: index.name.clone(),
        source_uuid: index.uuid.clone(),
        target_body: target_body(recipe, index, template.as_ref()),
        aliases: alias_moves(recipe, seen, index, &captures),
        keep: keep_name(&index.name),
        docs: index.docs,
        bytes: index.bytes,
        shards: index.shards,
        captures,
        target,
        action,
    })
}

fn action(recipe: &Recipe, seen: &Observation, index: &SeenIndex) -> Action {
    if let Some(state) = seen.journal.get(&index.name) {
        return Action::Resume { phase: state.phase.to_string() };
    }
    let wanted = &recipe.source.done_if_mapped;
    if !wanted.is_empty() && wanted.iter().all(|path| is_mapped(&index.mappings, &path.dotted())) {
        let fields: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        let reason = format!("already in the new shape: {} mapped", fields.join(", "));
        return Action::Skip { reason };
    }
    Action::Migrate
}

/// Whether a mapping has the field `path` (`a.b.c`).
pub(crate) fn is_mapped(mappings: &Value, path: &str) -> bool {
    let mut at = mappings;
    for segment in path.split('.') {
        at = match at["properties"].get(segment).or_else(|| at["fields"].get(segment)) {
            Some(field) => field,
            None => return false,
        };
    }
    true
}

/// Parts whose source is an alias by now: the journal knows them, the wildcard does not.
fn switched_parts(recipe: &Recipe, seen: &Observation, found: &[PlannedPart]) -> Vec<PlannedPart> {
    let known: BTreeSet<_> = found.iter().map(|part| &part.source).collect();
    let left = seen.journal.iter().filter(|(source, _)| !known.contains(source));
    left.map(|(source, state)| {
        let captures = recipe.source.index.matches(source.as_str()).unwrap_or_default();
        let target = state.target.clone().unwrap_or_else(|| source.clone());
        let docs = seen.others.get(&target).map_or(0, |index| index.docs);
        let action = if state.phase.is_switched() {
            Action::Skip { reason: format!("{}: {source} is served by {target}", state.phase) }
        } else {
            Action::Resume { phase: state.phase.to_string() }
        };
        let kept = state.cutover.as_ref().map(|cutover| cutover.aliases.clone());
        let aliases = kept.unwrap_or_default().into_iter().map(|alias| AliasMove {
            alias,
            props: AliasProps::default(),
            spanning: false,
            on_source: false,
        });
        let source_uuid =
            state.source.as_ref().map_or_else(|| IndexUuid::new(""), |source| source.uuid.clone());
        let template = recipe.target.template.as_ref().and_then(|template| {
            let path = template.render_path(&captures, source.as_str()).ok()?;
            seen.templates.get(&path)?.as_ref().ok()
        });
        let body = TargetBody {
            settings: template_settings(recipe, template).unwrap_or_default(),
            mappings: Value::Null,
        };
        PlannedPart {
            source: source.clone(),
            source_uuid,
            captures,
            action,
            docs,
            bytes: 0,
            shards: 0,
            target_body: body,
            aliases: aliases.collect(),
            keep: keep_name(source),
            target,
        }
    })
    .collect()
}

/// The name of the copy of a source that is kept: one with which no application's pattern begins.
pub fn keep_name(source: &IndexName) -> IndexName {
    let name = format!("segue-before-{source}");
    if name.len() <= 255 {
        return IndexName::new(name);
    }
    let hash = format!("{:032x}", xxh3_128(source.as_str().as_bytes()));
    IndexName::new(format!("segue-before-{hash}"))
}

/// Settings that belong to one index and are never copied to another.
const NOT_COPIED: [&str; 10] = [
    "index.uuid",
    "index.creation_date",
    "index.provided_name",
    "index.version",
    "index.blocks",
    "index.resize",
    "index.routing.allocation.initial_recovery",
    "index.verified_before_close",
    "index.history_uuid",
    "index.replication.type",
];

fn template_settings(recipe: &Recipe, template: Option<&Value>) -> Option<Map<String, Value>> {
    let mut settings = Map::new();
    flatten("", template?.get("settings").unwrap_or(&Value::Null), &mut settings);
    add_recipe_settings(recipe, &mut settings);
    Some(settings)
}

fn add_recipe_settings(recipe: &Recipe, settings: &mut Map<String, Value>) {
    let own = Value::Object(recipe.target.settings.clone());
    flatten("", &own, settings);
}

fn target_body(recipe: &Recipe, index: &SeenIndex, template: Option<&Value>) -> TargetBody {
    if let Some(settings) = template_settings(recipe, template) {
        let mappings = template.map_or(Value::Null, |template| template["mappings"].clone());
        let mappings = if mappings.is_object() { mappings } else { json!({}) };
        return TargetBody { settings, mappings };
    }
    let mut settings: Map<_, _> = index
        .settings
        .iter()
        .filter(|(name, _)| !NOT_COPIED.iter().any(|prefix| is_below(name, prefix)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    add_recipe_settings(recipe, &mut settings);
    let mut mappings = index.mappings.clone();
    if let Some(meta) = mappings.get_mut("_meta").and_then(Value::as_object_mut) {
        meta.remove("segue");
    }
    TargetBody { settings, mappings }
}

fn is_below(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Makes nested settings flat, each with its `index.` in front.
fn flatten(prefix: &str, value: &Value, out: &mut Map<String, Value>) {
    let Value::Object(fields) = value else {
        if !prefix.is_empty() && !value.is_null() {
            let name = if is_below(prefix, "index") {
                prefix.to_owned()
            } else {
                format!("index.{prefix}")
            };
            out.insert(name, value.clone());
        }
        return;
    };
    for (name, value) in fields {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        flatten(&path, value, out);
    }
}

fn alias_moves(
    recipe: &Recipe,
    seen: &Observation,
    index: &SeenIndex,
    captures: &Captures,
) -> Vec<AliasMove> {
    let mut moves: BTreeMap<AliasName, (AliasProps, bool)> =
        index.aliases.iter().map(|(name, props)| (name.clone(), (props.clone(), true))).collect();
    let wanted = recipe.cutover.alias.as_ref();
    if let Some(Ok(name)) = wanted.map(|alias| alias.render(captures, index.name.as_str())) {
        moves.entry(AliasName::new(name)).or_insert_with(|| (AliasProps::default(), false));
    }
    let spanning = |alias: &AliasName| {
        seen.aliases.get(alias).is_some_and(|on| on.iter().any(|other| *other != index.name))
    };
    moves
        .into_iter()
        .map(|(alias, (props, on_source))| {
            let spanning = spanning(&alias);
            AliasMove { alias, props, spanning, on_source }
        })
        .collect()
}

fn hash(recipe: &Recipe, parts: &[PlannedPart]) -> String {
    let done: Vec<_> = parts
        .iter()
        .filter(|part| !matches!(part.action, Action::Skip { .. }))
        .map(|part| {
            json!({
                "source": part.source, "uuid": part.source_uuid, "target": part.target,
                "settings": part.target_body.settings, "mappings": part.target_body.mappings,
                "aliases": part.aliases, "keep": part.keep,
            })
        })
        .collect();
    let whole = json!({ "parts": done, "pipeline": recipe.pipeline_fingerprint() });
    format!("{:032x}", xxh3_128(whole.to_string().as_bytes()))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan {} for migration {} on {}", self.hash, self.migration, self.engine)?;
        for part in &self.parts {
            writeln!(f)?;
            part.fmt(f)?;
        }
        let active = || self.parts.iter().filter(|p| !matches!(p.action, Action::Skip { .. }));
        let docs: u64 = active().map(|part| part.docs).sum();
        let bytes: u64 = active().map(|part| part.bytes).sum();
        writeln!(
            f,
            "\n{} parts: {} to do ({docs} documents, {}), {} done",
            self.parts.len(),
            active().count(),
            Size(bytes),
            self.parts.len() - active().count()
        )?;
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, target) = (&self.source, &self.target);
        match &self.action {
            Action::Skip { reason } => {
                return writeln!(f, "= {source}\n    nothing to do: {reason}");
            }
            Action::Migrate => writeln!(f, "+ {source} -> {target}")?,
            Action::Resume { phase } => {
                writeln!(f, "~ {source} -> {target}\n    goes on: it is {phase}")?;
            }
        }
        writeln!(
            f,
            "    copy    {} documents, {}, {} partitions",
            self.docs,
            Size(self.bytes),
            self.shards
        )?;
        let fields = self.target_body.mappings["properties"].as_object().map_or(0, Map::len);
        let setting = |name: &str| match self.target_body.settings.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "default".to_owned(),
        };
        writeln!(
            f,
            "    make    {target}: {} shards, {} replicas, {fields} fields mapped",
            setting("index.number_of_shards"),
            setting("index.number_of_replicas"),
        )?;
        for alias in &self.aliases {
            let how = if alias.on_source { "move   " } else { "add    " };
            let kind = if alias.spanning { ", hidden there until the switch" } else { "" };
            writeln!(f, "    {how} alias {} -> {target}{kind}", alias.alias)?;
        }
        writeln!(f, "    switch  {source} becomes an alias of {target}")?;
        writeln!(f, "    keep    the old index as {}, write-blocked", self.keep)
    }
}

struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_000_000 => write!(f, "{} kB", bytes.div_ceil(1000)),
            bytes @ 1_000_000..1_000_000_000 => write!(f, "{} MB", bytes / 1_000_000),
            bytes => write!(f, "{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
