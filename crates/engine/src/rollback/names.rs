//! Moving the names back.

use std::collections::BTreeMap;

use segue_cluster::{AliasAction, AliasProps, Class, Cluster};
use segue_model::cutover::Mark;
use segue_model::id::{AliasName, IndexName};
use serde_json::json;

use super::Place;
use crate::cutover::closing;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;

/// Moves every name of the target to the kept copy and takes the epoch's write alias, all in one
/// request. Names that stand for other indices too leave an entry on the target that matches nothing,
/// as before the switch.
pub(super) async fn move_back(run: &PartRun, place: &Place) -> Result<(), Error> {
    let target = run.target().as_str();
    let moving = || format!("moving the names of {target} to {}", place.kept);
    let cluster = run.session.cluster();
    let there = cluster.index(target).await.doing(moving)?;
    let on_target = there.map(|index| index.aliases).unwrap_or_default();
    let all = cluster.aliases().await.doing(moving)?;
    let spans = |alias: &str| {
        let on = all.get(alias).into_iter().flat_map(BTreeMap::keys);
        on.filter(|index| index.as_str() != target && **index != place.kept.as_str()).count() > 0
    };
    let mut actions = actions(&on_target, place, target, &spans);
    actions.push(AliasAction::Remove {
        index: place.kept.to_string(),
        alias: run.write_alias().to_string(),
        must_exist: true,
    });
    match cluster.update_aliases(&actions).await {
        // The answer was lost or undecided: the names are looked at anyway.
        Err(error) if error.class() == Class::MaybeApplied => Ok(()),
        answer => answer.doing(moving),
    }
}

/// What moves: every name by which documents of the target are seen.
fn actions(
    on_target: &BTreeMap<String, AliasProps>,
    place: &Place,
    target: &str,
    spans: &dyn Fn(&str) -> bool,
) -> Vec<AliasAction> {
    let hidden = AliasProps { filter: Some(json!({ "match_none": {} })), ..AliasProps::default() };
    let mut actions = closing::unmark(target, on_target);
    for (alias, props) in on_target {
        if Mark::is_one(alias) || props.filter == hidden.filter {
            continue;
        }
        let (index, alias) = (target.to_owned(), alias.clone());
        actions.push(AliasAction::Add {
            index: place.kept.to_string(),
            alias: alias.clone(),
            props: before(place, &alias).unwrap_or_else(|| props.clone()),
        });
        actions.push(if spans(&alias) {
            AliasAction::Add { index, alias, props: hidden.clone() }
        } else {
            AliasAction::Remove { index, alias, must_exist: true }
        });
    }
    actions
}

/// What an alias added on the old index.
fn before(place: &Place, alias: &str) -> Option<AliasProps> {
    let props = place.before.as_ref()?.aliases.get(&AliasName::new(alias))?.clone();
    Some(AliasProps {
        filter: props.filter,
        index_routing: props.index_routing,
        search_routing: props.search_routing,
        is_write_index: props.is_write_index,
        is_hidden: props.is_hidden,
    })
}

/// Whether the old name stands for the kept copy, and for nothing else.
pub(super) async fn is_back(
    cluster: &Cluster,
    name: &IndexName,
    kept: &IndexName,
) -> Result<bool, Error> {
    let looking = || format!("looking at where {name} points");
    let on = cluster.alias(name.as_str()).await.doing(looking)?;
    Ok(on.len() == 1 && on.contains_key(kept.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

    use segue_model::journal::Before;
    use segue_model::observe;

    use super::*;

    #[test]
    fn names_go_back_with_what_they_added_before() {
        let props =
            |filter: Option<serde_json::Value>| AliasProps { filter, ..AliasProps::default() };
        let none = json!({ "match_none": {} });
        let on_target = BTreeMap::from([
            ("day".to_owned(), props(None)),
            ("read".to_owned(), props(Some(json!({ "term": { "a": 1 } })))),
            ("hidden".to_owned(), props(Some(none.clone()))),
            ("new".to_owned(), AliasProps { is_write_index: Some(true), ..props(None) }),
            ("segue-write-x-1".to_owned(), props(None)),
        ]);
        let was = observe::AliasProps {
            search_routing: Some("7".to_owned()),
            ..observe::AliasProps::default()
        };
        let aliases = BTreeMap::from([(AliasName::new("read"), was)]);
        let before = Some(Before { aliases, ..Before::default() });
        let place = Place { kept: IndexName::new("k"), cursor: Vec::new(), before };
        let found = actions(&on_target, &place, "t", &|alias| alias == "read");
        let add = |index: &str, alias: &str, props: AliasProps| AliasAction::Add {
            index: index.to_owned(),
            alias: alias.to_owned(),
            props,
        };
        let gone = |alias: &str| AliasAction::Remove {
            index: "t".to_owned(),
            alias: alias.to_owned(),
            must_exist: true,
        };
        let routed = AliasProps { search_routing: Some("7".to_owned()), ..props(None) };
        let writes = AliasProps { is_write_index: Some(true), ..props(None) };
        assert_eq!(
            found,
            [
                add("k", "day", props(None)),
                gone("day"),
                add("k", "new", writes),
                gone("new"),
                add("k", "read", routed),
                add("t", "read", props(Some(none))),
            ]
        );
    }
}
