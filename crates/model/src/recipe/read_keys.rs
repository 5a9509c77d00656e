//! From the tree to the steps that make documents and their keys.

use super::cursor::{self, Fields, Lists};
use super::error::{ErrorKind, Fault};
use super::node::{Node, Value};
use super::{Explode, KeyTemplate, OnEmpty, RoutingRule};

pub(super) fn explode(node: Node) -> Result<Explode, Fault> {
    let mut fields = Fields::open(node, "`explode`", &["field", "as", "on_empty"])?;
    let field = cursor::path(fields.need("field")?, "`field`", Lists::Refused)?;
    let into = fields.take("as").map(|node| cursor::path(node, "`as`", Lists::Refused));
    let on_empty = fields.take("on_empty").map_or(Ok(OnEmpty::Filter), |node| {
        let words = [("filter", OnEmpty::Filter), ("dead_letter", OnEmpty::DeadLetter)];
        cursor::choice(node, "`on_empty`", &words)
    })?;
    let into = into.transpose()?.unwrap_or_else(|| field.clone());
    Ok(Explode { field, into, on_empty })
}

pub(super) fn template(node: Node, what: &str) -> Result<KeyTemplate, Fault> {
    let at = node.at;
    let text = cursor::text(node, what)?;
    KeyTemplate::parse(&text).map_err(|error| {
        Fault::new(ErrorKind::BadValue, at, format!("{what} can't be `{text}`"))
            .cause(error.to_string())
            .hint("fields of the document in braces, such as \"{record.id}-{community}\"; {_id} is the id it had")
    })
}

pub(super) fn routing(node: Node) -> Result<RoutingRule, Fault> {
    match &node.value {
        Value::Text(word) | Value::Filled(word) if word == "none" => Ok(RoutingRule::None),
        _ => Ok(RoutingRule::Made(template(node, "`routing`")?)),
    }
}
