//! From the tree to a roll-up of entities: what comes and goes.

use std::collections::BTreeSet;

use super::cursor::{self, Fields, Lists};
use super::error::{ErrorKind, Fault, Place};
use super::node::Node;
use super::read::Scope;
use super::read_rollup::{Counted, check_member, check_source, index, json_object, metric};
use super::{Entities, Feed, KeySpec, Members, NamedMetric, Path, Role, RollupSource};

const KEYS: [&str; 9] =
    ["index", "id", "from", "until", "query", "added", "removed", "members", "metrics"];
const MEMBER_KEYS: [&str; 8] =
    ["index", "id", "key", "date", "query", "change", "added", "removed"];

pub(super) fn entities(
    node: Node,
    key: &KeySpec,
    has_start: bool,
    scope: &Scope,
) -> Result<Counted, Fault> {
    let mut fields = Fields::open(node, "`entities`", &KEYS)?;
    let at = fields.at();
    check(key, has_start, at)?;
    let index = index(fields.need("index")?, scope)?;
    let id = plain(fields.need("id")?, "`id`")?;
    let from = plain(fields.need("from")?, "`from`")?;
    let until = fields.take("until").map(|node| plain(node, "`until`")).transpose()?;
    let query = fields.take("query").map(|node| json_object(&node, "`query`")).transpose()?;
    let names = [word(&mut fields, "added")?, word(&mut fields, "removed")?];
    if names[0] == names[1] {
        return Err(Fault::new(ErrorKind::BadValue, at, "`added` and `removed` are the same name")
            .hint("leave them out, or give each its own"));
    }
    for name in &names {
        check_member(name, at, "`added` and `removed`")?;
        check_source(name, at)?;
    }
    let metrics = metrics(fields.need("metrics")?, key)?;
    let feed = |name: &str, date: &Path, role| Feed {
        name: name.to_owned(),
        index: index.clone(),
        date: date.clone(),
        query: query.clone(),
        role,
    };
    let mut feeds = vec![feed("from", &from, Role::From)];
    feeds.extend(until.iter().map(|until| feed("until", until, Role::Until)));
    let members = fields.take("members").map(|node| members(node, scope)).transpose()?;
    let members = members.map(|(feed, members)| {
        feeds.push(feed);
        members
    });
    if members.is_none() && key.all.is_none() {
        return Err(Fault::new(ErrorKind::BadValue, at, "these entities count for no key")
            .hint("`members` says of what they are members, `all` of the key names everything"));
    }
    let sources = names
        .map(|name| RollupSource { name, metrics: metrics.clone(), copy: Vec::new() })
        .to_vec();
    Ok(Counted { sources, feeds, entities: Some(Entities { id, from, until, members }) })
}

fn check(key: &KeySpec, has_start: bool, at: Place) -> Result<(), Fault> {
    let bad = |summary: &str| Fault::new(ErrorKind::BadValue, at, summary.to_owned());
    if key.field.is_some() {
        return Err(bad("`key` has a `field`, but `entities` have their keys from `members`")
            .hint("`key: { as: NAME, all: NAME }`, and `key` in `members`"));
    }
    if has_start {
        return Err(bad(
            "`start` would leave out what began before, and what is there would be wrong",
        )
        .hint("leave `start` out: the first period is that of the first entity"));
    }
    Ok(())
}

fn members(node: Node, scope: &Scope) -> Result<(Feed, Members), Fault> {
    let mut fields = Fields::open(node, "`members`", &MEMBER_KEYS)?;
    let index = index(fields.need("index")?, scope)?;
    let date = plain(fields.need("date")?, "`date`")?;
    let query = fields.take("query").map(|node| json_object(&node, "`query`")).transpose()?;
    let members = Members {
        entity: plain(fields.need("id")?, "`id`")?,
        key: plain(fields.need("key")?, "`key`")?,
        change: plain(fields.need("change")?, "`change`")?,
        added: word(&mut fields, "added")?,
        removed: word(&mut fields, "removed")?,
    };
    let feed = Feed { name: "members".to_owned(), index, date, query, role: Role::Change };
    Ok((feed, members))
}

fn plain(node: Node, what: &str) -> Result<Path, Fault> {
    cursor::path(node, what, Lists::Refused)
}

/// A name that is the key's own unless the recipe gives another.
fn word(fields: &mut Fields, key: &str) -> Result<String, Fault> {
    let node = fields.take(key);
    let text = node.map(|node| cursor::text(node, &format!("`{key}`"))).transpose()?;
    Ok(text.unwrap_or_else(|| key.to_owned()))
}

/// Numbers of entities have names of one piece or two: `uploaders`, `records.with_files`.
fn metrics(node: Node, key: &KeySpec) -> Result<Vec<NamedMetric>, Fault> {
    let at = node.at;
    let entries = cursor::mapping(node, "`metrics`")?;
    if entries.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, "`metrics` is empty".to_owned())
            .hint("name at least one"));
    }
    let (mut groups, mut alone) = (BTreeSet::new(), BTreeSet::new());
    let mut metrics = Vec::new();
    for (name, node) in entries {
        let pieces: Vec<&str> = name.name.splitn(2, '.').collect();
        for piece in &pieces {
            check_member(piece, name.at, "a metric")?;
            if [key.name.as_str(), "id", "label"].contains(piece) {
                let summary = format!("a metric: `{piece}` is written already");
                return Err(
                    Fault::new(ErrorKind::BadValue, name.at, summary).hint("take another name")
                );
            }
        }
        match pieces.as_slice() {
            [group, _] => groups.insert((*group).to_owned()),
            _ => alone.insert(name.name.clone()),
        };
        metrics.push(metric(name.name, node)?);
    }
    if let Some(both) = groups.intersection(&alone).next() {
        let summary = format!("`{both}` is a metric and a group of metrics");
        return Err(Fault::new(ErrorKind::BadValue, at, summary).hint("take another name"));
    }
    Ok(metrics)
}
