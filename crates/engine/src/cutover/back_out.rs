//! Backing out of a cutover, and finding out after a crash how one ended.

use std::collections::BTreeMap;

use segue_cluster::{AliasAction, AliasProps, Cluster};
use segue_model::cutover::{Evidence, Mark};
use segue_model::id::{AliasName, Epoch, IndexName};
use segue_model::journal::{CutoverWindow, Event};
use segue_model::part::Cutover;
use segue_model::plan::keep_name;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::marks::{Marks, Opened, Patience, patiently};
use super::redirect::{self, Note, NoteKey};
use super::switch::is_switched;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::prepare::restore_after_switch;
use crate::session::Drill;

/// What a back-out needs to know; the watchdog gets it as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fence {
    /// The source.
    pub source: IndexName,
    /// The other sources, where several go into one target.
    #[serde(default)]
    pub also: Vec<IndexName>,
    /// The target.
    pub target: IndexName,
    /// The copy of the source that the attempt makes.
    pub keep: IndexName,
    /// The names that the source had: those that have moved are moved back.
    pub aliases: Vec<AliasName>,
    /// The write alias of the cutover that is taken back; none = of whichever cutover there was.
    pub write_alias: Option<String>,
    /// Which attempt it is: where the note of its redirect is found, if it has one.
    #[serde(default)]
    pub attempt: Option<NoteKey>,
    /// The redirect, where the caller knows of one.
    #[serde(default)]
    pub redirect: Option<Note>,
    /// What is to go wrong on purpose; not for the watchdog.
    #[serde(skip)]
    pub drill: Drill,
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

impl Fence {
    /// What the back-out of `run` needs to know.
    pub fn of(run: &PartRun) -> Fence {
        Fence {
            source: run.source().clone(),
            also: run.also(),
            target: run.target().clone(),
            keep: run.planned.keep.clone(),
            aliases: names_of_source(run),
            write_alias: Some(run.write_alias().to_string()),
            attempt: Some(NoteKey::of(run)),
            redirect: redirect::journalled(run),
            drill: run.session.options().drill.clone(),
        }
    }

    /// The epoch that is taken back; none = whichever there is.
    fn epoch(&self) -> Option<Epoch> {
        let own = self.write_alias.as_deref()?;
        Mark::of(own, &self.target).map(Mark::epoch)
    }
}

/// The names that the source has by the plan.
pub(super) fn names_of_source(run: &PartRun) -> Vec<AliasName> {
    let on_source = run.planned.aliases.iter().filter(|alias| alias.on_source);
    on_source.map(|alias| alias.alias.clone()).collect()
}

/// Takes the cutover back: fence, block, names, copy, redirect, in this order. Every step may be
/// repeated. What is done follows from [`segue_model::cutover::back_out`].
pub async fn back_out_names(
    cluster: &Cluster,
    fence: &Fence,
    patience: Patience,
) -> Result<TakenBack, Error> {
    patiently(patience, || try_back_out(cluster, fence)).await
}

async fn try_back_out(cluster: &Cluster, fence: &Fence) -> Result<TakenBack, Error> {
    let (source, target) = (fence.source.as_str(), fence.target.as_str());
    let doing = || format!("backing out of the cutover of {source}");
    let there = cluster.index(target).await.doing(doing)?;
    let on_target = there.map(|index| index.aliases).unwrap_or_default();
    let marks = Marks { cluster, on: &fence.target, target: &fence.target };
    let seen = marks.among(&on_target);
    // This look comes after the one at the marks.
    let switched = is_switched(cluster, &fence.source, &fence.target).await?;
    let evidence = Evidence { marks: &seen, switched, own: fence.epoch() };
    let opening = match marks.fence_off(evidence).await.doing(doing)? {
        Ok(opening) => opening,
        Err(ended) => return Ok(ended),
    };
    let attempt = fence.attempt.as_ref().map_or(Epoch(0), |attempt| attempt.epoch);
    let sources: Vec<_> = std::iter::once(&fence.source).chain(&fence.also).cloned().collect();
    let opened = marks.open_all(&sources, opening, attempt).await.doing(doing)?;
    let mut there = Vec::new();
    match opened {
        Opened::Open => there = sources,
        Opened::Nothing => {
            // Opened by an earlier try, perhaps, that came no further. The redirect is this attempt's own.
            redirect::undo(cluster, fence).await?;
            return Ok(TakenBack::Back);
        }
        // Names go back to those that are there.
        Opened::NoIndex => {
            for source in sources {
                if cluster.index(source.as_str()).await.doing(doing)?.is_some() {
                    there.push(source);
                }
            }
        }
    }
    let mut rest = moved_back(fence, &there, &on_target);
    // Where a source is gone, its copy is all there is of it.
    let kept = |source: &&IndexName| there.contains(source);
    let first = Some(&fence.source).filter(kept).map(|_| fence.keep.clone());
    let others = fence.also.iter().filter(kept).map(keep_name);
    for keep in first.into_iter().chain(others) {
        if let Some(keep) = cluster.index(keep.as_str()).await.doing(doing)? {
            rest.push(AliasAction::RemoveIndex { index: keep.name });
        }
    }
    if !rest.is_empty() {
        let mut actions: Vec<_> = opening.into_iter().flat_map(|mark| marks.still(mark)).collect();
        actions.append(&mut rest);
        cluster.update_aliases(&actions).await.doing(doing)?;
    }
    if opened == Opened::NoIndex {
        let all = std::iter::once(&fence.source).chain(&fence.also);
        let gone = all.filter(|source| !there.contains(source));
        let told =
            gone.map(|source| format!("{source} is neither an index nor a name of {target}"));
        return Err(Error::Contradiction(told.collect()));
    }
    // Last, and with the names back: it takes documents from the target, which nobody may see.
    redirect::undo(cluster, fence).await?;
    Ok(TakenBack::Back)
}

/// Gives the sources that are there back the names that have moved: those that show documents of the target.
fn moved_back(
    fence: &Fence,
    there: &[IndexName],
    on_target: &BTreeMap<String, AliasProps>,
) -> Vec<AliasAction> {
    let hidden = AliasProps { filter: Some(json!({ "match_none": {} })), ..AliasProps::default() };
    let mut actions = Vec::new();
    for alias in &fence.aliases {
        let Some(props) = on_target.get(alias.as_str()) else { continue };
        if props.filter == hidden.filter {
            continue;
        }
        let alias = alias.to_string();
        // Names that not every source has move with the switch only.
        actions.extend(there.iter().map(|source| {
            let (index, alias) = (source.to_string(), alias.clone());
            AliasAction::Add { index, alias, props: props.clone() }
        }));
        if there.is_empty() {
            continue;
        }
        let index = fence.target.to_string();
        actions.push(AliasAction::Add { index, alias, props: hidden.clone() });
    }
    actions
}

/// Finds out from the cluster how a cutover ended that the journal has no end of, and journals it.
/// Needs nothing but the journal, so that a source is never left closed for want of a plan.
pub async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    let cutover = run.state.cutover.clone();
    let (keep, aliases) = match cutover {
        Some(cutover) => (cutover.keep, cutover.aliases),
        None => (run.planned.keep.clone(), names_of_source(run)),
    };
    let fence = Fence { keep, aliases, write_alias: None, ..Fence::of(run) };
    match back_out_names(run.session.cluster(), &fence, Patience::Times(20)).await? {
        TakenBack::Switched => {
            run.record(Event::Switched { window: CutoverWindow::default() }).await?;
            // A redirect is finished first; who goes on with the part does both.
            let pending = run.state.cutover.as_ref().is_some_and(Cutover::is_redirect_pending);
            if pending { Ok(()) } else { restore_after_switch(run).await }
        }
        TakenBack::Back | TakenBack::Superseded => {
            let reason = "the process that cut over died; the source takes writes again";
            run.record(Event::BackedOut { reason: reason.to_owned() }).await
        }
    }
}
