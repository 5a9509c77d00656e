//! Fields that differ, object by object.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::effect::{Effect, Leniency, is_object, kind, of_dynamic, of_parameter, of_type, truth};
use super::{Added, Changed, Difference, Lost, Then};
use crate::observe::mapping::{Unknown, is_searchable, takes};
use crate::plan::shape::{Arrival, Content, Shape, covers};
use crate::recipe::ConvertKind;

/// Adds what differs between the mappings of source and target.
pub(super) fn compare(
    shape: &Shape,
    (source, target): (&Value, &Value),
    lenient: Leniency,
    difference: &mut Difference,
) {
    let mut walk = Walk { shape, target, lenient, difference, known: BTreeSet::new() };
    walk.rules(source);
    walk.object(source, "");
    walk.added(target, "");
    difference.lost.sort_by(|a, b| (a.then, &a.field).cmp(&(b.then, &b.field)));
    difference.changed.sort_by(|a, b| (a.effect, &a.field).cmp(&(b.effect, &b.field)));
}

struct Walk<'a> {
    shape: &'a Shape,
    target: &'a Value,
    lenient: Leniency,
    difference: &'a mut Difference,
    /// Paths of the target that a field of the source has.
    known: BTreeSet<String>,
}

/// One field on its way.
struct Moved<'a> {
    path: &'a str,
    to: &'a str,
    content: Content,
}

impl Moved<'_> {
    fn becomes(&self) -> Option<String> {
        (self.path != self.to).then(|| self.to.to_owned())
    }

    fn changed(&self, what: &str, (from, to): (&Value, &Value), told: (Effect, String)) -> Changed {
        Changed {
            field: self.path.to_owned(),
            becomes: self.becomes(),
            what: what.to_owned(),
            from: from.clone(),
            to: to.clone(),
            effect: told.0,
            why: told.1,
        }
    }
}

impl Walk<'_> {
    /// Rules for the mapping as a whole.
    fn rules(&mut self, source: &Value) {
        for name in names([source, self.target], &["properties", "_meta"]) {
            let (from, to) = (&source[&name], &self.target[&name]);
            if alike(&name, from, to) {
                continue;
            }
            let told = match name.as_str() {
                "dynamic" => of_dynamic(from, to),
                "_routing" if to["required"] == true => {
                    let why = "documents without a routing are refused";
                    (Effect::MayBeRefused, why.to_owned())
                }
                "date_detection"
                | "numeric_detection"
                | "dynamic_templates"
                | "dynamic_date_formats" => {
                    (Effect::SearchedOtherwise, "new fields are mapped otherwise".to_owned())
                }
                "runtime" | "derived" => {
                    (Effect::SearchedOtherwise, "computed fields are others".to_owned())
                }
                _ => (Effect::AsBefore, String::new()),
            };
            let rule = Moved { path: "", to: "", content: Content::Same };
            self.difference.changed.push(rule.changed(&name, (from, to), told));
        }
    }

    fn object(&mut self, object: &Value, prefix: &str) {
        for (name, field) in object["properties"].as_object().into_iter().flatten() {
            let path = join(prefix, name);
            match self.shape.arrives(&path) {
                Arrival::Removed => self.lose(field, (&path, &path), Then::Removed),
                // What is written in its place is what the target has there.
                Arrival::Overwritten => drop(self.known.insert(path)),
                Arrival::At(to, content) => {
                    self.field(field, &Moved { path: &path, to: &to, content });
                }
            }
        }
    }

    fn field(&mut self, field: &Value, moved: &Moved<'_>) {
        let Some(there) = at(self.target, moved.to) else {
            return self.absent(field, moved);
        };
        self.known.insert(moved.to.to_owned());
        if moved.path != moved.to && !is_object(field) {
            let told = (Effect::AsBefore, "renamed by the pipeline".to_owned());
            let names = (&json!(moved.path), &json!(moved.to));
            self.difference.changed.push(moved.changed("name", names, told));
        }
        self.same_place(field, there, moved);
        if is_object(field) && is_object(there) {
            self.object(field, moved.path);
        }
        for (name, sub) in field["fields"].as_object().into_iter().flatten() {
            let (path, to) = (join(moved.path, name), join(moved.to, name));
            match there["fields"].get(name) {
                // Documents do not have it, so nothing is refused or guessed for it.
                None => self.lose(sub, (&path, &to), Then::NotSearchable),
                Some(other) => {
                    self.known.insert(to.clone());
                    let moved = Moved { path: &path, to: &to, content: moved.content };
                    self.same_place(sub, other, &moved);
                }
            }
        }
    }

    /// A field that the target does not have.
    fn absent(&mut self, field: &Value, moved: &Moved<'_>) {
        // Within a field that is searched as a whole: that is told of the field around it.
        if is_searchable(self.target, moved.to) {
            return;
        }
        if field["properties"].is_object() {
            return self.object(field, moved.path);
        }
        let then = match takes(self.target, moved.to) {
            // It is in no document.
            _ if field["type"] == "alias" => Then::NotSearchable,
            Unknown::Refused => Then::Refused,
            Unknown::Ignored => Then::NotSearchable,
            Unknown::Mapped => Then::Guessed,
        };
        self.lose(field, (moved.path, moved.to), then);
        for (name, sub) in field["fields"].as_object().into_iter().flatten() {
            let (path, to) = (join(moved.path, name), join(moved.to, name));
            self.lose(sub, (&path, &to), Then::NotSearchable);
        }
    }

    fn lose(&mut self, field: &Value, (path, to): (&str, &str), then: Then) {
        let off = |parameter: &str| truth(&field[parameter]) == Some(false);
        self.difference.lost.push(Lost {
            field: path.to_owned(),
            becomes: (path != to).then(|| to.to_owned()),
            kind: kind(field).to_owned(),
            then,
            searched: !off("enabled"),
        });
    }

    /// Compares type and parameters.
    fn same_place(&mut self, field: &Value, there: &Value, moved: &Moved<'_>) {
        let (was, is) = (kind(field), kind(there));
        let now = match moved.content {
            Content::Converted(kind) => type_of(kind),
            Content::Same | Content::Rewritten => was,
        };
        if was != is {
            let told = match moved.content {
                Content::Rewritten => {
                    (Effect::AsBefore, "its values are rewritten by the pipeline".to_owned())
                }
                _ if now == is => {
                    (Effect::AsBefore, "its values are converted by the pipeline".to_owned())
                }
                _ => of_type(now, there, self.lenient),
            };
            let change = moved.changed("type", (&json!(was), &json!(is)), told);
            return self.difference.changed.push(change);
        }
        if now != is {
            // Converted to something else than the target has.
            let told = of_type(now, there, self.lenient);
            let change = moved.changed("type", (&json!(now), &json!(is)), told);
            self.difference.changed.push(change);
        }
        for name in names([field, there], &["properties", "fields", "type", "meta"]) {
            if alike(&name, &field[&name], &there[&name]) {
                continue;
            }
            let told = of_parameter(&name, field, there);
            let change = moved.changed(&name, (&field[&name], &there[&name]), told);
            self.difference.changed.push(change);
        }
    }

    /// Innermost fields and multi-fields of the target that no field of the source has.
    fn added(&mut self, object: &Value, prefix: &str) {
        for (name, field) in object["properties"].as_object().into_iter().flatten() {
            let path = join(prefix, name);
            if field["properties"].is_object() {
                self.added(field, &path);
            } else {
                self.add(field, &path);
            }
            for (name, sub) in field["fields"].as_object().into_iter().flatten() {
                self.add(sub, &join(&path, name));
            }
        }
    }

    fn add(&mut self, field: &Value, path: &str) {
        if self.known.contains(path) {
            return;
        }
        let written = self.shape.written.iter().any(|written| covers(written, path));
        let kind = kind(field).to_owned();
        self.difference.added.push(Added { field: path.to_owned(), kind, written });
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The field of this path.
fn at<'a>(mappings: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(mappings, |at, segment| at["properties"].get(segment))
}

/// The keys of either, but for some.
fn names(both: [&Value; 2], but: &[&str]) -> BTreeSet<String> {
    let keys = both.into_iter().filter_map(Value::as_object).flat_map(|object| object.keys());
    keys.filter(|key| !but.contains(&key.as_str())).cloned().collect()
}

/// What parameters are where nobody states them.
const DEFAULTS: [(&str, &str); 9] = [
    ("index", "true"),
    ("doc_values", "true"),
    ("store", "false"),
    ("coerce", "true"),
    ("ignore_malformed", "false"),
    ("enabled", "true"),
    ("dynamic", "true"),
    ("date_detection", "true"),
    ("numeric_detection", "false"),
];

/// Whether two values of a parameter mean the same; absent is the engine's default.
fn alike(name: &str, one: &Value, other: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Null => {
            DEFAULTS.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
        }
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    };
    text(one) == text(other)
}

/// The field type with the range of what a step converts to.
fn type_of(kind: ConvertKind) -> &'static str {
    match kind {
        ConvertKind::String => "keyword",
        other => other.name(),
    }
}
