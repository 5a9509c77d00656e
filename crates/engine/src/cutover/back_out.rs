//! Backing out of a cutover, and finding out after a crash how one ended.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use segue_cluster::{AliasAction, AliasProps, Cluster};
use segue_model::cutover::{BackOut, Evidence, Mark, back_out as decide};
use segue_model::id::{AliasName, Epoch, IndexName};
use segue_model::journal::{CutoverWindow, Event};
use segue_model::part::Cutover;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::closing;
use super::redirect::{self, Note, NoteKey};
use super::switch::is_switched;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::prepare::restore_after_switch;
use crate::session::Drill;

const BETWEEN: Duration = Duration::from_millis(500);

/// How often a back-out is tried. A source that stays closed is the worst that can be left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// This many times: somebody else tries, too.
    Times(u32),
    /// For this long: nobody else may be left.
    For(Duration),
}

/// What a back-out needs to know; the watchdog gets it as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fence {
    /// The source.
    pub source: IndexName,
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
    let begun = Instant::now();
    let mut tried = 0;
    loop {
        tried += 1;
        let again = match patience {
            Patience::Times(times) => tried < times,
            Patience::For(time) => begun.elapsed() < time,
        };
        match try_back_out(cluster, fence).await {
            // Where source and target are gone there is nothing to open.
            Err(gone @ Error::Contradiction(_)) => return Err(gone),
            Err(_) if again => tokio::time::sleep(BETWEEN).await,
            answer => return answer,
        }
    }
}

async fn try_back_out(cluster: &Cluster, fence: &Fence) -> Result<TakenBack, Error> {
    let (source, target) = (fence.source.as_str(), fence.target.as_str());
    let doing = || format!("backing out of the cutover of {source}");
    let there = cluster.index(target).await.doing(doing)?;
    let on_target = there.map(|index| index.aliases).unwrap_or_default();
    let marks: Vec<_> =
        on_target.keys().filter_map(|alias| Mark::of(alias, &fence.target)).collect();
    // This look comes after the one at the marks.
    let switched = is_switched(cluster, &fence.source, &fence.target).await?;
    let opening = match decide(Evidence { marks: &marks, switched, own: fence.epoch() }) {
        BackOut::Switched => return Ok(TakenBack::Switched),
        BackOut::Superseded => return Ok(TakenBack::Superseded),
        BackOut::Take { marks, epoch } => {
            // Fails if the switch or somebody else was faster: then everything is looked at again.
            take(cluster, fence, &marks, Mark::Opening(epoch)).await.doing(doing)?;
            Some(Mark::Opening(epoch))
        }
        BackOut::Open { epoch } => Some(Mark::Opening(epoch)),
        BackOut::OpenUnmarked => None,
    };
    let Some(at_source) = cluster.index(source).await.doing(doing)? else {
        return Err(Error::Contradiction(vec![format!(
            "{source} is neither an index nor a name of {target}"
        )]));
    };
    // Before it is opened: what is still on its way must not close it again.
    let unmark = closing::unmark(source, &at_source.aliases);
    if !unmark.is_empty() {
        let still = opening.iter().flat_map(|mark| still_there(fence, *mark));
        let actions: Vec<_> = still.chain(unmark).collect();
        cluster.update_aliases(&actions).await.doing(doing)?;
    }
    match opening {
        Some(mark) => {
            let mark = mark.alias(&fence.target);
            cluster.unblock_writes_by(source, mark.as_str()).await.doing(doing)?;
        }
        None => cluster.unblock_writes(source).await.doing(doing)?,
    }
    let mut rest = moved_back(fence, &on_target);
    if let Some(keep) = cluster.index(fence.keep.as_str()).await.doing(doing)? {
        rest.push(AliasAction::RemoveIndex { index: keep.name });
    }
    if !rest.is_empty() {
        let mut actions: Vec<_> =
            opening.iter().flat_map(|mark| still_there(fence, *mark)).collect();
        actions.append(&mut rest);
        cluster.update_aliases(&actions).await.doing(doing)?;
    }
    // Last, and with the names back: it takes documents from the target, which nobody may see.
    redirect::undo(cluster, fence).await?;
    Ok(TakenBack::Back)
}

/// Takes write marks away, which must be there, and puts the opening mark on.
async fn take(
    cluster: &Cluster,
    fence: &Fence,
    marks: &[Mark],
    opening: Mark,
) -> Result<(), segue_cluster::Error> {
    let index = fence.target.to_string();
    let remove = |mark: &Mark| AliasAction::Remove {
        index: index.clone(),
        alias: mark.alias(&fence.target).to_string(),
        must_exist: true,
    };
    let mut actions: Vec<_> = marks.iter().map(remove).collect();
    let props = AliasProps { is_hidden: Some(true), ..AliasProps::default() };
    let alias = opening.alias(&fence.target).to_string();
    actions.push(AliasAction::Add { index: index.clone(), alias, props });
    cluster.update_aliases(&actions).await
}

/// The actions by which a request fails unless the opening mark is there.
fn still_there(fence: &Fence, opening: Mark) -> [AliasAction; 2] {
    let alias = opening.alias(&fence.target).to_string();
    let index = fence.target.to_string();
    let props = AliasProps { is_hidden: Some(true), ..AliasProps::default() };
    [
        AliasAction::Remove { index: index.clone(), alias: alias.clone(), must_exist: true },
        AliasAction::Add { index, alias, props },
    ]
}

/// Gives the source back the names that have moved: those that show documents of the target.
fn moved_back(fence: &Fence, on_target: &BTreeMap<String, AliasProps>) -> Vec<AliasAction> {
    let hidden = AliasProps { filter: Some(json!({ "match_none": {} })), ..AliasProps::default() };
    let mut actions = Vec::new();
    for alias in &fence.aliases {
        let Some(props) = on_target.get(alias.as_str()) else { continue };
        if props.filter == hidden.filter {
            continue;
        }
        let alias = alias.to_string();
        actions.push(AliasAction::Add {
            index: fence.source.to_string(),
            alias: alias.clone(),
            props: props.clone(),
        });
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
