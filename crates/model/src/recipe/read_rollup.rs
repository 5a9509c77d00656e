//! From the tree to a recipe of a roll-up.

use std::collections::BTreeMap;

use super::cursor::{self, Fields, Lists};
use super::error::{ErrorKind, Fault};
use super::node::{self, Key, Node, Value};
use super::read::{self, Scope};
use super::{
    Bookmarks, Dimension, Feed, Json, KeySpec, Metric, NameTemplate, NamedMetric, Output, Path,
    Role, RollupLimits, RollupRecipe, RollupSource, RollupSpec, When, read_entities, read_flat,
};
use crate::rollup::{Period, PeriodStart};

/// The section that makes a recipe one of a roll-up.
pub(super) const ROLLUP: &str = "rollup";

const SECTIONS: [&str; 6] = ["segue", "name", "vars", "cluster", ROLLUP, "limits"];
const KEYS: [&str; 10] = [
    "period",
    "start",
    "key",
    "sources",
    "entities",
    "dimensions",
    "delta",
    "snapshot",
    "after",
    "flat",
];
const LIMITS: [&str; 6] =
    ["page_docs", "docs_at_once", "values_at_once", "retries", "retry_delay", "lease_ttl"];
/// Names that the written documents have already.
const TAKEN: [&str; 7] = [
    "period_start",
    "period_end",
    "snapshot_date",
    "timestamp",
    "updated_timestamp",
    "totals",
    "subcounts",
];
/// What the engines answer with at most, by default.
const MOST_PAGE: u32 = 10_000;

pub(super) fn is_rollup(text: &str) -> bool {
    match node::read(text).map(|node| node.value) {
        Ok(Value::Map(members)) => members.iter().any(|(key, _)| key.name == ROLLUP),
        _ => false,
    }
}

/// Refuses the recipe of a roll-up where one of a migration is wanted.
pub(super) fn refuse(root: &Node) -> Result<(), Fault> {
    let Value::Map(members) = &root.value else { return Ok(()) };
    let Some((key, _)) = members.iter().find(|(key, _)| key.name == ROLLUP) else { return Ok(()) };
    Err(Fault::new(ErrorKind::UnknownKey, key.at, "this is the recipe of a roll-up")
        .hint("`segue rollup run` and `segue rollup status` are its verbs"))
}

pub(super) fn recipe(
    text: &str,
    set: &BTreeMap<String, String>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<RollupRecipe, Fault> {
    let mut root = node::read(text)?;
    root.expand(env)?;
    let mut fields = Fields::open(root, "the recipe of a roll-up", &SECTIONS)?;
    read::language(&fields.need("segue")?)?;
    let named = fields.need("name")?;
    let vars = read::vars(fields.take("vars"), set, fields.at())?;
    let name = read::name(named, &vars)?;
    let cluster = read::cluster(fields.need("cluster")?)?;
    let captures = ["year", "month", "day"].map(str::to_owned).to_vec();
    let rollup = spec(fields.need(ROLLUP)?, &Scope { vars, captures })?;
    let limits = fields.take("limits").map(limits).transpose()?.unwrap_or_default();
    Ok(RollupRecipe { name, cluster, rollup, limits })
}

fn spec(node: Node, scope: &Scope) -> Result<RollupSpec, Fault> {
    let mut fields = Fields::open(node, "`rollup`", &KEYS)?;
    let words = [("hour", Period::Hour), ("day", Period::Day), ("month", Period::Month)];
    let period = cursor::choice(fields.need("period")?, "`period`", &words)?;
    let start = fields.take("start").map(|node| start(node, period, scope)).transpose()?;
    let key = key(fields.need("key")?)?;
    let flat = fields.take("flat").map(|node| cursor::boolean(&node, "`flat`")).transpose()?;
    let flat = flat.unwrap_or(false);
    let counted = match fields.take("entities") {
        None => sources(fields.need("sources")?, flat, scope)?,
        Some(node) => {
            let at = node.at;
            if fields.take("sources").is_some() {
                let summary = "`sources` and `entities`: a roll-up is of one or the other";
                return Err(Fault::new(ErrorKind::BadValue, at, summary).hint("make two recipes"));
            }
            read_entities::entities(node, &key, start.flatten().is_some(), scope)?
        }
    };
    let dimensions = fields.take("dimensions").map(dimensions).transpose()?.unwrap_or_default();
    let delta = output(fields.need("delta")?, "`delta`", flat, scope)?;
    let snapshot =
        fields.take("snapshot").map(|node| output(node, "`snapshot`", false, scope)).transpose()?;
    let after = fields.take("after").map(|node| after(node, scope)).transpose()?;
    let spec = RollupSpec {
        period,
        start: start.flatten(),
        key,
        sources: counted.sources,
        feeds: counted.feeds,
        entities: counted.entities,
        flat,
        dimensions,
        delta,
        snapshot,
        after: after.unwrap_or_default(),
    };
    if flat {
        read_flat::check(&spec, fields.at())?;
    }
    Ok(spec)
}

/// An empty text, such as that of a variable that is not set, is no start.
fn start(node: Node, period: Period, scope: &Scope) -> Result<Option<PeriodStart>, Fault> {
    let at = node.at;
    let text = read::filled(node, "`start`", &scope.vars)?;
    if text.is_empty() {
        return Ok(None);
    }
    let start = period.parse(&text).ok_or_else(|| {
        Fault::new(ErrorKind::BadValue, at, format!("`{text}` isn't a date"))
            .hint("for example \"2025-01-31\", in quotes")
    })?;
    Ok(Some(start))
}

fn key(node: Node) -> Result<KeySpec, Fault> {
    let mut fields = Fields::open(node, "`key`", &["field", "as", "all"])?;
    let field = fields.take("field");
    let field = field.map(|node| cursor::path(node, "`field`", Lists::Allowed)).transpose()?;
    let name = member(fields.need("as")?, "`as`")?;
    let all = fields.take("all").map(|node| cursor::text(node, "`all`")).transpose()?;
    if field.is_none() && all.is_none() {
        return Err(Fault::new(ErrorKind::BadValue, fields.at(), "`key` has no keys")
            .hint("`field` for a key a value, `all` for a key of everything, or both"));
    }
    Ok(KeySpec { field, name, all })
}

/// The name of a field that is written: one name, that nothing else has.
pub(super) fn member(node: Node, what: &str) -> Result<String, Fault> {
    let at = node.at;
    let name = cursor::text(node, what)?;
    check_member(&name, at, what)?;
    Ok(name)
}

pub(super) fn check_member(name: &str, at: super::error::Place, what: &str) -> Result<(), Fault> {
    let bad = |summary: String| Fault::new(ErrorKind::BadValue, at, summary);
    if name.is_empty() || name.contains('.') || name.contains(char::is_whitespace) {
        return Err(bad(format!("{what}: `{name}` can't be the name of a field"))
            .hint("one name, without dots and blanks"));
    }
    if TAKEN.contains(&name) {
        return Err(bad(format!("{what}: `{name}` is written already")).hint("take another name"));
    }
    Ok(())
}

/// Named entries, at least one, each with a name that can be a field's.
pub(super) fn entries(node: Node, what: &str) -> Result<Vec<(Key, Node)>, Fault> {
    let at = node.at;
    let entries = cursor::mapping(node, what)?;
    if entries.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, format!("{what} is empty"))
            .hint("name at least one"));
    }
    for (key, _) in &entries {
        check_member(&key.name, key.at, what)?;
    }
    Ok(entries)
}

/// What is counted, and where it comes from.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) sources: Vec<RollupSource>,
    pub(super) feeds: Vec<Feed>,
    pub(super) entities: Option<super::Entities>,
}

fn sources(node: Node, flat: bool, scope: &Scope) -> Result<Counted, Fault> {
    let mut counted = Counted::default();
    for (key, node) in entries(node, "`sources`")? {
        check_source(&key.name, key.at)?;
        let known = ["index", "date", "query", "metrics", "copy"];
        let known = if flat { &known[..] } else { &known[..4] };
        let mut fields = Fields::open(node, "a source", known)?;
        let index = index(fields.need("index")?, scope)?;
        let date = cursor::path(fields.need("date")?, "`date`", Lists::Refused)?;
        let query = fields.take("query");
        let query = query.map(|node| json_object(&node, "`query`")).transpose()?;
        let metrics = entries(fields.need("metrics")?, "`metrics`")?;
        let metrics = metrics.into_iter().map(|(key, node)| metric(key.name, node));
        let metrics = metrics.collect::<Result<_, Fault>>()?;
        let copy = fields.take("copy").map(read_flat::copy).transpose()?;
        let copy = copy.unwrap_or_default();
        let role = Role::Counted(counted.sources.len());
        counted.feeds.push(Feed { name: key.name.clone(), index, date, query, role });
        counted.sources.push(RollupSource { name: key.name, metrics, copy });
    }
    Ok(counted)
}

pub(super) fn check_source(name: &str, at: super::error::Place) -> Result<(), Fault> {
    if matches!(name, "id" | "label") {
        let summary = format!("`{name}` can't be the name of a source");
        return Err(Fault::new(ErrorKind::BadValue, at, summary)
            .hint("each value of a dimension is written with an `id` and a `label`"));
    }
    Ok(())
}

pub(super) fn index(node: Node, scope: &Scope) -> Result<String, Fault> {
    let at = node.at;
    let index = read::filled(node, "`index`", &scope.vars)?;
    if index.is_empty() || index.contains(['/', '?', '#', ' ', '"', ',']) {
        let summary = format!("`{index}` isn't an index, alias or pattern");
        return Err(Fault::new(ErrorKind::BadValue, at, summary)
            .hint("one name, in which `*` stands for anything"));
    }
    Ok(index)
}

pub(super) fn json_object(node: &Node, what: &str) -> Result<Json, Fault> {
    if matches!(node.value, Value::Map(_)) {
        return cursor::json(node, what);
    }
    let summary = format!("{what} must be a mapping, not {}", node.value.noun());
    Err(Fault::new(ErrorKind::WrongType, node.at, summary)
        .hint("a query as the engines write it: `query: { term: { is_robot: false } }`"))
}

pub(super) fn metric(name: String, node: Node) -> Result<NamedMetric, Fault> {
    if !matches!(node.value, Value::Map(_)) {
        cursor::choice(node, "a metric", &[("count", ())])?;
        return Ok(NamedMetric { name, metric: Metric::Count, when: None });
    }
    let mut fields = Fields::open(node, "a metric", &["unique", "sum", "where", "unless"])?;
    let path = |node| cursor::path(node, "the field of a metric", Lists::Allowed);
    let when = match (fields.take("where"), fields.take("unless")) {
        (None, None) => None,
        (Some(node), None) => Some(when(node, true)?),
        (None, Some(node)) => Some(when(node, false)?),
        _ => {
            return Err(Fault::new(ErrorKind::BadValue, fields.at(), "`where` and `unless`")
                .hint("a metric has one of them, with one field"));
        }
    };
    let metric = match (fields.take("unique"), fields.take("sum")) {
        (Some(node), None) => Metric::Unique(path(node)?),
        (None, Some(node)) => Metric::Sum(path(node)?),
        (None, None) if when.is_some() => Metric::Count,
        _ => {
            return Err(Fault::new(ErrorKind::BadValue, fields.at(), "a metric is one number")
                .hint("`count`, `{ unique: FIELD }`, `{ sum: FIELD }` or `{ where: { FIELD: VALUE } }`"));
        }
    };
    Ok(NamedMetric { name, metric, when })
}

fn when(node: Node, wanted: bool) -> Result<When, Fault> {
    let at = node.at;
    let bad = || {
        Fault::new(ErrorKind::BadValue, at, "a condition is one field with one value")
            .hint("for example `where: { files.enabled: true }`")
    };
    let mut entries = cursor::mapping(node, "a condition")?;
    let (Some((key, value)), true) = (entries.pop(), entries.is_empty()) else { return Err(bad()) };
    let field = cursor::parse_path(&key.name, key.at, "the field of a condition", Lists::Allowed)?;
    let value = match cursor::constant(&value, "the value of a condition")? {
        serde_json::Value::String(text) => text,
        value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => value.to_string(),
        _ => return Err(bad()),
    };
    Ok(When { field, value, wanted })
}

fn dimensions(node: Node) -> Result<Vec<Dimension>, Fault> {
    let relative = |node: Node, what| cursor::path(node, what, Lists::Allowed);
    let each = |node: Node, what| match node.value {
        Value::List(_) => cursor::paths(node, what, Lists::Allowed),
        _ => Ok(vec![relative(node, what)?]),
    };
    let dimension = |(key, node): (Key, Node)| {
        let plain = |each: Vec<Path>| Dimension {
            name: key.name.clone(),
            each,
            id: None,
            label: None,
            top: None,
        };
        if !matches!(node.value, Value::Map(_)) {
            return Ok(plain(each(node, "a dimension")?));
        }
        let mut fields = Fields::open(node, "a dimension", &["each", "id", "label", "top"])?;
        let mut dimension = plain(each(fields.need("each")?, "`each`")?);
        dimension.id = fields.take("id").map(|node| relative(node, "`id`")).transpose()?;
        let label = fields.take("label");
        if let (Some(node), None) = (&label, &dimension.id) {
            return Err(Fault::new(ErrorKind::BadValue, node.at, "`label` without `id`")
                .hint("where values have members, `id` is the one that tells them apart"));
        }
        dimension.label = label.map(|node| relative(node, "`label`")).transpose()?;
        let top = fields.take("top");
        dimension.top = top.map(|node| cursor::small(&node, "`top`", 1..=10_000)).transpose()?;
        Ok(dimension)
    };
    entries(node, "`dimensions`")?.into_iter().map(dimension).collect()
}

fn output(node: Node, what: &'static str, of_source: bool, scope: &Scope) -> Result<Output, Fault> {
    let mut fields = Fields::open(node, what, &["index", "template", "bookmark"])?;
    let wanted = fields.need("index")?;
    let at = wanted.at;
    let index = read::template(wanted, "`index`", scope)?;
    if !of_source && index.holes().any(|hole| hole == super::name::SOURCE) {
        return Err(Fault::new(ErrorKind::Capture, at, "`{source}` means nothing here")
            .hint("`{year}`, `{month}` and `{day}` of the period can be in the name"));
    }
    let template = fields.take("template");
    let template =
        template.map(|node| read::filled(node, "`template`", &scope.vars)).transpose()?;
    let bookmark = fields.take("bookmark").map(|node| bookmark(node, scope)).transpose()?;
    Ok(Output { index, template, bookmark })
}

fn bookmark(node: Node, scope: &Scope) -> Result<Bookmarks, Fault> {
    let mut fields = Fields::open(node, "`bookmark`", &["index", "name"])?;
    let wanted = fields.need("index")?;
    let at = wanted.at;
    let index = read::filled(wanted, "`index`", &scope.vars)?;
    let legal = NameTemplate::new(&index).map(|name| name.render(&BTreeMap::new(), ""));
    if !matches!(legal, Ok(Ok(_))) {
        let summary = format!("`{index}` can't be the name of an index");
        return Err(
            Fault::new(ErrorKind::BadValue, at, summary).hint("one index, in small letters")
        );
    }
    Ok(Bookmarks { index, name: read::filled(fields.need("name")?, "`name`", &scope.vars)? })
}

fn after(node: Node, scope: &Scope) -> Result<Vec<String>, Fault> {
    let nodes = match node.value {
        Value::List(items) => items,
        _ => vec![node],
    };
    nodes.into_iter().map(|node| read::name(node, &scope.vars)).collect()
}

fn limits(node: Node) -> Result<RollupLimits, Fault> {
    let mut fields = Fields::open(node, "`limits`", &LIMITS)?;
    let mut limits = RollupLimits::default();
    for (key, to, range) in [
        ("page_docs", &mut limits.page_docs, 1..=MOST_PAGE),
        ("docs_at_once", &mut limits.docs_at_once, 1..=100_000_000),
        ("values_at_once", &mut limits.values_at_once, 1_000..=1_000_000_000),
        ("retries", &mut limits.retries, 0..=100),
    ] {
        if let Some(node) = fields.take(key) {
            *to = cursor::small(&node, &format!("`{key}`"), range)?;
        }
    }
    if let Some(node) = fields.take("retry_delay") {
        limits.retry_delay = cursor::duration(node, "`retry_delay`")?;
    }
    if let Some(node) = fields.take("lease_ttl") {
        let ttl = cursor::duration(node, "`lease_ttl`")?;
        limits.lease_ttl = ttl.max(read::LEAST_LEASE);
    }
    Ok(limits)
}
