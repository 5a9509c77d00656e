//! Moving the names.

use segue_cluster::{AliasAction, AliasProps, Class, Cluster};
use segue_model::cutover::Mark;
use segue_model::id::{AliasName, Epoch, IndexName};
use segue_model::plan::AliasMove;
use serde_json::json;
use tokio::task::JoinSet;

use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::sabotage;

/// Makes the copy of the closed source that stays for the way back: hard links, blocked, with no
/// pipelines and no aliases but a first mark.
pub(super) async fn keep_copy(run: &PartRun) -> Result<(), Error> {
    let closed = if sabotage::lacks("close-all") { 1 } else { usize::MAX };
    let mut copies = JoinSet::new();
    for (source, keep) in run.indices().into_iter().zip(run.planned.keeps()).take(closed) {
        let cluster = run.session.cluster().clone();
        // The marks stand on the first.
        let mark = (source == *run.source()).then(|| Mark::Opening(Epoch(0)).alias(run.target()));
        copies.spawn(async move { keep_one(&cluster, &source, &keep, mark.as_ref()).await });
    }
    while let Some(ended) = copies.join_next().await {
        // Leaving drops the set, which ends the others.
        ended.map_err(|join| Error::Task(join.to_string()))??;
    }
    Ok(())
}

async fn keep_one(
    cluster: &Cluster,
    source: &IndexName,
    keep: &IndexName,
    mark: Option<&AliasName>,
) -> Result<(), Error> {
    let (source, keep) = (source.as_str(), keep.as_str());
    let keeping = || format!("keeping a copy of {source} as {keep}");
    // What an earlier attempt left: the plan refuses the name if anybody else has it.
    if cluster.index(keep).await.doing(keeping)?.is_some() {
        cluster.delete_index(keep).await.doing(keeping)?;
    }
    let index = cluster.index(source).await.doing(keeping)?;
    let replicas = index.map_or(1, |index| index.replicas);
    // As with a target: so that of two processes which both begin to feed back one succeeds.
    let settings = json!({
        "index.blocks.write": true,
        "index.number_of_replicas": replicas,
        "index.default_pipeline": "_none",
        "index.final_pipeline": "_none",
        "index.hidden": true
    });
    let mut body = json!({ "settings": settings });
    if let Some(mark) = mark {
        body["aliases"] = json!({ mark.as_str(): { "is_hidden": true } });
    }
    cluster.clone_index(source, keep, &body).await.doing(keeping)
}

/// What an alias adds on the target: what it added on the source.
pub(super) fn props(alias: &AliasMove) -> AliasProps {
    AliasProps {
        filter: alias.props.filter.clone(),
        index_routing: alias.props.index_routing.clone(),
        search_routing: alias.props.search_routing.clone(),
        is_write_index: alias.props.is_write_index,
        is_hidden: alias.props.is_hidden,
    }
}

/// Moves every name to the target.
///
/// Names that stand for other indices too go in a call of their own just before: the removal of an
/// index makes searches over several indices come short for a moment. Only names that are read by,
/// though: what is written by name must not reach the target before the switch; and only names that every
/// source has, so that a back-out knows whom to give them back. Both calls take the
/// epoch's write alias, so that a process that was fenced can make neither.
pub(super) async fn move_names(run: &PartRun) -> Result<(), Error> {
    let (source, target) = (run.source().to_string(), run.target().to_string());
    let moving = || format!("moving the names of {source} to {target}");
    let cluster = run.session.cluster();
    let on_all = |alias: &AliasMove| {
        run.planned.also.iter().all(|index| alias.also_on.contains(index))
            && (alias.on_source || alias.also_on.is_empty())
    };
    let (first, last): (Vec<_>, Vec<_>) = run.planned.aliases.iter().partition(|alias| {
        alias.spanning && alias.props.is_write_index != Some(true) && on_all(alias)
    });
    let add = |alias: &&AliasMove| AliasAction::Add {
        index: target.clone(),
        alias: alias.alias.to_string(),
        props: props(alias),
    };
    let fence = || AliasAction::Remove {
        index: target.clone(),
        alias: run.write_alias().to_string(),
        must_exist: true,
    };
    if !first.is_empty() {
        let hidden = AliasProps { is_hidden: Some(true), ..AliasProps::default() };
        let alias = run.write_alias().to_string();
        let mut actions =
            vec![fence(), AliasAction::Add { index: target.clone(), alias, props: hidden }];
        actions.extend(first.iter().map(add));
        for alias in &first {
            actions.extend(alias.holders(run.source()).map(|index| {
                let (index, alias) = (index.to_string(), alias.alias.to_string());
                AliasAction::Remove { index, alias, must_exist: true }
            }));
        }
        cluster.update_aliases(&actions).await.doing(moving)?;
    }
    let mut actions = vec![fence()];
    for index in run.indices() {
        actions.push(AliasAction::RemoveIndex { index: index.to_string() });
        let (index, alias) = (target.clone(), index.to_string());
        actions.push(AliasAction::Add { index, alias, props: AliasProps::default() });
    }
    actions.extend(last.iter().map(add));
    match cluster.update_aliases(&actions).await {
        // The answer was lost or undecided: the names are looked at anyway.
        Err(error) if error.class() == Class::MaybeApplied => Ok(()),
        answer => answer.doing(moving),
    }
}

/// Whether the source's name stands for the target. A "no" is final only after the write alias was
/// seen gone, or taken away.
pub(super) async fn is_switched(
    cluster: &Cluster,
    source: &IndexName,
    target: &IndexName,
) -> Result<bool, Error> {
    let looking = || format!("looking at where {source} points");
    let on = cluster.alias(source.as_str()).await.doing(looking)?;
    let is_index = cluster.index(source.as_str()).await.doing(looking)?.is_some();
    Ok(!is_index && on.len() == 1 && on.contains_key(target.as_str()))
}
