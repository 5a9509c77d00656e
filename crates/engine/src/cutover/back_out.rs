//! Backing out of a cutover, and finding out after a crash how one ended.

use std::time::Duration;

use segue_cluster::{AliasAction, AliasProps, Class, Cluster};
use segue_model::id::IndexName;
use segue_model::journal::{CutoverWindow, Event};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::switch::{is_switched, props};
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::prepare::restore_after_switch;

/// How often each step is tried: a source that stays closed is the worst that can be left behind.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(500);

/// What a back-out needs to know; the watchdog gets it as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fence {
    /// The source.
    pub source: IndexName,
    /// The target.
    pub target: IndexName,
    /// The copy of the source that the attempt makes.
    pub keep: IndexName,
    /// Names that stand for several indices and move before the switch.
    pub spanning: Vec<Spanning>,
}

/// A name that may have moved already.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spanning {
    /// The name.
    pub alias: String,
    /// What it adds on the source; none if the source did not have it.
    pub on_source: Option<AliasProps>,
}

impl Fence {
    /// What the back-out of `run` needs to know.
    pub fn of(run: &PartRun) -> Fence {
        let spanning = run.planned.aliases.iter().filter(|alias| alias.spanning);
        Fence {
            source: run.source().clone(),
            target: run.target().clone(),
            keep: run.planned.keep.clone(),
            spanning: spanning
                .map(|alias| Spanning {
                    alias: alias.alias.to_string(),
                    on_source: alias.on_source.then(|| props(alias)),
                })
                .collect(),
        }
    }
}

/// Takes the cutover back: fence, names, block, copy, in this order. Returns `true` if the names had
/// moved already, and then changes nothing. Every step may be repeated.
pub async fn back_out_names(cluster: &Cluster, fence: &Fence) -> Result<bool, Error> {
    let mut tried = 0;
    loop {
        tried += 1;
        match try_back_out(cluster, fence).await {
            Err(error) if tried < TRIES => {
                tracing::warn!(error = crate::error::chain(&error), "backing out is tried again");
                tokio::time::sleep(BETWEEN).await;
            }
            answer => return answer,
        }
    }
}

async fn try_back_out(cluster: &Cluster, fence: &Fence) -> Result<bool, Error> {
    let (source, target) = (fence.source.as_str(), fence.target.as_str());
    let doing = || format!("backing out of the cutover of {source}");
    if is_switched(cluster, &fence.source, &fence.target).await? {
        return Ok(true);
    }
    let there = cluster.index(target).await.doing(doing)?;
    let aliases = there.map(|index| index.aliases).unwrap_or_default();
    let mut actions: Vec<_> = aliases
        .keys()
        .filter(|alias| alias.starts_with("segue-write-"))
        .map(|alias| AliasAction::Remove {
            index: target.to_owned(),
            alias: alias.clone(),
            must_exist: true,
        })
        .collect();
    for name in &fence.spanning {
        if let Some(props) = &name.on_source {
            let (index, alias) = (source.to_owned(), name.alias.clone());
            actions.push(AliasAction::Add { index, alias, props: props.clone() });
        }
        let hidden =
            AliasProps { filter: Some(json!({ "match_none": {} })), ..AliasProps::default() };
        let (index, alias) = (target.to_owned(), name.alias.clone());
        actions.push(AliasAction::Add { index, alias, props: hidden });
    }
    if !actions.is_empty() {
        match cluster.update_aliases(&actions).await {
            // Somebody else took the fence in the meantime, or the source is gone: look again.
            Err(error) if error.class() == Class::NotFound => {
                if is_switched(cluster, &fence.source, &fence.target).await? {
                    return Ok(true);
                }
                return Err(error).doing(doing);
            }
            answer => answer.doing(doing)?,
        }
    }
    cluster.unblock_writes(source).await.doing(doing)?;
    if cluster.index(fence.keep.as_str()).await.doing(doing)?.is_some() {
        cluster.delete_index(fence.keep.as_str()).await.doing(doing)?;
    }
    Ok(false)
}

/// Finds out from the cluster how a cutover ended that the journal has no end of, and journals it.
pub async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    let fence = Fence::of(run);
    if back_out_names(run.session.cluster(), &fence).await? {
        run.record(Event::Switched { window: CutoverWindow::default() }).await?;
        restore_after_switch(run).await
    } else {
        let reason = "the process that cut over died; the source takes writes again".to_owned();
        run.record(Event::BackedOut { reason }).await
    }
}
