//! Reading a recipe whose source is files: `source.files` and what its target and cutover allow.

use std::collections::BTreeMap;

use super::cursor::{self, Fields, Lists};
use super::error::{ErrorKind, Fault};
use super::files::{ColumnType, Duplicates, EmptyCell, FileFormat, FileId, FilesSpec, SwapSpec};
use super::node::{Node, Value};
use super::read::{Scope, filled, template, template_file};
use super::{CutoverMode, CutoverSpec, CutoverStart, NameTemplate, TargetSpec};

/// The hole of a target's name that stands for the number of a generation.
pub(super) const GENERATION: &str = "generation";

const SOURCE_KEYS: [&str; 7] =
    ["files", "format", "delimiter", "columns", "empty", "id", "duplicates"];

/// Whether a `source` is files.
pub(super) fn is_files(node: &Node) -> bool {
    matches!(&node.value, Value::Map(members) if members.iter().any(|(key, _)| key.name == "files"))
}

/// Reads `source`.
pub(super) fn source(node: Node, vars: &BTreeMap<String, String>) -> Result<FilesSpec, Fault> {
    let mut fields = Fields::open(node, "`source` with `files`", &SOURCE_KEYS)?;
    let files = files(fields.need("files")?, vars)?;
    let formats = [
        ("csv", FileFormat::Csv),
        ("tsv", FileFormat::Tsv),
        ("jsonl", FileFormat::Jsonl),
        ("json", FileFormat::Json),
    ];
    let format = fields.take("format").map(|node| cursor::choice(node, "`format`", &formats));
    let empty = [("omit", EmptyCell::Omit), ("null", EmptyCell::Null), ("text", EmptyCell::Text)];
    let empty = fields.take("empty").map(|node| cursor::choice(node, "`empty`", &empty));
    let duplicates = [("refuse", Duplicates::Refuse), ("last", Duplicates::Last)];
    let duplicates =
        fields.take("duplicates").map(|node| cursor::choice(node, "`duplicates`", &duplicates));
    Ok(FilesSpec {
        files,
        format: format.transpose()?,
        delimiter: fields.take("delimiter").map(delimiter).transpose()?,
        columns: fields.take("columns").map(columns).transpose()?.unwrap_or_default(),
        empty: empty.transpose()?.unwrap_or_default(),
        id: fields.take("id").map(id).transpose()?.unwrap_or_default(),
        duplicates: duplicates.transpose()?.unwrap_or_default(),
    })
}

const PATHS: &str = "for example \"data/*.csv\", relative to the recipe";

fn files(node: Node, vars: &BTreeMap<String, String>) -> Result<Vec<String>, Fault> {
    let at = node.at;
    let nodes = match node.value {
        Value::List(nodes) => nodes,
        _ => vec![node],
    };
    if nodes.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, "`files` names no file").hint(PATHS));
    }
    nodes
        .into_iter()
        .map(|node| {
            let at = node.at;
            let path = filled(node, "`files`", vars)?;
            if path.trim().is_empty() {
                let fault = Fault::new(ErrorKind::BadValue, at, "`files` has an empty path");
                return Err(fault.hint(PATHS));
            }
            Ok(path)
        })
        .collect()
}

fn delimiter(node: Node) -> Result<u8, Fault> {
    let at = node.at;
    let text = cursor::text(node, "`delimiter`")?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => {
            let summary =
                "`delimiter` must be one character of ASCII, and neither a quote nor a line end";
            Err(Fault::new(ErrorKind::BadValue, at, summary).hint("for example \";\" or \"\\t\""))
        }
    }
}

fn columns(node: Node) -> Result<BTreeMap<String, ColumnType>, Fault> {
    let words = ColumnType::ALL.map(|column| (column.name(), column));
    let column = |(key, node): (super::node::Key, Node)| {
        Ok((key.name, cursor::choice(node, "the type of a column", &words)?))
    };
    cursor::mapping(node, "`columns`")?.into_iter().map(column).collect()
}

fn id(node: Node) -> Result<FileId, Fault> {
    let words = [("position", FileId::Position), ("content", FileId::Content)];
    if matches!(node.value, Value::Text(_) | Value::Filled(_)) {
        let at = node.at;
        let text = cursor::text(node, "`id`")?;
        return words.into_iter().find(|(word, _)| *word == text).map(|(_, id)| id).ok_or_else(
            || {
                Fault::new(ErrorKind::BadValue, at, format!("`id` can't be `{text}`"))
                    .hint(format!("position, content, or a field: `id: {{ fields: [{text}] }}`"))
            },
        );
    }
    let mut fields = Fields::open(node, "`id`", &["fields"])?;
    let named = fields.need("fields")?;
    let at = named.at;
    let paths = cursor::paths(named, "`fields`", Lists::Refused)?;
    if paths.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, "`fields` names no field")
            .hint("for example `fields: [zip_code]`"));
    }
    Ok(FileId::Fields(paths))
}

/// Reads `target`.
pub(super) fn target(node: Node, scope: &Scope) -> Result<TargetSpec, Fault> {
    let mut fields = Fields::open(node, "`target`", &["index", "template", "settings"])?;
    let index = fields.need("index")?;
    let at = index.at;
    let index = template(index, "`index`", scope)?;
    if index.holes().filter(|hole| *hole == GENERATION).count() != 1 {
        let summary = "`index` must have `{generation}` in it, once";
        return Err(Fault::new(ErrorKind::Capture, at, summary).hint(
            "each load makes an index of its own: \"products-{generation}\" becomes products-000001",
        ));
    }
    let file = fields.take("template").map(|node| template_file(node, scope)).transpose()?;
    let settings = fields.take("settings").map(super::read::settings).transpose()?;
    Ok(TargetSpec {
        index,
        template: file,
        settings: settings.unwrap_or_default(),
        versions: None,
        merge: false,
    })
}

/// Reads `cutover`.
pub(super) fn cutover(node: Node, scope: &Scope) -> Result<CutoverSpec, Fault> {
    let known = [
        "mode",
        "start",
        "alias",
        "max_drift",
        "keep_generations",
        "first_load",
        "discard_writes",
        "max_dead_letters",
        "max_pause",
    ];
    let mut fields = Fields::open(node, "`cutover`", &known)?;
    let mut swap = SwapSpec::default();
    if let Some(node) = fields.take("mode") {
        cursor::choice(node, "`mode` of a load from files", &[("swap", ())])?;
    }
    if let Some(node) = fields.take("max_drift") {
        swap.max_drift = drift(&node)?;
    }
    if let Some(node) = fields.take("keep_generations") {
        swap.keep_generations = cursor::small(&node, "`keep_generations`", 0..=1000)?;
    }
    if let Some(node) = fields.take("first_load") {
        swap.first_load = cursor::boolean(&node, "`first_load`")?;
    }
    if let Some(node) = fields.take("discard_writes") {
        swap.discard_writes = cursor::boolean(&node, "`discard_writes`")?;
    }
    let mut spec = CutoverSpec { mode: CutoverMode::Swap(swap), ..CutoverSpec::default() };
    spec.alias = Some(alias(fields.need("alias")?, scope)?);
    if let Some(node) = fields.take("start") {
        let starts = [("auto", CutoverStart::Auto), ("manual", CutoverStart::Manual)];
        spec.start = cursor::choice(node, "`start`", &starts)?;
    }
    if let Some(node) = fields.take("max_dead_letters") {
        spec.max_dead_letters = cursor::number(&node, "`max_dead_letters`", 0..=u64::MAX)?;
    }
    if let Some(node) = fields.take("max_pause") {
        spec.max_pause = super::read::some_time(node, "`max_pause`")?;
    }
    Ok(spec)
}

fn alias(node: Node, scope: &Scope) -> Result<NameTemplate, Fault> {
    let at = node.at;
    let alias = template(node, "`alias`", scope)?;
    if alias.literal().is_some() {
        return Ok(alias);
    }
    let summary = "`alias` is the same for every generation: it can't have holes but variables";
    Err(Fault::new(ErrorKind::Capture, at, summary).hint("for example `alias: products`"))
}

fn drift(node: &Node) -> Result<u32, Fault> {
    if let Value::Text(text) | Value::Filled(text) = &node.value
        && let Some(percent) = text.trim().strip_suffix('%').and_then(|n| n.trim().parse().ok())
    {
        return Ok(percent);
    }
    cursor::small(node, "`max_drift`", 0..=1_000_000)
        .map_err(|fault| fault.hint("percent of the documents that are served now, such as 10%"))
}
