//! Planning a load: the generation that is made of the recipe's files.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::target::{stated_settings, template};
use super::{Action, PlannedPart, Size, TargetBody};
use crate::generation::{self, Next};
use crate::id::{AliasName, HistoryUuid, IndexName, IndexUuid};
use crate::journal::SourceIdentity;
use crate::lint::Note;
use crate::observe::Observation;
use crate::observe::files::{SeenFile, SeenFiles};
use crate::recipe::{Captures, ColumnType, CutoverMode, Recipe, SwapSpec};

/// The files that a generation is made of, and how it takes over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedFiles {
    /// The generation's number.
    pub generation: u64,
    /// The files, by path; a record's file is its place in this list.
    pub files: Vec<SeenFile>,
    /// The types of their columns, stated or found out.
    pub columns: BTreeMap<String, ColumnType>,
    /// The alias that is to stand for the generation.
    pub alias: AliasName,
    /// The generation that it stands for now.
    pub live: Option<IndexName>,
    /// What the files are, and what is made of them.
    #[serde(skip)]
    pub identity: SourceIdentity,
    /// On which conditions it takes over.
    #[serde(skip)]
    pub swap: SwapSpec,
}

impl fmt::Display for PlannedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "    load    {} ({}, {})", file.path, file.format, Size(file.bytes))?;
        }
        for (name, column) in &self.columns {
            writeln!(f, "    column  {name}: {column}")?;
        }
        let drift = self.swap.max_drift;
        match &self.live {
            Some(live) => {
                writeln!(
                    f,
                    "    swap    {} from {live}, if the number of documents differs by {drift} % at most",
                    self.alias
                )?;
                let kept = self.swap.keep_generations;
                writeln!(f, "    keep    {kept} generations besides the one that serves")
            }
            None => writeln!(f, "    swap    {} is new", self.alias),
        }
    }
}

/// Plans the next generation; none, and notes, where it cannot even be described.
pub(super) fn plan_generation(
    recipe: &Recipe,
    seen: &Observation,
    notes: &mut Vec<Note>,
) -> Option<PlannedPart> {
    let files = seen.files.clone().unwrap_or_default();
    let alias = AliasName::new(recipe.cutover.alias.as_ref()?.literal()?);
    let CutoverMode::Swap(swap) = recipe.cutover.mode else { return None };
    let names = &recipe.target.index;
    let body = match target_body(recipe, seen, &files) {
        Ok(body) => body,
        Err(why) => {
            let what = format!("the template cannot be used: {why}");
            notes.push(Note::whole("SEG-P102", what, "correct the recipe"));
            return None;
        }
    };
    let identity = identity(recipe, &files, &body);
    let journal = seen.journal.iter();
    let known =
        journal.filter_map(|(part, s)| Some((generation::number(names, part.as_str())?, s)));
    let taken = seen.names.iter().filter_map(|name| generation::number(names, name.as_str())).max();
    let next = match generation::next(known, taken.unwrap_or(0), &identity) {
        // What held them is gone.
        Next::Done(number)
            if generation::name(names, number).is_ok_and(|name| !seen.has_index(name.as_str())) =>
        {
            Next::New(number.max(taken.unwrap_or(0)) + 1)
        }
        next => next,
    };
    let (Next::New(number) | Next::GoOn(number) | Next::Done(number) | Next::RolledBack(number)) =
        next;
    let name = match generation::name(names, number) {
        Ok(name) => name,
        Err(error) => {
            let what = format!("a generation has no usable name: {error}");
            notes.push(Note::whole("SEG-P116", what, "correct target.index"));
            return None;
        }
    };
    let state = seen.journal.get(&name);
    let action = match next {
        Next::New(_) => Action::Migrate,
        Next::GoOn(_) => Action::Resume {
            phase: state.map_or_else(String::new, |state| state.phase.to_string()),
        },
        Next::Done(_) => Action::Skip { reason: format!("{name} holds these files already") },
        Next::RolledBack(_) => Action::Skip {
            reason: format!(
                "{name} held these files and was rolled back: other files are loaded again"
            ),
        },
    };
    let live = seen.aliases.get(&alias).and_then(|on| match on.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    });
    Some(PlannedPart {
        source: name.clone(),
        source_uuid: identity.uuid.clone(),
        also: Vec::new(),
        captures: Captures::from([("generation".to_owned(), format!("{number:06}"))]),
        target: name.clone(),
        action,
        docs: 0,
        bytes: files.files.iter().map(|file| file.bytes).sum(),
        shards: u32::try_from(files.files.len()).unwrap_or(u32::MAX),
        target_body: body,
        aliases: Vec::new(),
        keep: live.clone().unwrap_or(name),
        reasons: Vec::new(),
        pause: None,
        estimate: None,
        difference: Box::default(),
        files: Some(PlannedFiles {
            generation: number,
            files: files.files,
            columns: files.columns,
            alias,
            live,
            identity,
            swap,
        }),
    })
}

/// The target by the template, else by the columns' types.
fn target_body(
    recipe: &Recipe,
    seen: &Observation,
    files: &SeenFiles,
) -> Result<TargetBody, String> {
    let template = template(recipe, seen, &Captures::new(), "")?;
    let settings = stated_settings(recipe, template);
    let mappings = match template {
        Some(template) => template["mappings"].clone(),
        // Steps may change what the columns are: then the engine finds out.
        None if recipe.pipeline.is_empty() && !files.columns.is_empty() => by_columns(files),
        None => Value::Null,
    };
    let mappings = if mappings.is_object() { mappings } else { json!({}) };
    Ok(TargetBody { settings, mappings })
}

/// Texts as the engines map them by themselves, the rest by its type. Dates are not guessed: one row
/// that is none would be refused.
fn by_columns(files: &SeenFiles) -> Value {
    let property = |column: &ColumnType| match column {
        ColumnType::String => json!({
            "type": "text", "fields": { "keyword": { "type": "keyword", "ignore_above": 256 } }
        }),
        other => json!({ "type": other.name() }),
    };
    let named = files.columns.iter();
    // A name with a dot is a path to the engines: they find out themselves.
    let properties: Map<String, Value> = named
        .filter(|(name, _)| !name.contains('.'))
        .map(|(name, column)| (name.clone(), property(column)))
        .collect();
    json!({ "date_detection": false, "properties": properties })
}

/// What changes with the files, with what their records become, and with what they are written into.
fn identity(recipe: &Recipe, files: &SeenFiles, body: &TargetBody) -> SourceIdentity {
    let histories: Vec<_> =
        files.files.iter().map(|file| HistoryUuid::new(file.identity())).collect();
    let whole = json!({
        "files": histories,
        "pipeline": recipe.pipeline_fingerprint(),
        "columns": files.columns,
        "settings": body.settings,
        "mappings": body.mappings,
    });
    let uuid = IndexUuid::new(format!("{:032x}", xxh3_128(whole.to_string().as_bytes())));
    SourceIdentity { uuid, histories, also: Vec::new() }
}
