//! Asking Elasticsearch whether the user may do what the plan will need. OpenSearch has no such
//! question: there a missing privilege shows as a 403 of the security layer.

use std::collections::BTreeMap;

use segue_cluster::{Cluster, Request};
use segue_model::observe::{MissingPrivilege, Observation};
use segue_model::recipe::Recipe;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extras::or_gap;
use super::targets;

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    cluster: BTreeMap<String, bool>,
    #[serde(default)]
    index: BTreeMap<String, BTreeMap<String, bool>>,
}

pub(super) async fn look(cluster: &Cluster, recipe: &Recipe, seen: &mut Observation) {
    let request = Request::post("/_security/user/_has_privileges")
        .idempotent(true)
        .json(&question(recipe, seen));
    let answer = cluster.json::<Answer>(request).await;
    if let Some(answer) = or_gap(answer, "the user's privileges", seen) {
        seen.missing_privileges = missing(&answer);
    }
}

/// What reading, filling, blocking, cloning and renaming need.
fn question(recipe: &Recipe, seen: &Observation) -> Value {
    let sources = recipe.wildcard();
    let mut made: Vec<String> = targets(recipe, seen).iter().map(ToString::to_string).collect();
    made.push("segue-*".to_owned());
    let lookups: Vec<_> = recipe.lookups().filter_map(|lookup| lookup.index.literal()).collect();
    let mut index = vec![
        json!({ "names": [sources], "privileges":
            ["read", "view_index_metadata", "monitor", "maintenance", "manage"] }),
        json!({ "names": made, "privileges":
            ["create_index", "read", "write", "view_index_metadata", "monitor", "maintenance", "manage"] }),
    ];
    if !lookups.is_empty() {
        let needed = ["read", "view_index_metadata", "monitor", "maintenance"];
        index.push(json!({ "names": lookups, "privileges": needed }));
    }
    json!({ "cluster": ["monitor"], "index": index })
}

fn missing(answer: &Answer) -> Vec<MissingPrivilege> {
    let lacking = |of: &BTreeMap<String, bool>, on: Option<&String>| {
        of.iter()
            .filter(|(_, has)| !**has)
            .map(|(privilege, _)| MissingPrivilege {
                privilege: privilege.clone(),
                on: on.cloned(),
            })
            .collect::<Vec<_>>()
    };
    let mut missing = lacking(&answer.cluster, None);
    for (name, privileges) in &answer.index {
        missing.extend(lacking(privileges, Some(name)));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_named() {
        let answer = serde_json::from_str(
            r#"{"username":"u","has_all_requested":false,"cluster":{"monitor":true},
                "index":{"app-*":{"read":true,"manage":false},"segue-*":{"read":true}},
                "application":{}}"#,
        )
        .unwrap();
        let on = Some("app-*".to_owned());
        assert_eq!(missing(&answer), [MissingPrivilege { privilege: "manage".to_owned(), on }]);
    }
}
