//! Names that stand for indices, and changing many of them at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Call, Cluster, Error, Request, path};

/// What an alias adds to an index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AliasProps {
    /// Only documents that match are seen through the alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    /// Routing of writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_routing: Option<String>,
    /// Routing of searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_routing: Option<String>,
    /// Whether writes through the alias go to this index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_write_index: Option<bool>,
    /// Whether wildcards leave the alias out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_hidden: Option<bool>,
}

/// One step of a change of names. All steps of a request happen together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum AliasAction {
    /// Gives `index` the name `alias`, or changes its properties.
    Add {
        /// Concrete index.
        index: String,
        /// The name.
        alias: String,
        /// What it adds.
        props: AliasProps,
    },
    /// Takes the name `alias` from `index`.
    Remove {
        /// Concrete index.
        index: String,
        /// The name.
        alias: String,
        /// Whether the whole request fails when `index` does not have that name; otherwise a
        /// stale removal is silently ignored.
        must_exist: bool,
    },
    /// Deletes a concrete index; the request fails when there is none.
    RemoveIndex {
        /// Concrete index.
        index: String,
    },
}

impl AliasAction {
    fn json(&self) -> Value {
        match self {
            AliasAction::Add { index, alias, props } => {
                let mut body = json!(props);
                body["index"] = json!(index);
                body["alias"] = json!(alias);
                json!({ "add": body })
            }
            AliasAction::Remove { index, alias, must_exist } => {
                let mut body = json!({ "index": index, "alias": alias });
                if *must_exist {
                    body["must_exist"] = json!(true);
                }
                json!({ "remove": body })
            }
            // Elasticsearch refuses must_exist here; a missing index is an error anyway.
            AliasAction::RemoveIndex { index } => json!({ "remove_index": { "index": index } }),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Acknowledged {
    acknowledged: bool,
}

impl Acknowledged {
    pub(crate) fn check(&self, call: Box<Call>) -> Result<(), Error> {
        if self.acknowledged {
            return Ok(());
        }
        Err(Error::Unacknowledged { call, what: "not every node has confirmed in time".to_owned() })
    }
}

#[derive(Deserialize)]
struct OfIndex {
    aliases: BTreeMap<String, AliasProps>,
}

impl Cluster {
    /// Every alias with the indices behind it, hidden and closed ones included.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn aliases(&self) -> Result<BTreeMap<String, BTreeMap<String, AliasProps>>, Error> {
        let request = Request::get("/_all/_alias").query("expand_wildcards", "all");
        let indices: BTreeMap<String, OfIndex> = self.json(request).await?;
        Ok(by_alias(indices))
    }

    /// The indices behind one alias; none when there is no such alias.
    ///
    /// # Errors
    /// Failures of the request.
    pub async fn alias(&self, name: &str) -> Result<BTreeMap<String, AliasProps>, Error> {
        let request = Request::get(path(&["_all", "_alias", name]))
            .query("expand_wildcards", "all")
            .allow(404);
        let call = request.call();
        let answer = self.call(request).await?;
        if answer.status == 404 {
            return Ok(BTreeMap::new());
        }
        let indices: BTreeMap<String, OfIndex> = serde_json::from_slice(&answer.body)
            .map_err(|e| Error::Malformed { call, what: e.to_string() })?;
        Ok(by_alias(indices).remove(name).unwrap_or_default())
    }

    /// Changes names, all at once or not at all. Sent once: a change that may have been made is
    /// judged by reading the aliases again, not by repeating it.
    ///
    /// # Errors
    /// [`Error::Unacknowledged`] when the change may still be on its way; 404
    /// (`aliases_not_found_exception`) when a name that must exist does not; failures of the request.
    pub async fn update_aliases(&self, actions: &[AliasAction]) -> Result<(), Error> {
        let actions: Vec<Value> = actions.iter().map(AliasAction::json).collect();
        let request = Request::post("/_aliases").json(&json!({ "actions": actions }));
        let call = request.call();
        self.json::<Acknowledged>(request).await?.check(call)
    }
}

fn by_alias(indices: BTreeMap<String, OfIndex>) -> BTreeMap<String, BTreeMap<String, AliasProps>> {
    let mut aliases: BTreeMap<String, BTreeMap<String, AliasProps>> = BTreeMap::new();
    for (index, of_index) in indices {
        for (alias, props) in of_index.aliases {
            aliases.entry(alias).or_default().insert(index.clone(), props);
        }
    }
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_as_the_engine_reads_them() {
        let props = AliasProps {
            filter: Some(json!({ "match_none": {} })),
            is_write_index: Some(true),
            ..AliasProps::default()
        };
        for (action, expected) in [
            (
                AliasAction::Add { index: "i".into(), alias: "a".into(), props },
                json!({ "add": { "index": "i", "alias": "a", "filter": { "match_none": {} }, "is_write_index": true } }),
            ),
            (
                AliasAction::Remove { index: "i".into(), alias: "a".into(), must_exist: true },
                json!({ "remove": { "index": "i", "alias": "a", "must_exist": true } }),
            ),
            (
                AliasAction::Remove { index: "i".into(), alias: "a".into(), must_exist: false },
                json!({ "remove": { "index": "i", "alias": "a" } }),
            ),
            (
                AliasAction::RemoveIndex { index: "i".into() },
                json!({ "remove_index": { "index": "i" } }),
            ),
        ] {
            assert_eq!(action.json(), expected);
        }
    }

    #[test]
    fn answers_are_turned_around() {
        let answer = json!({
            "i1": { "aliases": { "a": {}, "b": { "index_routing": "1", "search_routing": "1", "is_hidden": true } } },
            "i2": { "aliases": { "a": { "is_write_index": false } } },
            "i3": { "aliases": {} },
        });
        let aliases = by_alias(serde_json::from_value(answer).unwrap());
        assert_eq!(aliases.len(), 2);
        assert_eq!(aliases["a"].keys().collect::<Vec<_>>(), ["i1", "i2"]);
        assert_eq!(aliases["a"]["i2"].is_write_index, Some(false));
        assert_eq!(aliases["b"]["i1"].index_routing.as_deref(), Some("1"));
        assert_eq!(aliases["b"]["i1"].is_hidden, Some(true));
    }
}
