//! From the tree to a recipe of membership.

use std::collections::BTreeMap;

use super::cursor::{self, Fields, Lists};
use super::error::{ErrorKind, Fault, Place};
use super::membership::{
    ChangeKeys, EventFields, EventSpec, MemberSource, MembershipLimits, MembershipRecipe,
    MembershipSpec, TemplateSpec,
};
use super::node::{self, Node, Value};
use super::read::{self, Scope};
use super::{NameTemplate, Path};

/// The section that makes a recipe one of membership.
pub(super) const MEMBERSHIP: &str = "membership";

const SECTIONS: [&str; 6] = ["segue", "name", "vars", "cluster", MEMBERSHIP, "limits"];
const MEMBERS: [&str; 9] =
    ["index", "query", "id", "groups", "all", "since", "published", "deleted", "deleted_at"];
const EVENTS: [&str; 5] = ["index", "alias", "template", "fields", "words"];
const FIELDS: [&str; 10] = [
    "member",
    "group",
    "type",
    "date",
    "written",
    "updated",
    "since",
    "published",
    "deleted",
    "deleted_at",
];
const LIMITS: [&str; 3] = ["page_docs", "retries", "retry_delay"];
/// What the engines answer with at most, by default, is 10,000.
const MOST_PAGE: u32 = 5_000;
/// Above that of the templates that applications ship.
const PRIORITY: u32 = 110;
const TAKEN: [&str; 6] = ["action", "at", "since", "published", "deleted", "deleted_at"];

pub(super) fn is_membership(text: &str) -> bool {
    match node::read(text).map(|node| node.value) {
        Ok(Value::Map(members)) => members.iter().any(|(key, _)| key.name == MEMBERSHIP),
        _ => false,
    }
}

/// Refuses the recipe of membership where one of a migration is wanted.
pub(super) fn refuse(root: &Node) -> Result<(), Fault> {
    let Value::Map(members) = &root.value else { return Ok(()) };
    match members.iter().find(|(key, _)| key.name == MEMBERSHIP) {
        None => Ok(()),
        Some((key, _)) => {
            Err(Fault::new(ErrorKind::UnknownKey, key.at, "this is a recipe of membership")
                .hint("`segue membership run`, `apply` and `status` are its verbs"))
        }
    }
}

pub(super) fn recipe(
    text: &str,
    set: &BTreeMap<String, String>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<MembershipRecipe, Fault> {
    let mut root = node::read(text)?;
    root.expand(env)?;
    let mut fields = Fields::open(root, "the recipe of membership", &SECTIONS)?;
    read::language(&fields.need("segue")?)?;
    let named = fields.need("name")?;
    let vars = read::vars(fields.take("vars"), set, fields.at())?;
    let name = read::name(named, &vars)?;
    let cluster = read::cluster(fields.need("cluster")?)?;
    let captures = ["year", "month", "day"].map(str::to_owned).to_vec();
    let membership = spec(fields.need(MEMBERSHIP)?, &Scope { vars, captures })?;
    let limits = fields.take("limits").map(limits).transpose()?.unwrap_or_default();
    Ok(MembershipRecipe { name, cluster, membership, limits })
}

fn spec(node: Node, scope: &Scope) -> Result<MembershipSpec, Fault> {
    let mut fields = Fields::open(node, "`membership`", &["members", "events", "changes"])?;
    let members = members(fields.need("members")?, scope)?;
    let events = events(fields.need("events")?, scope)?;
    let changes = fields.take("changes").map(changes).transpose()?.unwrap_or_default();
    Ok(MembershipSpec { members, events, changes })
}

fn members(node: Node, scope: &Scope) -> Result<MemberSource, Fault> {
    let mut fields = Fields::open(node, "`members`", &MEMBERS)?;
    let wanted = fields.need("index")?;
    let at = wanted.at;
    let index = read::filled(wanted, "`index`", &scope.vars)?;
    if index.is_empty() || index.contains(['/', '?', '#', ' ', '"', ',']) {
        let summary = format!("`{index}` isn't an index, alias or pattern");
        return Err(Fault::new(ErrorKind::BadValue, at, summary)
            .hint("one name, in which `*` stands for anything"));
    }
    let query = fields.take("query").map(|node| query(&node)).transpose()?;
    let one = |node: Node, what: &str| cursor::path(node, what, Lists::Refused);
    let id = one(fields.need("id")?, "`id`")?;
    let groups = cursor::path(fields.need("groups")?, "`groups`", Lists::Allowed)?;
    let all = fields.take("all").map(|node| text(node, "`all`")).transpose()?;
    let since = one(fields.need("since")?, "`since`")?;
    let mut other = |key: &str| -> Result<Option<Path>, Fault> {
        fields.take(key).map(|node| one(node, &format!("`{key}`"))).transpose()
    };
    let (published, deleted) = (other("published")?, other("deleted")?);
    let deleted_at = other("deleted_at")?;
    Ok(MemberSource { index, query, id, groups, all, since, published, deleted, deleted_at })
}

fn query(node: &Node) -> Result<super::Json, Fault> {
    if matches!(node.value, Value::Map(_)) {
        return cursor::json(node, "`query`");
    }
    let summary = format!("`query` must be a mapping, not {}", node.value.noun());
    Err(Fault::new(ErrorKind::WrongType, node.at, summary)
        .hint("a query as the engines write it: `query: { term: { is_published: true } }`"))
}

/// A text that is not empty.
fn text(node: Node, what: &str) -> Result<String, Fault> {
    let at = node.at;
    let text = cursor::text(node, what)?;
    if text.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, format!("{what} is empty"))
            .hint("give it a value, or take it away"));
    }
    Ok(text)
}

fn events(node: Node, scope: &Scope) -> Result<EventSpec, Fault> {
    let mut fields = Fields::open(node, "`events`", &EVENTS)?;
    let wanted = fields.need("index")?;
    let at = wanted.at;
    let index = read::template(wanted, "`index`", scope)?;
    if index.holes().any(|hole| hole == super::name::SOURCE) {
        return Err(Fault::new(ErrorKind::Capture, at, "`{source}` means nothing here")
            .hint("`{year}`, `{month}` and `{day}` of the event can be in the name"));
    }
    if index.wildcard().starts_with('*') {
        return Err(Fault::new(ErrorKind::BadValue, at, "`index` begins with a date")
            .hint("put a name before it, such as `events-{year}`"));
    }
    let alias = fields.take("alias").map(|node| alias(node, scope)).transpose()?;
    let template = fields.take("template").map(|node| template(node, scope)).transpose()?;
    let names = event_fields(fields.need("fields")?)?;
    let (added, removed) = match fields.take("words") {
        None => ("added".to_owned(), "removed".to_owned()),
        Some(node) => words(node)?,
    };
    Ok(EventSpec { index, alias, template, fields: names, added, removed })
}

/// One name that can be an index's.
fn alias(node: Node, scope: &Scope) -> Result<String, Fault> {
    let at = node.at;
    let name = read::filled(node, "`alias`", &scope.vars)?;
    let legal = NameTemplate::new(&name).map(|name| name.render(&BTreeMap::new(), ""));
    if matches!(legal, Ok(Ok(_))) {
        return Ok(name);
    }
    let summary = format!("`{name}` can't be an alias");
    Err(Fault::new(ErrorKind::BadValue, at, summary).hint("one name, in small letters"))
}

fn template(node: Node, scope: &Scope) -> Result<TemplateSpec, Fault> {
    let mut fields = Fields::open(node, "`template`", &["name", "file", "priority"])?;
    let name = fields.need("name")?;
    let at = name.at;
    let name = read::filled(name, "`name`", &scope.vars)?;
    if name.is_empty() || name.contains(['/', '?', '#', '*', ',', ' ', '"']) {
        let summary = format!("`{name}` can't be the name of an index template");
        return Err(Fault::new(ErrorKind::BadValue, at, summary).hint("for example events-v1"));
    }
    let file = read::filled(fields.need("file")?, "`file`", &scope.vars)?;
    let priority = fields.take("priority");
    let priority =
        priority.map(|node| cursor::small(&node, "`priority`", 0..=u32::MAX)).transpose()?;
    Ok(TemplateSpec { name, file, priority: priority.unwrap_or(PRIORITY) })
}

fn words(node: Node) -> Result<(String, String), Fault> {
    let mut fields = Fields::open(node, "`words`", &["added", "removed"])?;
    let added = text(fields.need("added")?, "`added`")?;
    let removed = text(fields.need("removed")?, "`removed`")?;
    if added == removed {
        return Err(Fault::new(ErrorKind::BadValue, fields.at(), "both words are the same")
            .hint("joining and leaving must be told apart"));
    }
    Ok((added, removed))
}

fn event_fields(node: Node) -> Result<EventFields, Fault> {
    let mut fields = Fields::open(node, "`fields`", &FIELDS)?;
    let at = fields.at();
    let mut taken: Vec<String> = Vec::new();
    let mut names = EventFields::default();
    for (key, to) in [
        ("member", &mut names.member),
        ("group", &mut names.group),
        ("type", &mut names.kind),
        ("date", &mut names.at),
        ("written", &mut names.written),
    ] {
        *to = name(fields.need(key)?, key, &mut taken)?;
    }
    for (key, to) in [
        ("updated", &mut names.updated),
        ("since", &mut names.since),
        ("published", &mut names.published),
        ("deleted", &mut names.deleted),
        ("deleted_at", &mut names.deleted_at),
    ] {
        if let Some(node) = fields.take(key) {
            *to = Some(name(node, key, &mut taken)?);
        }
    }
    if names.deleted_at.is_some() && names.deleted.is_none() {
        return Err(Fault::new(ErrorKind::BadValue, at, "`deleted_at` without `deleted`")
            .hint("name the field that says whether the member was deleted, too"));
    }
    Ok(names)
}

/// The name of one field, at the top of the document, that nothing else has.
fn name(node: Node, key: &str, taken: &mut Vec<String>) -> Result<String, Fault> {
    let at = node.at;
    let name = cursor::text(node, &format!("`{key}`"))?;
    check(&name, key, at)?;
    if taken.contains(&name) {
        return Err(Fault::new(ErrorKind::BadValue, at, format!("`{name}` has two meanings"))
            .hint("each is a field of its own"));
    }
    taken.push(name.clone());
    Ok(name)
}

fn check(name: &str, key: &str, at: Place) -> Result<(), Fault> {
    if name.is_empty() || name.starts_with('_') || name.contains(['.', '*', '"', ' ']) {
        let summary = format!("`{key}`: `{name}` can't be the name of a field");
        return Err(
            Fault::new(ErrorKind::BadValue, at, summary).hint("one name, without dots and blanks")
        );
    }
    Ok(())
}

fn changes(node: Node) -> Result<ChangeKeys, Fault> {
    let mut fields = Fields::open(node, "`changes`", &["member", "group"])?;
    let mut taken = TAKEN.map(str::to_owned).to_vec();
    let mut keys = ChangeKeys::default();
    for (key, to) in [("member", &mut keys.member), ("group", &mut keys.group)] {
        if let Some(node) = fields.take(key) {
            *to = name(node, key, &mut taken)?;
        }
    }
    Ok(keys)
}

fn limits(node: Node) -> Result<MembershipLimits, Fault> {
    let mut fields = Fields::open(node, "`limits`", &LIMITS)?;
    let mut limits = MembershipLimits::default();
    for (key, to, range) in [
        ("page_docs", &mut limits.page_docs, 1..=MOST_PAGE),
        ("retries", &mut limits.retries, 0..=100),
    ] {
        if let Some(node) = fields.take(key) {
            *to = cursor::small(&node, &format!("`{key}`"), range)?;
        }
    }
    if let Some(node) = fields.take("retry_delay") {
        limits.retry_delay = cursor::duration(node, "`retry_delay`")?;
    }
    Ok(limits)
}
