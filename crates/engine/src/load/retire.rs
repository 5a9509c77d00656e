//! Generations that are no longer needed: older ones than the recipe keeps, and those that were begun
//! and will not be ended.

use std::collections::BTreeSet;

use segue_model::cutover::Mark;
use segue_model::generation;
use segue_model::id::{AliasName, IndexName, IndexUuid};
use segue_model::journal::Event;
use segue_model::lease::Watched;
use segue_model::part::PartState;
use segue_model::phase::Phase;
use segue_model::recipe::CutoverMode;
use serde::Serialize;

use super::swap::standing;
use crate::abandon::{delete, forget};
use crate::error::{Doing, Error, Stop};
use crate::lease_store::{Claimed, Held};
use crate::part_run::PartRun;
use crate::session::Session;
use segue_cluster::IndexState;
use segue_model::governor::WaitingOn;

/// A generation that was deleted.
#[derive(Clone, Debug, Serialize)]
pub struct Retired {
    /// Its name.
    pub index: IndexName,
    /// Its documents.
    pub documents: u64,
    /// Its primaries' bytes.
    pub bytes: u64,
}

/// The generations of the journal, oldest first.
pub(super) async fn generations(
    session: &Session,
) -> Result<Vec<(u64, IndexName, PartState)>, Error> {
    let template = &session.recipe().target.index;
    let parts = session.journal().read().await?.parts.into_iter();
    let mut all: Vec<_> = parts
        .filter_map(|(part, state)| {
            Some((generation::number(template, part.as_str())?, part, state))
        })
        .collect();
    all.sort_by_key(|(number, ..)| *number);
    Ok(all)
}

/// A generation that may go, with its index.
struct Surplus {
    part: IndexName,
    state: PartState,
    index: IndexState,
}

/// The generations that are older than those the recipe keeps, oldest first.
///
/// # Errors
/// A journal or an index that cannot be read.
pub async fn surplus(session: &Session) -> Result<Vec<IndexName>, Error> {
    Ok(find(session).await?.into_iter().map(|surplus| surplus.part).collect())
}

/// What serves and what it would be taken back to, one after the other, is kept; of the others that are done,
/// those that are there still. Nothing, where no generation serves.
async fn find(session: &Session) -> Result<Vec<Surplus>, Error> {
    let CutoverMode::Swap(spec) = session.recipe().cutover.mode else { return Ok(Vec::new()) };
    let all = generations(session).await?;
    let Some(serving) = serving(session, &all).await? else { return Ok(Vec::new()) };
    let mut kept = BTreeSet::from([serving.clone()]);
    let mut last = serving;
    for _ in 0..spec.keep_generations {
        let of = all.iter().find(|(_, part, _)| *part == last);
        let Some(before) = of.and_then(|(.., state)| state.swap.as_ref()?.from.clone()) else {
            break;
        };
        kept.insert(before.clone());
        last = before;
    }
    let looking = || "looking at the generations".to_owned();
    let there = session.cluster().indices(&session.recipe().wildcard()).await.doing(looking)?;
    let mut found = Vec::new();
    for (_, part, state) in all {
        let done = matches!(state.phase, Phase::Watching | Phase::Finished | Phase::RolledBack);
        let index = there.iter().find(|index| index.name == part.as_str());
        let Some(index) = index.filter(|_| done && !kept.contains(&part)) else { continue };
        let ours = state.target_uuid.as_ref().is_some_and(|uuid| uuid.as_str() == index.uuid);
        if ours && names(index).is_empty() {
            found.push(Surplus { part, state, index: index.clone() });
        }
    }
    Ok(found)
}

/// The generation that the alias stands for, if it is one and nothing else.
async fn serving(
    session: &Session,
    all: &[(u64, IndexName, PartState)],
) -> Result<Option<IndexName>, Error> {
    let alias = session.recipe().cutover.alias.as_ref().and_then(|alias| alias.literal());
    let Some(alias) = alias else { return Ok(None) };
    let on = standing(session.cluster(), &AliasName::new(alias)).await?;
    Ok(match on.as_slice() {
        [one] if all.iter().any(|(_, part, _)| part == one) => Some(one.clone()),
        _ => None,
    })
}

/// The aliases of an index that are not marks of ours.
fn names(index: &IndexState) -> Vec<&str> {
    index.aliases.keys().map(String::as_str).filter(|alias| !Mark::is_one(alias)).collect()
}

/// Deletes the generations that are older than those the recipe keeps. Never one that an alias stands
/// for, nor one that the journal does not call ours. Whoever calls this holds the lease of the generation
/// that serves, so that nobody goes back to one of them meanwhile.
///
/// # Errors
/// Failures of requests: what cannot be looked at stays.
pub(super) async fn retire_held(session: &Session) -> Result<Vec<Retired>, Error> {
    let mut retired = Vec::new();
    for Surplus { part, state, index } in find(session).await? {
        let mut run = PartRun::known(session, &part, state);
        if run.state.phase == Phase::Watching {
            run.record(Event::WatchEnded).await?;
        }
        if run.state.retired.is_none() {
            let uuid = IndexUuid::new(index.uuid.as_str());
            run.record(Event::Retired { index: part.clone(), uuid }).await?;
        }
        delete(session, &part, part.as_str()).await?;
        forget::everything(session, &part, &mut Vec::new()).await?;
        retired.push(Retired { index: part, documents: index.docs, bytes: index.bytes });
    }
    Ok(retired)
}

/// As a load does at its end, with the lease of the generation that serves.
///
/// # Errors
/// [`Stop::Leased`] where somebody works on that one; failures of requests.
pub async fn retire(session: &Session) -> Result<Vec<Retired>, Error> {
    let all = generations(session).await?;
    let Some(serving) = serving(session, &all).await? else { return Ok(Vec::new()) };
    let held = hold(session, &serving).await?;
    let retired = retire_held(session).await;
    held.give_back().await;
    retired
}

/// The lease of a generation; an error where somebody else has it.
async fn hold(session: &Session, part: &IndexName) -> Result<Held, Error> {
    session.leases().ensure().await?;
    match session.leases().claim(part, &mut Watched::default()).await? {
        Claimed::Ours(held) => Ok(held),
        Claimed::Theirs(by) => {
            let reason = WaitingOn::Lease { holder: format!("{by}, which works on {part}") };
            Err(Error::Stopped(Stop::Leased { waited_s: 0, reason }))
        }
    }
}

/// Gives up the generations before `run`'s that were begun and never took over: their files are others
/// by now.
pub(super) async fn unfinished(run: &PartRun) -> Result<(), Error> {
    for (_, part, state) in generations(&run.session).await? {
        if part == *run.source() {
            break;
        }
        let stopped = match &state.phase {
            Phase::Paused { at, .. } | Phase::Failed { at, .. } => at.may_stop(),
            phase => phase.may_stop() || *phase == Phase::Abandoning,
        };
        if stopped {
            run.session.listener().note(&part, "given up: its files are others by now");
            give_up(&run.session, &part).await?;
        }
    }
    Ok(())
}

/// Gives a generation up that has not taken over: it is deleted, and what is known about it.
///
/// # Errors
/// [`Stop::Leased`] where somebody works on it; [`Error::Contradiction`] where an alias stands for it;
/// [`Error::Switched`] once it has taken over; failures of requests.
pub async fn give_up(session: &Session, part: &IndexName) -> Result<(), Error> {
    let held = hold(session, part).await?;
    // Somebody else may have worked on it until just now.
    let state = session.journal().read().await?.parts.remove(part).unwrap_or_default();
    let mut run = PartRun::known(session, part, state);
    let done = give_up_held(&mut run).await;
    held.give_back().await;
    done
}

/// As [`give_up`], for whoever holds the lease.
pub(super) async fn give_up_held(run: &mut PartRun) -> Result<(), Error> {
    let (session, part) = (run.session.clone(), run.source().clone());
    if matches!(run.state.phase, Phase::CuttingOver { .. } | Phase::RollingBack) {
        super::diagnose(run).await?;
    }
    if matches!(run.state.phase, Phase::Abandoned | Phase::Planned) {
        return Ok(());
    }
    if run.state.phase.is_switched() || run.state.phase == Phase::RolledBack {
        let phase = run.state.phase.to_string();
        return Err(Error::Switched { part, phase });
    }
    let looking = || format!("looking at {part}");
    let there = session.cluster().index(part.as_str()).await.doing(looking)?;
    let made = run.state.target_uuid.clone();
    let ours = there.filter(|index| made.is_none_or(|uuid| uuid.as_str() == index.uuid));
    let ours = ours.filter(|index| {
        index.mappings["_meta"]["segue"]["migration"] == serde_json::json!(session.migration())
    });
    if let Some(alias) =
        ours.as_ref().and_then(|index| names(index).first().map(ToString::to_string))
    {
        return Err(Error::Contradiction(vec![format!(
            "{part} never took over by the journal, but the alias {alias} stands for it: take that away \
             first, or choose another target.index"
        )]));
    }
    if run.state.phase != Phase::Abandoning {
        run.record(Event::AbandonStarted).await?;
    }
    if ours.is_some() {
        delete(&session, &part, part.as_str()).await?;
    }
    forget::everything(&session, &part, &mut Vec::new()).await?;
    run.record(Event::Abandoned).await
}
