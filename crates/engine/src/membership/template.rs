//! The index template of events: compared with what is installed, and installed.

use std::collections::BTreeMap;

use segue_cluster::{Request, path};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Membership;
use crate::error::{Doing, Error};

/// How the installed index template compares with the recipe's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TemplateState {
    /// Its name.
    pub name: String,
    /// Whether there was one of that name.
    pub installed: bool,
    /// What differed, a line each.
    pub differences: Vec<String>,
    /// Whether it was installed or replaced.
    pub written: bool,
}

impl Membership {
    /// What an index of events is made with.
    pub(super) fn index_body(&self) -> Result<Value, Error> {
        let mut body = match &self.events().template {
            None => Map::new(),
            Some(template) => self.read_template(&template.file)?,
        };
        if let Some(alias) = &self.events().alias {
            body.insert("aliases".to_owned(), json!({ alias.as_str(): {} }));
        }
        Ok(Value::Object(body))
    }

    fn read_template(&self, file: &str) -> Result<Map<String, Value>, Error> {
        let path = self.folder.join(file);
        let doing = "reading the template";
        let text =
            std::fs::read_to_string(&path).map_err(|source| Error::Io { doing, path, source })?;
        let template: Value = serde_json::from_str(&text)
            .map_err(|source| Error::Stored { what: format!("the template {file}"), source })?;
        let template = template.get("template").unwrap_or(&template);
        let part = |name: &str| template.get(name).map(|part| (name.to_owned(), part.clone()));
        Ok(["settings", "mappings"].into_iter().filter_map(part).collect())
    }

    /// Compares the index template with the recipe's; none where the recipe has none.
    pub(super) async fn look_at_template(&self) -> Result<Option<TemplateState>, Error> {
        let Some(template) = &self.events().template else { return Ok(None) };
        let name = template.name.as_str();
        let request = Request::get(path(&["_index_template", name])).allow(404);
        let looking = || format!("looking at the index template {name}");
        let answer = self.ask(1).call(request).await.doing(looking)?;
        let found: Value = match answer.status {
            404 => Value::Null,
            _ => serde_json::from_slice(&answer.body).map_err(|source| Error::Stored {
                what: format!("the index template {name}"),
                source,
            })?,
        };
        let found = &found["index_templates"][0]["index_template"];
        let differences = differences(found, &self.wanted(template.priority)?);
        Ok(Some(TemplateState {
            name: name.to_owned(),
            installed: !found.is_null(),
            differences,
            written: false,
        }))
    }

    /// Installs the index template where it differs.
    pub(super) async fn install_template(&self) -> Result<Option<TemplateState>, Error> {
        let Some(mut state) = self.look_at_template().await? else { return Ok(None) };
        let Some(template) = &self.events().template else { return Ok(None) };
        if !state.differences.is_empty() {
            let path = path(&["_index_template", &state.name]);
            let request = Request::put(path).json(&self.wanted(template.priority)?);
            let installing = || format!("installing the index template {}", state.name);
            self.ask(1).call(request).await.doing(installing)?;
            state.written = true;
        }
        Ok(Some(state))
    }

    fn wanted(&self, priority: u32) -> Result<Value, Error> {
        Ok(json!({
            "index_patterns": [self.pattern()],
            "priority": priority,
            "template": self.index_body()?
        }))
    }
}

/// What differs, a line each: `+` is missing, `-` is too much, `~` is otherwise.
fn differences(found: &Value, wanted: &Value) -> Vec<String> {
    let (found, wanted) = (leaves(found), leaves(wanted));
    let mut lines = Vec::new();
    for (place, value) in &wanted {
        match found.get(place) {
            None => lines.push(format!("+ {place}: {value}")),
            Some(there) if there != value => lines.push(format!("~ {place}: {there} → {value}")),
            Some(_) => {}
        }
    }
    let surplus = found.iter().filter(|(place, _)| !wanted.contains_key(*place));
    lines.extend(surplus.map(|(place, value)| format!("- {place}: {value}")));
    lines
}

/// Every value by its place, as text: the engines answer with texts, and with `index` around settings.
fn leaves(value: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for part in ["index_patterns", "priority"] {
        descend(&value[part], part.to_owned(), &mut found);
    }
    for part in ["mappings", "aliases"] {
        descend(&value["template"][part], part.to_owned(), &mut found);
    }
    let settings = &value["template"]["settings"];
    descend(settings, "settings".to_owned(), &mut found);
    let plain = |place: String| match place.strip_prefix("settings.") {
        Some(name) if !name.starts_with("index.") => format!("settings.index.{name}"),
        _ => place,
    };
    found.into_iter().map(|(place, value)| (plain(place), value)).collect()
}

fn descend(value: &Value, place: String, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(members) if members.is_empty() => {
            found.insert(place, "{}".to_owned());
        }
        Value::Object(members) => {
            for (name, value) in members {
                descend(value, format!("{place}.{name}"), found);
            }
        }
        Value::String(text) => {
            found.insert(place, text.clone());
        }
        other => {
            found.insert(place, other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_compared_by_what_they_mean() {
        let wanted = json!({
            "index_patterns": ["a-*"], "priority": 110,
            "template": {
                "settings": { "number_of_shards": 1, "index.refresh_interval": "5s" },
                "mappings": { "dynamic": "strict", "properties": { "x": { "type": "keyword" } } },
                "aliases": { "a": {} }
            }
        });
        let mut found = json!({
            "index_patterns": ["a-*"], "priority": 110, "composed_of": [],
            "template": {
                "settings": { "index": { "number_of_shards": "1", "refresh_interval": "5s" } },
                "mappings": { "dynamic": "strict", "properties": { "x": { "type": "keyword" } } },
                "aliases": { "a": {} }
            }
        });
        assert_eq!(differences(&found, &wanted), [""; 0]);
        found["priority"] = json!(100);
        found["template"]["mappings"]["properties"] = json!({ "y": { "type": "date" } });
        assert_eq!(
            differences(&found, &wanted),
            [
                "+ mappings.properties.x.type: keyword",
                "~ priority: 100 → 110",
                "- mappings.properties.y.type: date"
            ]
        );
        assert_eq!(differences(&Value::Null, &wanted).len(), 7);
    }
}
