//! From the tree to the steps that rewrite single values, and the script.

use super::cursor::{self, Fields, Lists};
use super::date::{self, DateError, DateFormat, Offset};
use super::error::{ErrorKind, Fault};
use super::node::{Key, Node, Value};
use super::read_step::entries;
use super::{
    Date, DateRule, Defaults, Join, Json, MapValues, Otherwise, Path, Script, Split, SplitRule,
    Truncate, ValueTable,
};

/// The most characters that a text can be cut to.
pub(super) const MOST_CHARACTERS: u32 = 100_000_000;

/// Field and rule of each entry; `rule` reads what stands for a field.
fn fields<T>(
    node: Node,
    step: &'static str,
    rule: impl Fn(Node) -> Result<T, Fault>,
) -> Result<Vec<(Path, T)>, Fault> {
    let field = |(key, value): (Key, Node)| {
        let what = format!("a field of {step}");
        let path = cursor::parse_path(&key.name, key.at, &what, Lists::Allowed)?;
        Ok((path, rule(value)?))
    };
    entries(node, step)?.into_iter().map(field).collect()
}

pub(super) fn date(node: Node) -> Result<Date, Fault> {
    Ok(Date { fields: fields(node, "`date`", date_rule)? })
}

fn date_rule(node: Node) -> Result<DateRule, Fault> {
    if !matches!(node.value, Value::Map(_)) {
        let summary = format!("a date must be a mapping, not {}", node.value.noun());
        return Err(Fault::new(ErrorKind::WrongType, node.at, summary)
            .hint("for example `{ from: iso }`, which writes it as iso, too"));
    }
    let mut fields = Fields::open(node, "a date", &["from", "to", "zone", "to_zone"])?;
    let from = formats(fields.need("from")?)?;
    let to = fields.take("to").map_or(Ok(DateFormat::Iso), format)?;
    let zone = fields.take("zone").map(offset).transpose()?.unwrap_or_default();
    let to_zone = fields.take("to_zone").map(offset).transpose()?.unwrap_or_default();
    Ok(DateRule { from, to, zone, to_zone })
}

/// A list of formats to read with, at least one; a single one needs no list.
fn formats(node: Node) -> Result<Vec<DateFormat>, Fault> {
    let at = node.at;
    let nodes = match node.value {
        Value::List(items) if items.is_empty() => {
            return Err(Fault::new(ErrorKind::BadValue, at, "`from` is empty")
                .hint("for example [iso, dd.MM.yyyy]"));
        }
        Value::List(items) => items,
        _ => vec![node],
    };
    let readable = |node: Node| {
        let at = node.at;
        let format = format(node)?;
        match format.check_readable() {
            Ok(()) => Ok(format),
            Err(error) => Err(Fault::new(ErrorKind::BadValue, at, error.to_string())
                .hint("for example yyyy-MM-dd HH:mm, or yyyy-MM-dd hh:mm a")),
        }
    };
    nodes.into_iter().map(readable).collect()
}

fn format(node: Node) -> Result<DateFormat, Fault> {
    let at = node.at;
    let text = cursor::text(node, "a format")?;
    DateFormat::parse(&text).map_err(|error| {
        let fault = Fault::new(ErrorKind::BadValue, at, format!("`{text}` isn't a format"));
        let fault = fault.cause(error.to_string());
        match (&error, text.as_str()) {
            (DateError::Unknown(letters), _) if letters == "yy" => {
                fault.hint("two digits leave the century open: write yyyy")
            }
            (_, text) if !text.contains(|c: char| !c.is_ascii_lowercase() && c != '_') => {
                fault.did_you_mean(text, ["iso", "epoch_millis", "epoch_second"])
            }
            _ => fault.hint(format!("letters: {}", date::LETTERS)),
        }
    })
}

fn offset(node: Node) -> Result<Offset, Fault> {
    let at = node.at;
    let text = cursor::text(node, "a zone")?;
    Offset::parse(&text).ok_or_else(|| {
        Fault::new(ErrorKind::BadValue, at, format!("`{text}` isn't an offset"))
            .hint("UTC or a fixed offset such as +02:00; names of places aren't known")
    })
}

pub(super) fn split(node: Node) -> Result<Split, Fault> {
    let rule = |node: Node| {
        let plain = |by| SplitRule { by, trim: false, skip_empty: false };
        if !matches!(node.value, Value::Map(_)) {
            return Ok(plain(separator(node)?));
        }
        let mut fields = Fields::open(node, "a split field", &["by", "trim", "skip_empty"])?;
        let mut rule = plain(separator(fields.need("by")?)?);
        if let Some(node) = fields.take("trim") {
            rule.trim = cursor::boolean(&node, "`trim`")?;
        }
        if let Some(node) = fields.take("skip_empty") {
            rule.skip_empty = cursor::boolean(&node, "`skip_empty`")?;
        }
        Ok(rule)
    };
    Ok(Split { fields: fields(node, "`split`", rule)? })
}

fn separator(node: Node) -> Result<String, Fault> {
    let at = node.at;
    let by = cursor::text(node, "what to split at")?;
    if by.is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, "what to split at is empty")
            .hint("for example \",\""));
    }
    Ok(by)
}

pub(super) fn join(node: Node) -> Result<Join, Fault> {
    let rule = |node| cursor::text(node, "what to join with");
    Ok(Join { fields: fields(node, "`join`", rule)? })
}

pub(super) fn map(node: Node) -> Result<MapValues, Fault> {
    Ok(MapValues { fields: fields(node, "`map`", table)? })
}

fn table(node: Node) -> Result<ValueTable, Fault> {
    let mut fields = Fields::open(node, "a table", &["values", "default", "otherwise"])?;
    let mut values: Vec<(String, Json)> = Vec::new();
    for (key, value) in entries(fields.need("values")?, "`values`")? {
        values.push((key.name, cursor::json(&value, "a value")?));
    }
    let default = fields.take("default");
    let words = [("dead_letter", Otherwise::DeadLetter), ("keep", Otherwise::Keep)];
    let otherwise = match (default, fields.take("otherwise")) {
        (Some(default), None) => Otherwise::Put(cursor::json(&default, "`default`")?),
        (None, Some(node)) => {
            let word = [("dead_letter", 0), ("keep", 1)];
            words[cursor::choice(node, "`otherwise`", &word)?].1.clone()
        }
        (None, None) => Otherwise::DeadLetter,
        (Some(_), Some(node)) => {
            let summary = "a table has `default` or `otherwise`, not both";
            return Err(Fault::new(ErrorKind::BadValue, node.at, summary)
                .hint("both say what becomes of a value that isn't in `values`: take one away"));
        }
    };
    Ok(ValueTable { values, otherwise })
}

pub(super) fn defaults(node: Node) -> Result<Defaults, Fault> {
    let field = |(key, value): (Key, Node)| {
        let path = cursor::parse_path(&key.name, key.at, "a field of `default`", Lists::Refused)?;
        if matches!(value.value, Value::Null) {
            return Err(Fault::new(ErrorKind::BadValue, value.at, "null can't be a default")
                .hint("write a value; without this entry what is absent or null stays so"));
        }
        Ok((path, cursor::json(&value, "a default")?))
    };
    let fields = entries(node, "`default`")?.into_iter().map(field).collect::<Result<_, _>>()?;
    Ok(Defaults { fields })
}

pub(super) fn truncate(node: Node) -> Result<Truncate, Fault> {
    let rule = |node: Node| cursor::small(&node, "a number of characters", 0..=MOST_CHARACTERS);
    Ok(Truncate { fields: fields(node, "`truncate`", rule)? })
}

pub(super) fn script(node: Node) -> Result<Script, Fault> {
    let at = node.at;
    let code = cursor::text(node, "`script`")?;
    if code.trim().is_empty() {
        return Err(Fault::new(ErrorKind::BadValue, at, "`script` is empty")
            .hint("write a program, or take the step away"));
    }
    Ok(Script { code, at: (at.line, at.column) })
}
