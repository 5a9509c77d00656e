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
    /// The write alias of the cutover that is taken back; none = of whichever cutover there was.
    pub write_alias: Option<String>,
}

/// How a back-out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// The names stand as before, and the source takes writes.
    Back,
    /// The names had moved already; nothing was changed.
    Switched,
    /// A later epoch is in force: somebody else works on the part; nothing was changed.
    Superseded,
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
            write_alias: Some(run.write_alias().to_string()),
        }
    }
}

/// Takes the cutover back: fence, names, block, copy, in this order. Every step may be repeated.
pub async fn back_out_names(cluster: &Cluster, fence: &Fence) -> Result<TakenBack, Error> {
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

async fn try_back_out(cluster: &Cluster, fence: &Fence) -> Result<TakenBack, Error> {
    let (source, target) = (fence.source.as_str(), fence.target.as_str());
    let doing = || format!("backing out of the cutover of {source}");
    if is_switched(cluster, &fence.source, &fence.target).await? {
        return Ok(TakenBack::Switched);
    }
    let there = cluster.index(target).await.doing(doing)?;
    let aliases = there.map(|index| index.aliases).unwrap_or_default();
    let in_force: Vec<_> =
        aliases.keys().filter(|alias| alias.starts_with("segue-write-")).collect();
    if let Some(own) = &fence.write_alias
        && in_force.iter().any(|alias| *alias != own)
    {
        return Ok(TakenBack::Superseded);
    }
    let mut actions: Vec<_> = in_force
        .iter()
        .map(|alias| AliasAction::Remove {
            index: target.to_owned(),
            alias: (*alias).clone(),
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
                    return Ok(TakenBack::Switched);
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
    Ok(TakenBack::Back)
}

/// Finds out from the cluster how a cutover ended that the journal has no end of, and journals it.
pub async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    let fence = Fence { write_alias: None, ..Fence::of(run) };
    if back_out_names(run.session.cluster(), &fence).await? == TakenBack::Switched {
        run.record(Event::Switched { window: CutoverWindow::default() }).await?;
        return restore_after_switch(run).await;
    }
    let reason = "the process that cut over died; the source takes writes again".to_owned();
    run.record(Event::BackedOut { reason }).await
}
