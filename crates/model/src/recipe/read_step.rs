//! From the tree to the checked steps of the pipeline.

use super::cursor::{self, Fields, Lists};
use super::error::{ErrorKind, Fault, Place, nearest};
use super::node::{Key, Node, Value};
use super::read::{Scope, template};
use super::{
    AsOf, Convert, ConvertKind, Copy, CopyField, CopyFrom, CopyPath, Filter, FilterWhen, Json,
    Lookup, Multiple, OnMissing, Order, Path, Predicate, Remove, Rename, Root, Set, Step,
};
use super::{read_keys, read_values};

const STEPS: [&str; 17] = [
    "lookup", "copy", "set", "default", "rename", "remove", "convert", "date", "split", "join",
    "map", "truncate", "filter", "script", "explode", "id", "routing",
];

/// What copied paths call the document itself.
const DOCUMENT: &str = "doc";

/// Ceiling on the rows one key can bring into a document.
pub(super) const MAX_ROWS: u32 = 10_000;

/// What the steps so far have introduced.
struct Progress<'a> {
    scope: &'a Scope,
    /// Lookups by name, with whether they are lists of rows.
    lookups: Vec<(String, bool)>,
    /// Fields written so far, with the line.
    written: Vec<(Path, u64)>,
    /// Steps that make documents or their keys, with the line.
    keyed: Vec<(String, u64)>,
}

pub(super) fn pipeline(node: Node, scope: &Scope) -> Result<Vec<Step>, Fault> {
    let mut progress =
        Progress { scope, lookups: Vec::new(), written: Vec::new(), keyed: Vec::new() };
    let steps = cursor::list(node, "`pipeline`")?;
    let (steps, places): (Vec<_>, Vec<_>) = steps
        .into_iter()
        .map(|node| {
            let at = node.at;
            (node, at)
        })
        .unzip();
    let steps = steps.into_iter().map(|node| progress.step(node)).collect::<Result<Vec<_>, _>>()?;
    check_keys(&steps, &places)?;
    Ok(steps)
}

/// Documents that are made of one have to have ids of their own.
fn check_keys(steps: &[Step], places: &[Place]) -> Result<(), Fault> {
    let explode = steps.iter().position(|step| matches!(step, Step::Explode(_)));
    let named = steps.iter().any(|step| matches!(step, Step::Id(_)));
    match explode.and_then(|at| places.get(at)).filter(|_| !named) {
        None => Ok(()),
        Some(at) => {
            let summary = "`explode` makes several documents of one, and no step makes their ids";
            Err(Fault::new(ErrorKind::MissingKey, *at, summary)
                .hint("end the pipeline with `- id: \"{_id}-{FIELD}\"`, with what differs in them"))
        }
    }
}

impl Progress<'_> {
    fn step(&mut self, node: Node) -> Result<Step, Fault> {
        let at = node.at;
        let mut members = cursor::mapping(node, "a step").map_err(|fault| {
            fault.hint("a step is its name and what it does: `- remove: [legacy]`")
        })?;
        let (Some((key, body)), true) = (members.pop(), members.is_empty()) else {
            return Err(Fault::new(ErrorKind::BadValue, at, "a step has exactly one key")
                .hint("each step starts with its own dash"));
        };
        self.check_order(&key)?;
        Ok(match key.name.as_str() {
            "lookup" => Step::Lookup(self.lookup(body)?),
            "copy" => Step::Copy(self.copy(body)?),
            "set" => Step::Set(self.set(body)?),
            "rename" => Step::Rename(rename(body)?),
            "remove" => {
                Step::Remove(Remove { fields: one_or_more(body, "`remove`", Lists::Allowed)? })
            }
            "convert" => Step::Convert(convert(body)?),
            "filter" => Step::Filter(filter(body)?),
            "date" => Step::Date(read_values::date(body)?),
            "split" => Step::Split(read_values::split(body)?),
            "join" => Step::Join(read_values::join(body)?),
            "map" => Step::Map(read_values::map(body)?),
            "default" => Step::Default(read_values::defaults(body)?),
            "truncate" => Step::Truncate(read_values::truncate(body)?),
            "script" => Step::Script(read_values::script(body)?),
            "explode" => Step::Explode(read_keys::explode(body)?),
            "id" => Step::Id(read_keys::template(body, "`id`")?),
            "routing" => Step::Routing(read_keys::routing(body)?),
            other => {
                let summary = format!("unknown step `{other}`");
                return Err(
                    Fault::new(ErrorKind::UnknownKey, key.at, summary).did_you_mean(other, STEPS)
                );
            }
        })
    }

    /// Keys are made of finished documents, and rows are found for documents that were read.
    fn check_order(&mut self, key: &Key) -> Result<(), Fault> {
        let name = key.name.as_str();
        let bad = |summary: String| Fault::new(ErrorKind::BadValue, key.at, summary);
        if let Some((other, line)) = self.keyed.iter().find(|(other, _)| other == name) {
            return Err(bad(format!("there is a step `{other}` already, in line {line}"))
                .hint("a pipeline has one of them"));
        }
        let last = |(step, _): &&(String, u64)| step == "id" || step == "routing";
        if let (Some((other, _)), false) =
            (self.keyed.iter().find(last), matches!(name, "id" | "routing"))
        {
            return Err(bad(format!("`{name}` can't follow `{other}`"))
                .cause("keys are made of what a document is in the end")
                .hint(format!("put `{other}` last")));
        }
        if name == "lookup" && !self.keyed.is_empty() {
            return Err(bad("`lookup` can't follow `explode`".to_owned())
                .hint("look up before; what is copied from the row goes into every document"));
        }
        if matches!(name, "explode" | "id" | "routing") {
            self.keyed.push((name.to_owned(), key.at.line));
            // Rows belong to the document that was read.
            self.lookups.clear();
        }
        Ok(())
    }

    fn lookup(&mut self, node: Node) -> Result<Lookup, Fault> {
        let known = ["index", "key", "match", "as", "as_of", "on_missing", "multiple"];
        let mut fields = Fields::open(node, "`lookup`", &known)?;
        let index = template(fields.need("index")?, "`index`", self.scope)?;
        let key = cursor::path(fields.need("key")?, "`key`", Lists::Refused)?;
        let matching = cursor::path(fields.need("match")?, "`match`", Lists::Refused)?;
        let name = self.lookup_name(fields.need("as")?)?;
        let as_of = fields.take("as_of").map_or(Ok(AsOf::Start), |node| {
            cursor::choice(node, "`as_of`", &[("start", AsOf::Start)])
        })?;
        let on_missing = fields.take("on_missing").map_or(Ok(OnMissing::Keep), |node| {
            let words = [
                ("keep", OnMissing::Keep),
                ("dead_letter", OnMissing::DeadLetter),
                ("filter", OnMissing::Filter),
            ];
            cursor::choice(node, "`on_missing`", &words)
        })?;
        let multiple = fields.take("multiple").map(multiple).transpose()?;
        self.lookups.push((name.clone(), multiple.is_some()));
        Ok(Lookup { index, key, matching, name, as_of, on_missing, multiple })
    }

    fn lookup_name(&self, node: Node) -> Result<String, Fault> {
        let at = node.at;
        let name = cursor::text(node, "`as`")?;
        let bad = |summary: String| {
            Err(Fault::new(ErrorKind::BadValue, at, summary)
                .hint("a word of its own, such as `record`: later steps call the row by it"))
        };
        if name == DOCUMENT {
            return bad("`doc` is the document itself and can't be a lookup's name".to_owned());
        }
        if !super::name::is_hole_name(&name) {
            return bad(format!("`{name}` can't be a lookup's name: letters a-z, digits and `_`"));
        }
        if self.lookups.iter().any(|(known, _)| *known == name) {
            return bad(format!("there is a lookup `{name}` already"));
        }
        Ok(name)
    }

    fn copy(&mut self, node: Node) -> Result<Copy, Fault> {
        let members = entries(node, "`copy`")?;
        let mut fields = Vec::with_capacity(members.len());
        for (key, value) in members {
            let target = self.writes(&key)?;
            fields.push(self.copy_field(target, value)?);
        }
        Ok(Copy { fields })
    }

    fn copy_field(&self, target: Path, node: Node) -> Result<CopyField, Fault> {
        if !matches!(node.value, Value::Map(_)) {
            return Ok(CopyField {
                target,
                from: self.from(node)?,
                pick: Vec::new(),
                default: None,
            });
        }
        let mut fields = Fields::open(node, "a copied field", &["from", "pick", "default"])?;
        let from = self.from(fields.need("from")?)?;
        let pick = fields.take("pick").map(|node| one_or_more(node, "`pick`", Lists::Refused));
        let default = fields.take("default").map(|node| cursor::json(&node, "`default`"));
        Ok(CopyField {
            target,
            from,
            pick: pick.transpose()?.unwrap_or_default(),
            default: default.transpose()?,
        })
    }

    fn from(&self, node: Node) -> Result<CopyFrom, Fault> {
        let at = node.at;
        match node.value {
            Value::List(items) if items.is_empty() => {
                Err(Fault::new(ErrorKind::BadValue, at, "a list of paths needs at least one")
                    .hint("for example [record.creators, record.contributors]"))
            }
            Value::List(items) => {
                let paths = items.into_iter().map(|item| self.copy_path(item));
                Ok(CopyFrom::Many(paths.collect::<Result<_, _>>()?))
            }
            _ => Ok(CopyFrom::One(self.copy_path(node)?)),
        }
    }

    fn copy_path(&self, node: Node) -> Result<CopyPath, Fault> {
        let at = node.at;
        let path = cursor::path(node, "a copied path", Lists::Allowed)?;
        let Some(first) = path.segments().first() else {
            return Err(Fault::new(ErrorKind::Path, at, "a copied path is empty")
                .hint("for example doc.title"));
        };
        if first.name == DOCUMENT {
            if first.each || path.segments().len() == 1 {
                let summary = "`doc` is the document itself";
                return Err(Fault::new(ErrorKind::Path, at, summary)
                    .hint("name a field, such as doc.title"));
            }
            return Ok(CopyPath { root: Root::Document, path });
        }
        let Some((name, multiple)) = self.lookups.iter().find(|(name, _)| *name == first.name)
        else {
            return Err(self.unknown_root(at, &first.name));
        };
        if *multiple && !first.each && path.segments().len() > 1 {
            let summary = format!("`{name}` is a list of rows");
            return Err(Fault::new(ErrorKind::Path, at, summary)
                .cause("its lookup has `multiple`")
                .hint(format!("write `{name}[]` to go into each row")));
        }
        Ok(CopyPath { root: Root::Lookup(name.clone()), path })
    }

    fn unknown_root(&self, at: Place, name: &str) -> Fault {
        let known = self.lookups.iter().map(|(name, _)| name.as_str()).chain([DOCUMENT]);
        let summary = format!("no lookup before this step is called `{name}`");
        let fault = Fault::new(ErrorKind::UnknownLookup, at, summary);
        match nearest(name, known) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!("a field of the document is written `doc.{name}`")),
        }
    }

    fn set(&mut self, node: Node) -> Result<Set, Fault> {
        let field = |(key, value): (Key, Node)| -> Result<(Path, Json), Fault> {
            Ok((self.writes(&key)?, cursor::json(&value, "a constant")?))
        };
        let fields = entries(node, "`set`")?.into_iter().map(field).collect::<Result<_, _>>()?;
        Ok(Set { fields })
    }

    /// The field a key names, which no earlier entry may have written.
    fn writes(&mut self, key: &Key) -> Result<Path, Fault> {
        let path = cursor::parse_path(&key.name, key.at, "a field to write", Lists::Refused)?;
        if let Some((other, line)) = self.written.iter().find(|(other, _)| other.overlaps(&path)) {
            let summary = if *other == path {
                format!("`{path}` is written twice, first in line {line}")
            } else {
                format!("`{path}` overlaps `{other}`, written in line {line}")
            };
            return Err(Fault::new(ErrorKind::DuplicateTarget, key.at, summary)
                .cause("one `copy` or `set` entry writes a field")
                .hint("take one away; `default` may follow, for what is absent or null"));
        }
        self.written.push((path.clone(), key.at.line));
        Ok(path)
    }
}

fn multiple(node: Node) -> Result<Multiple, Fault> {
    let mut fields = Fields::open(node, "`multiple`", &["sort", "order", "limit"])?;
    let sort = cursor::path(fields.need("sort")?, "`sort`", Lists::Refused)?;
    let orders = [("asc", Order::Asc), ("desc", Order::Desc)];
    let order = fields
        .take("order")
        .map_or(Ok(Order::Asc), |node| cursor::choice(node, "`order`", &orders))?;
    let limit = fields
        .take("limit")
        .map_or(Ok(100), |node| cursor::small(&node, "`limit`", 1..=MAX_ROWS))?;
    Ok(Multiple { sort, order, limit })
}

/// A mapping with at least one entry.
pub(super) fn entries(node: Node, what: &str) -> Result<Vec<(Key, Node)>, Fault> {
    let at = node.at;
    let members = cursor::mapping(node, what)?;
    if members.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, format!("{what} is empty"))
            .hint("it needs at least one entry; or take it away"));
    }
    Ok(members)
}

/// A list of paths with at least one; a single path needs no list.
fn one_or_more(node: Node, what: &str, lists: Lists) -> Result<Vec<Path>, Fault> {
    if matches!(node.value, Value::Text(_) | Value::Filled(_)) {
        return Ok(vec![cursor::path(node, what, lists)?]);
    }
    let at = node.at;
    let paths = cursor::paths(node, what, lists)?;
    if paths.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, format!("{what} is empty"))
            .hint("it needs at least one field; or take it away"));
    }
    Ok(paths)
}

fn rename(node: Node) -> Result<Rename, Fault> {
    let field = |(key, value): (Key, Node)| {
        let old = cursor::parse_path(&key.name, key.at, "a field to rename", Lists::Refused)?;
        let at = value.at;
        let new = cursor::path(value, "a new name", Lists::Refused)?;
        if old.overlaps(&new) {
            let summary = format!("`{old}` can't become `{new}`: one is the other or holds it");
            return Err(Fault::new(ErrorKind::BadValue, at, summary)
                .hint("choose a name that is neither in it nor around it"));
        }
        Ok((old, new))
    };
    let fields = entries(node, "`rename`")?.into_iter().map(field).collect::<Result<_, _>>()?;
    Ok(Rename { fields })
}

fn convert(node: Node) -> Result<Convert, Fault> {
    let field = |(key, value): (Key, Node)| {
        let path = cursor::parse_path(&key.name, key.at, "a field to convert", Lists::Allowed)?;
        Ok((path, cursor::choice(value, "a type", &ConvertKind::NAMES)?))
    };
    let fields = entries(node, "`convert`")?.into_iter().map(field).collect::<Result<_, _>>()?;
    Ok(Convert { fields })
}

fn filter(node: Node) -> Result<Filter, Fault> {
    let mut fields = Fields::open(node, "`filter`", &["drop_if", "keep_if", "reason"])?;
    let when = match (fields.take("drop_if"), fields.take("keep_if")) {
        (Some(test), None) => FilterWhen::Drop(predicate(test)?),
        (None, Some(test)) => FilterWhen::Keep(predicate(test)?),
        _ => {
            let summary = "`filter` needs `drop_if` or `keep_if`, not both";
            return Err(Fault::new(ErrorKind::BadValue, fields.at(), summary)
                .hint("for example `drop_if: { field: is_robot, equals: true }`"));
        }
    };
    let reason = cursor::text(fields.need("reason")?, "`reason`")?;
    Ok(Filter { when, reason })
}

fn predicate(node: Node) -> Result<Predicate, Fault> {
    let mut fields = Fields::open(node, "a test", &["field", "equals", "in", "exists", "missing"])?;
    let field = cursor::path(fields.need("field")?, "`field`", Lists::Allowed)?;
    let tests = ["equals", "in", "exists", "missing"].map(|key| fields.take(key));
    match tests {
        [Some(value), None, None, None] => Ok(Predicate::Equals(field, scalar(&value)?)),
        [None, Some(values), None, None] => {
            let values = cursor::list(values, "`in`")?;
            Ok(Predicate::In(field, values.iter().map(scalar).collect::<Result<_, _>>()?))
        }
        [None, None, Some(exists), None] => {
            Ok(presence(field, cursor::boolean(&exists, "`exists`")?))
        }
        [None, None, None, Some(missing)] => {
            Ok(presence(field, !cursor::boolean(&missing, "`missing`")?))
        }
        _ => {
            Err(Fault::new(ErrorKind::BadValue, fields.at(), "a test needs exactly one condition")
                .hint("`equals`, `in`, `exists` or `missing`"))
        }
    }
}

fn presence(field: Path, there: bool) -> Predicate {
    if there { Predicate::Exists(field) } else { Predicate::Missing(field) }
}

fn scalar(node: &Node) -> Result<Json, Fault> {
    match node.value {
        Value::Null => Err(Fault::new(ErrorKind::WrongType, node.at, "null can't be compared")
            .hint("write `missing: true`")),
        Value::List(_) | Value::Map(_) => {
            let summary = format!("a test compares single values, not {}", node.value.noun());
            Err(Fault::new(ErrorKind::WrongType, node.at, summary)
                .hint("`in: [a, b]` compares with several; a list in the document needs no `[]`"))
        }
        _ => cursor::json(node, "a compared value"),
    }
}
